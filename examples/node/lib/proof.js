// The handshake: both ends prove a secret, neither shows it. See "Handshake" in docs/protocol.md.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { decode, encode } from '@msgpack/msgpack'
import { StractoryError, refuse } from './errors.js'
import { hmac } from './hmac.js'
import { readExactly } from './reading.js'
import { secured } from './secured.js'

const VERSION = 1
const MAGIC = 'STRC'
const TLS_FOLLOWS = 'STRT'
const HEAD = 6
const LONGEST = 2048

/**
 * What a client proves: that it holds a key, or a ticket with its secret. Its toString() tells which.
 *
 * @typedef {{claim: Record<string, unknown>, secret: Uint8Array, toString: () => string}} Credential
 */

/**
 * Prove a credential to who listens, and have it prove that it knows it too.
 *
 * @param {import('node:net').Socket} socket
 * @param {'registry' | 'worker'} purpose
 * @param {Credential} credential
 * @param {{ca?: string | Buffer}} trust
 * @returns {Promise<import('node:net').Socket>} what to go on with in place of `socket`
 */
export async function prove (socket, purpose, credential, trust) {
  let head = await readExactly(socket, HEAD)
  if (head.toString('latin1', 0, 4) === TLS_FOLLOWS) {
    socket = await secured(socket, trust)
    head = await readExactly(socket, HEAD)
  } else if (trust.ca) {
    throw new StractoryError('AuthError', 'it does not use TLS, which the CA that is given asks for')
  }
  const [greeting, asSent] = await received(socket, head)
  check(greeting, purpose)
  const hello = encode({ ...credential.claim, v: VERSION, n: randomBytes(32) })
  const transcript = transcriptOf(asSent, hello, bindingOf(socket))
  const mine = hmac(credential.secret, 'client', transcript)
  send(socket, { h: hello, m: mine })
  const [answer] = await received(socket, await readExactly(socket, HEAD))
  if (answer.e === 'stale') throw new StractoryError('StaleTicket', 'what was looked up has gone')
  if (answer.e) throw new StractoryError('AuthError', `it refuses ${credential}`)
  if (!same(answer.m, hmac(credential.secret, 'server', transcript, mine))) {
    throw new StractoryError('AuthError', `it does not know ${credential}`)
  }
  return socket
}

/** T of docs/protocol.md. */
export function transcriptOf (greeting, hello, binding) {
  return hmac('transcript', greeting, hello, binding)
}

/** What ties the proof to this very connection: the certificate shown, or where the other end listens. */
function bindingOf (socket) {
  if (socket.encrypted) {
    const certificate = createHash('sha256').update(socket.getPeerCertificate(true).raw).digest()
    return Buffer.concat([Buffer.from('tls|'), certificate])
  }
  const [address] = socket.remoteAddress.split('%')
  const mapped = address.replace(/^::ffff:/, '')
  return `plain|${isIPv4(mapped) ? mapped : address}:${socket.remotePort}`
}

function check (greeting, purpose) {
  if (greeting.v !== VERSION) {
    throw new StractoryError('VersionMismatch', `handshake version ${greeting.v} instead of ${VERSION}`)
  }
  if (greeting.p !== purpose) {
    const text = `it is the port of a stractory ${greeting.p}, not of a ${purpose}`
    throw new StractoryError('AuthError', text)
  }
  if (greeting.n?.length !== 32) refuse('malformed handshake')
}

function same (theirs, ours) {
  return theirs instanceof Uint8Array && theirs.length === ours.length && timingSafeEqual(theirs, ours)
}

function send (socket, message) {
  const packed = encode(message)
  const head = Buffer.alloc(HEAD)
  head.write(MAGIC, 'latin1')
  head.writeUInt16BE(packed.length, 4)
  socket.write(Buffer.concat([head, packed]))
}

/** The message after `head`, and its bytes as they were sent. */
async function received (socket, head) {
  const length = head.readUInt16BE(4)
  const proper = head.toString('latin1', 0, 4) === MAGIC && length <= LONGEST
  if (!proper) refuse("it does not speak stractory's handshake")
  const packed = await readExactly(socket, length)
  let message
  try {
    message = decode(packed)
  } catch {
    refuse('malformed handshake')
  }
  if (message === null || typeof message !== 'object') refuse('malformed handshake')
  return [message, packed]
}
