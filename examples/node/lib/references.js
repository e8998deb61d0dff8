// The functions that one connection refers to: ours that the other side holds, and its that we hold.

import { StractoryError, refuse } from './errors.js'
import { RECEIVERS, SENDERS } from './messages.js'

/** A function of the other side's. */
export class Callback {
  #calls

  constructor (calls, number) {
    this.#calls = calls
    this.number = number
    this.received = 0
  }

  /** Run it, without waiting. */
  send (...args) {
    this.#calls.send(this.number, args)
  }

  /** What it returns. */
  call (...args) {
    return this.#calls.call(this.number, args)
  }

  /** It is needed no more. (Otherwise it is held until the connection ends.) */
  release () {
    this.#calls.release(this)
  }
}

/** Both tables of one end of a connection. */
export class References {
  #ours = new Map() // number: {given, sent}
  #numbers = new Map() // of our functions
  #theirs = new Map() // number: what stands for it here
  #last = 0
  #make

  /** @param {(number: number) => Callback} make what stands for a function of the other side's */
  constructor (make) {
    this.#make = make
  }

  /** Whether a value travels as a function. */
  knows (value) {
    return typeof value === 'function' || value instanceof Callback
  }

  /** The type and number by which to send a function. */
  refer (value) {
    if (value instanceof Callback) {
      if (this.#theirs.get(value.number) === value) return [RECEIVERS, value.number]
      throw new StractoryError('CallbackGone', 'a function was released, or came over another connection')
    }
    let number = this.#numbers.get(value)
    if (number === undefined) {
      number = ++this.#last
      this.#numbers.set(value, number)
      this.#ours.set(number, { given: value, sent: 0 })
    }
    this.#ours.get(number).sent++
    return [SENDERS, number]
  }

  /** A reference was not sent after all. */
  withdraw (type, number) {
    if (type === SENDERS) this.giveBack(number, 1)
  }

  /** Our function of a number. */
  find (number) {
    return this.#ours.get(number)?.given ?? refuse(`there is no function ${number}`)
  }

  /** What stands here for a function of theirs that has come. */
  theirs (number) {
    if (!this.#theirs.has(number)) this.#theirs.set(number, this.#make(number))
    const callback = this.#theirs.get(number)
    callback.received++
    return callback
  }

  /** One of theirs is not held any more. Returns how many references to it came. */
  forget (callback) {
    return this.#theirs.get(callback.number) === callback && this.#theirs.delete(callback.number)
      ? callback.received
      : 0
  }

  /** The other side holds so many references less to one of ours. */
  giveBack (number, times) {
    const entry = this.#ours.get(number)
    if (!entry || times > entry.sent) refuse(`more of function ${number} came back than was given`)
    entry.sent -= times
    if (entry.sent === 0) {
      this.#ours.delete(number)
      this.#numbers.delete(entry.given)
    }
  }
}
