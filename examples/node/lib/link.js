// One proved connection and the streams over it.

import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { yamux } from '@chainsafe/libp2p-yamux'
import { decode, encode } from '@msgpack/msgpack'
import { StractoryError, refuse } from './errors.js'
import { WIRE } from './messages.js'
import { readExactly } from './reading.js'

const MESSAGE_LIMIT = 64 * 1024 * 1024
const ignored = Object.assign(() => {}, { error: () => {}, trace: () => {} })
const logger = { forComponent: () => ignored }

/**
 * A stream that was accepted: bytes both ways. No message to the other side has more than `limit` bytes.
 *
 * @typedef {{input: Readable, output: PassThrough, limit: number, abort: (error: Error) => void}} Stream
 */

/** A yamux session. It pings every 30 seconds, and answers the pings of the other side. */
export class Link {
  /**
   * @param {import('node:net').Socket} socket
   * @param {string} peer who is there, for texts
   */
  constructor (socket, peer) {
    this.peer = peer
    this.#muxer = yamux()({ logger }).createStreamMuxer({
      direction: 'outbound',
      onIncomingStream: (stream) => stream.abort(new Error('nothing is served here'))
    })
    /** Settles when the connection is over. */
    this.closed = this.#run(socket)
  }

  #muxer

  async #run (socket) {
    const frames = Readable.from(bytesOf(this.#muxer.source), { objectMode: false })
    socket.once('close', () => this.#muxer.abort(this.#over()))
    await Promise.allSettled([this.#muxer.sink(socket), pipeline(frames, socket)])
    socket.destroy()
  }

  #over () {
    return new StractoryError('LinkClosed', `the link to ${this.peer} has ended`)
  }

  /** Whether streams can still be opened. */
  get usable () {
    return !this.#muxer.isClosed()
  }

  /** @returns {Promise<number>} milliseconds until the other side's answer */
  async ping () {
    try {
      return await this.#muxer.ping()
    } catch {
      throw this.#over()
    }
  }

  /**
   * Open a stream for a service, and wait until it is accepted.
   *
   * @param {'registry' | 'worker' | 'actor'} service
   * @returns {Promise<Stream>}
   */
  async open (service, name = '', epoch = 0, ticket = new Uint8Array()) {
    if (!this.usable) throw this.#over()
    const stream = this.#muxer.newStream()
    const input = Readable.from(bytesOf(stream.source), { objectMode: false })
    const output = new PassThrough()
    const abort = (error) => {
      stream.abort(error)
      output.destroy()
    }
    stream.sink(output).catch(() => {}) // of what ends a stream its input tells too
    output.write(headed(encode([service, name, epoch, ticket], WIRE)))
    try {
      return { input, output, limit: limitOf(await answerFrom(input)), abort }
    } catch (error) {
      abort(error)
      throw error instanceof StractoryError && this.usable ? error : this.#over()
    }
  }

  /** End in order: the streams, then the session. */
  async close () {
    await this.#muxer.close()
    await this.closed
  }
}

async function * bytesOf (lists) {
  for await (const list of lists) yield list.subarray()
}

function headed (packed) {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(packed.length)
  return Buffer.concat([length, packed])
}

async function answerFrom (input) {
  const length = (await readExactly(input, 2)).readUInt16BE()
  return decode(await readExactly(input, length))
}

/** What the other side takes of one message. Throws the error by which it refuses the stream. */
function limitOf (answer) {
  if (!Array.isArray(answer)) refuse('malformed answer to a dial header')
  if (answer.length === 3) throw new StractoryError(...answer)
  return answer[0] ?? MESSAGE_LIMIT
}
