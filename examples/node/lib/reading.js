// Exactly so many bytes of what comes in pieces of any size.

import { once } from 'node:events'
import { refuse } from './errors.js'

/**
 * @param {import('node:stream').Readable} readable which has not begun to flow; what follows stays in it
 * @param {number} size
 * @returns {Promise<Buffer>}
 */
export async function readExactly (readable, size) {
  if (size === 0) return Buffer.alloc(0)
  for (;;) {
    const bytes = readable.read(size)
    if (bytes?.length === size) return bytes
    if (bytes || readable.readableEnded || readable.destroyed) {
      throw readable.errored ?? refuse('the connection ended too early')
    }
    await moreOrEnd(readable)
  }
}

async function moreOrEnd (readable) {
  const enough = new AbortController()
  const events = ['readable', 'close'].map((event) => once(readable, event, { signal: enough.signal }))
  try {
    await Promise.race(events)
  } finally {
    enough.abort()
  }
}
