// One end of a connection that carries calls. Both ends are the same: either may call.

import { DecodeError, decodeMultiStream } from '@msgpack/msgpack'
import { StractoryError, refuse } from './errors.js'
import { Items } from './items.js'
import { CALL, CANCEL, ENDED, FAILURE, ITEM, MORE, OPENED, RELEASE, RESULT } from './messages.js'
import { WIRE, open, pack } from './messages.js'
import { Callback, References } from './references.js'

/** Calls the other side, and runs the functions of ours that it was given. */
export class Calls {
  #stream
  #peer
  #onError
  #last = 0
  #waiting = new Map() // id: {resolve, reject}, until the answer
  #items = new Map() // id: Items, until their end
  #references = new References((number) => new Callback(this, number))
  #handlers = {
    [CALL]: (...call) => this.#serve(...call),
    [RESULT]: (id, value) => this.#answered(id)?.resolve(value),
    [FAILURE]: (id, ...failure) => this.#failed(id, new StractoryError(...failure)),
    [OPENED]: (id) => this.#opened(id),
    [ITEM]: (id, value) => this.#items.get(id)?.push(value),
    [ENDED]: (id) => this.#itemsEnded(id),
    [MORE]: () => {}, // functions of ours return no items
    [CANCEL]: () => {},
    [RELEASE]: (number, times) => this.#references.giveBack(number, times)
  }

  /**
   * @param {import('./link.js').Stream} stream
   * @param {string} peer who is there, for texts
   * @param {(error: Error) => void} onError is told what functions of ours threw that nobody waits for
   */
  constructor (stream, peer, onError = () => {}) {
    this.#stream = stream
    this.#peer = peer
    this.#onError = onError
    this.open = true
    /** Settles when the connection is over. */
    this.ended = this.#read()
  }

  /**
   * @param {string | number} target a method, or the number of a function of theirs
   * @param {unknown[]} args
   * @param {{kwargs?: object, timeout?: number}} options `timeout`: seconds to wait, of which it is told
   * @returns {Promise<unknown>} what it returned, or Items
   */
  call (target, args, { kwargs = {}, timeout } = {}) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      this.#write([CALL, id, target, args, kwargs, timeout ?? null])
      const late = () => this.#late(id, target, timeout)
      const timer = timeout === undefined ? undefined : setTimeout(late, timeout * 1000)
      this.#waiting.set(id, { resolve, reject, timer })
    })
  }

  /** Call and do not wait: errors stay on the other side. */
  send (target, args, { kwargs = {} } = {}) {
    this.#write([CALL, null, target, args, kwargs, null])
  }

  /** Give a function of theirs back. */
  release (callback) {
    const times = this.#references.forget(callback)
    if (times && this.open) this.#write([RELEASE, callback.number, times])
  }

  /** End in order: what was sent arrives. */
  async close () {
    this.open = false
    this.#stream.output.end()
    await this.ended
  }

  // ---- what arrives --------------------------------------------------------------------------------------

  async #read () {
    let error = this.#over()
    try {
      for await (const value of decodeMultiStream(this.#stream.input, WIRE)) {
        const [type, ...fields] = open(value, this.#references)
        const handle = this.#handlers[type] ?? refuse(`a message of unknown type ${type}`)
        handle(...fields)
      }
      this.#stream.output.end()
    } catch (broken) {
      if (broken instanceof DecodeError) broken = new StractoryError('ProtocolError', broken.message)
      if (broken instanceof StractoryError) error = broken.of(this.#peer)
      this.#stream.abort(broken)
    }
    this.open = false
    for (const id of this.#waiting.keys()) this.#answered(id).reject(error)
    for (const items of this.#items.values()) items.end(error)
  }

  #over () {
    const text = 'the connection has ended; a call that was under way may have run'
    return new StractoryError('ActorLost', text).of(this.#peer)
  }

  /** Whoever waits for that answer, and waits no longer; undefined if the time was over. */
  #answered (id) {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    clearTimeout(waiting?.timer)
    return waiting
  }

  #late (id, target, timeout) {
    const error = new StractoryError('CallTimeout', `${target} did not answer within ${timeout} s`)
    this.#answered(id).reject(error.of(this.#peer))
  }

  #failed (id, error) {
    if (this.#items.has(id)) this.#itemsEnded(id, error)
    else this.#answered(id)?.reject(error)
  }

  #opened (id) {
    const cancel = () => {
      this.#items.delete(id)
      if (this.open) this.#write([CANCEL, id])
    }
    const waiting = this.#answered(id)
    if (!waiting) return cancel()
    const items = new Items((credit) => this.#write([MORE, id, credit]), cancel)
    this.#items.set(id, items)
    waiting.resolve(items)
  }

  #itemsEnded (id, error) {
    this.#items.get(id)?.end(error)
    this.#items.delete(id)
  }

  // ---- what is called here -------------------------------------------------------------------------------

  #serve (id, target, args, kwargs) {
    const run = typeof target === 'string' ? unknownMethod(target) : this.#references.find(target)
    const named = Object.keys(kwargs).length ? [kwargs] : [] // as functions of JavaScript have them
    const result = (async () => run(...args, ...named))()
    if (id === null) result.catch(this.#onError)
    else result.then((value) => this.#returned(id, value)).catch((error) => this.#threw(id, error))
  }

  #returned (id, value) {
    if (value?.next) throw new TypeError('functions of this client return values and no generators')
    if (this.open) this.#write([RESULT, id, value ?? null])
  }

  #threw (id, error) {
    const { code, message, details } = error instanceof StractoryError ? error : remote(error)
    if (this.open) this.#write([FAILURE, id, code, message, details])
  }

  #write (message) {
    if (!this.open) throw this.#over()
    this.#stream.output.write(pack(message, this.#references, this.#stream.limit))
  }
}

function unknownMethod (name) {
  return () => {
    throw new StractoryError('UnknownMethod', `there is no method '${name}': this end has functions only`)
  }
}

/** How an error of JavaScript's travels. */
function remote (error) {
  const details = { type: error?.name ?? typeof error, remote_traceback: String(error?.stack ?? '') }
  return new StractoryError('RemoteError', String(error?.message ?? error), details)
}
