// What get() hands out.

/** An rpc actor, over a connection of its own. */
export class Actor {
  #calls

  /**
   * @param {string} name
   * @param {import('./calls.js').Calls} calls
   */
  constructor (name, calls) {
    this.name = name
    this.#calls = calls
  }

  /** Settles when the connection is over: the actor has ended, or its worker, or close() was called. */
  get ended () {
    return this.#calls.ended
  }

  /**
   * Call a method. Functions among the arguments are the actor's to call, and those that come are a Callback.
   *
   * @returns {Promise<unknown>} what it returns; of a generator something for `for await`
   */
  call (method, ...args) {
    return this.#calls.call(method, args)
  }

  /**
   * As call(), with more to say.
   *
   * @param {{kwargs?: object, timeout?: number}} options named arguments; seconds to wait
   */
  callWith (options, method, ...args) {
    return this.#calls.call(method, args, options)
  }

  /** Call a method and do not wait for it. */
  send (method, ...args) {
    this.#calls.send(method, args)
  }

  /** End the connection in order. The actor lives on. */
  close () {
    return this.#calls.close()
  }
}
