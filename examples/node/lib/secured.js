// TLS over a connection that has been announced to speak it.

import { once } from 'node:events'
import tls from 'node:tls'
import { StractoryError } from './errors.js'

/**
 * Any certificate will do, as the proof that follows is bound to it; a CA asks for more. Names are ignored.
 *
 * @param {import('node:net').Socket} socket
 * @param {{ca?: string | Buffer}} trust the CA in PEM
 * @returns {Promise<tls.TLSSocket>}
 */
export async function secured (socket, { ca }) {
  const encrypted = tls.connect({
    socket,
    ca,
    rejectUnauthorized: ca !== undefined,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.3'
  })
  try {
    await once(encrypted, 'secureConnect')
  } catch (error) {
    throw new StractoryError('AuthError', `the handshake of TLS failed: ${error.message}`)
  }
  return encrypted
}
