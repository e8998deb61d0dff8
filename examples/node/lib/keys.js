// The file of cluster keys: see "Handshake" in docs/protocol.md.

import { readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { StractoryError } from './errors.js'
import { hmac } from './hmac.js'

const MARK = 'stractory-key-v1'
const REVOKED = 'stractory-revoked-v1'
const ROLES = ['master', 'operator', 'client', 'node']
const USABLE = ['client', 'operator', 'master'] // for one who looks actors up

/**
 * What a dialler proves itself with: the first key of the file that a client can use.
 *
 * @param {string} file
 * @returns {Promise<import('./proof.js').Credential>}
 */
export async function credentialOf (file) {
  const keys = (await linesOf(file)).map(([line, number]) => parse(line, `${file}:${number}`))
  let key = keys.find((one) => USABLE.includes(one?.role))
  if (!key) throw new StractoryError('AuthError', `${file} has no key of the role client or operator`)
  if (key.role === 'master') key = derived(key, 'client', userInfo().username)
  return {
    claim: { k: key.id, r: key.role, i: key.name },
    secret: key.secret,
    toString: () => `the key ${key.id} of ${file} (role ${key.role}, name ${key.name})`
  }
}

/** The key of a role and name, which whoever has the master key can make. */
export function derived (master, role, name) {
  return { id: master.id, role, name, secret: hmac(master.secret, 'stractory/1/role', role, name) }
}

async function linesOf (file) {
  try {
    if ((await stat(file)).mode & 0o077) {
      throw new StractoryError('AuthError', `the key file ${file} can be used by others: chmod 600 ${file}`)
    }
    const lines = (await readFile(file, 'utf8')).split('\n').map((line, index) => [line, index + 1])
    return lines.filter(([line]) => line.trim() && !line.startsWith('#'))
  } catch (error) {
    if (error instanceof StractoryError) throw error
    if (error.code === 'ENOENT') {
      const advice = 'name it by --key-file or STRACTORY_KEY_FILE'
      throw new StractoryError('AuthError', `no key file at ${file}: ${advice}`)
    }
    throw new StractoryError('AuthError', `cannot read the key file ${file} (${error.code})`)
  }
}

/** The key of a line, or undefined of one that revokes a name, which is a listener's affair. */
function parse (line, where) {
  const [mark, id, role, name, base64, ...more] = line.trim().split(/\s+/)
  if (mark === REVOKED && id && role === undefined) return undefined
  const secret = Buffer.from(base64 ?? '', 'base64')
  const whole = mark === MARK && ROLES.includes(role) && secret.length === 32 && !more.length
  if (whole) return { id, role, name, secret }
  throw new StractoryError('AuthError', `${where}: not a key line (${MARK} ID ROLE NAME BASE64)`)
}
