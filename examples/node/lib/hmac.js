// HMAC as docs/protocol.md has it.

import { createHmac } from 'node:crypto'

/** HMAC-SHA256 over the parts, each with its length as 32 bits before it. Text is UTF-8. */
export function hmac (key, ...parts) {
  const sum = createHmac('sha256', key)
  for (const part of parts.map((one) => Buffer.from(one))) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.length)
    sum.update(length).update(part)
  }
  return sum.digest()
}
