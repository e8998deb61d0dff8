// Rpc messages as msgpack: see "Rpc messages" in docs/protocol.md.

import { EXT_TIMESTAMP, ExtData, ExtensionCodec, decode, encode } from '@msgpack/msgpack'
import { StractoryError, refuse } from './errors.js'

export const [CALL, RESULT, FAILURE, OPENED, ITEM, ENDED, MORE, CANCEL, RELEASE] = Array(9).keys()

/** Extension types. */
export const SENDERS = 1
export const RECEIVERS = 2
const CYCLIC = 3
const CONTAINER = 4
const REFERRING = 5

/** How all is packed and read: integers of 64 bits are BigInt, so that none loses its last digits. */
export const WIRE = { useBigInt64: true, maxDepth: 1024 }

/** Stands in a table for the container of a row. */
class Container {
  constructor (row) {
    this.row = row
  }
}

/** What functions are on the wire; the context is that of pack(), or the references of open(). */
const referring = {
  tryToEncode (value, { references, sent }) {
    if (!references.knows(value)) return ExtensionCodec.defaultCodec.tryToEncode(value)
    const [type, number] = references.refer(value)
    sent.push([type, number])
    return new ExtData(type, encode(number))
  },
  decode (data, type, references) {
    switch (type) {
      case SENDERS: return references.theirs(decode(data))
      case RECEIVERS: return references.find(decode(data))
      case CONTAINER: return new Container(decode(data))
      case EXT_TIMESTAMP: return ExtensionCodec.defaultCodec.decode(data, type)
      default: return refuse(`an extension of type ${type} where none may be`)
    }
  }
}

/**
 * The bytes of a message, which may hold functions. If it throws, none was given.
 *
 * @param {unknown[]} message
 * @param {import('./references.js').References} references
 * @param {number} limit in bytes
 */
export function pack (message, references, limit) {
  const sent = []
  try {
    const inside = encode(message, { ...WIRE, extensionCodec: referring, context: { references, sent } })
    const packed = sent.length ? encode(new ExtData(REFERRING, inside)) : inside
    if (packed.length <= limit) return packed
    throw new StractoryError('CallError', `a message of ${packed.length} bytes is over the limit of ${limit}`)
  } catch (error) {
    for (const [type, number] of sent) references.withdraw(type, number)
    throw error
  }
}

/**
 * The message in a value that has arrived.
 *
 * @param {unknown} value
 * @param {import('./references.js').References} references
 * @returns {unknown[]}
 */
export function open (value, references) {
  const message = value instanceof ExtData ? unwrapped(value, references) : value
  return Array.isArray(message) ? message : refuse('malformed message')
}

function unwrapped ({ type, data }, references) {
  const inside = decode(data, { ...WIRE, extensionCodec: referring, context: references })
  if (type === REFERRING) return inside
  if (type === CYCLIC) return fromTable(inside)
  return refuse('an extension in place of a message')
}

/** Row 0 of a table, with the rows of which its containers have the numbers in their places. */
function fromTable (table) {
  if (!Array.isArray(table)) refuse('malformed table')
  for (const row of table) {
    for (const [key, part] of Object.entries(row)) {
      if (part instanceof Container) row[key] = table[part.row] ?? refuse(`there is no row ${part.row}`)
    }
  }
  return table[0]
}
