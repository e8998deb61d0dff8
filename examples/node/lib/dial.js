// Links from this side: connect, prove, and speak yamux.

import { once } from 'node:events'
import net from 'node:net'
import { StractoryError } from './errors.js'
import { Link } from './link.js'
import { prove } from './proof.js'

const ADDRESS = /^(?:(?:\[([^\[\]]+)\]|([^\s:/\[\],]+)):)?(\d{1,5})$/
const PATIENCE = 5000 // milliseconds for the handshake

/** Host and port of `9000`, `host:9000` or `[::1]:9000`. */
export function parseAddress (text) {
  const [, ipv6, host, port] = ADDRESS.exec(text) ?? []
  if (port === undefined || Number(port) > 65535) {
    const advice = 'write port, host:port or [IPv6]:port'
    throw new StractoryError('ConfigError', `'${text}' is not an address: ${advice}`)
  }
  return { host: ipv6 ?? host ?? '127.0.0.1', port: Number(port) }
}

/**
 * A proved link to what listens at an address.
 *
 * @param {string} address
 * @param {'registry' | 'worker'} purpose
 * @param {import('./proof.js').Credential} credential
 * @param {{ca?: string | Buffer, patience?: number}} options `patience`: milliseconds for the handshake
 * @returns {Promise<Link>}
 */
export async function dial (address, purpose, credential, { ca, patience = PATIENCE } = {}) {
  const where = parseAddress(address)
  const peer = `${purpose} ${where.host.includes(':') ? `[${where.host}]` : where.host}:${where.port}`
  try {
    const socket = await connected(where)
    return new Link(await proved(socket, patience, prove(socket, purpose, credential, { ca })), peer)
  } catch (error) {
    if (error instanceof StractoryError) throw error.of(peer)
    throw error
  }
}

/** What a handshake gives, if it is through in time. */
async function proved (socket, patience, handshake) {
  const late = new StractoryError('UnreachableError', `it did not answer within ${patience / 1000} s`)
  const timer = setTimeout(() => socket.destroy(late), patience)
  try {
    return await handshake
  } catch (error) {
    socket.destroy()
    if (!error.syscall) throw error
    throw new StractoryError('UnreachableError', `it broke off the handshake (${error.code})`)
  } finally {
    clearTimeout(timer)
  }
}

async function connected (where) {
  const socket = net.connect({ ...where, noDelay: true, keepAlive: true })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE) })
    return socket
  } catch (error) {
    socket.destroy()
    const why = error.name === 'AbortError' ? `not within ${PATIENCE / 1000} s` : error.code
    throw new StractoryError('UnreachableError', `nobody answers there (${why})`)
  }
}
