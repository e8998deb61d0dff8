// The items of a generator on the other side.

const STEP = 32 // so many more are asked for at a time: half of what may come unasked

/** What a call gives that returned items: `for await` takes them, and to leave the loop cancels the rest. */
export class Items {
  #arrived = []
  #over = false
  #error = null
  #wake = () => {}
  #more
  #cancel

  /**
   * @param {(credit: number) => void} more asks for so many more
   * @param {() => void} cancel tells that no more are taken
   */
  constructor (more, cancel) {
    this.#more = more
    this.#cancel = cancel
  }

  /** One has arrived. */
  push (item) {
    this.#arrived.push(item)
    this.#wake()
  }

  /** There are no more; with an error that is why. */
  end (error = null) {
    this.#over = true
    this.#error = error
    this.#wake()
  }

  /** Take no more. */
  cancel () {
    if (!this.#over) this.#cancel()
    this.end()
    this.#arrived = []
  }

  async * [Symbol.asyncIterator] () {
    let taken = 0
    try {
      for (;;) {
        while (this.#arrived.length) {
          yield this.#arrived.shift()
          taken = (taken + 1) % STEP
          if (taken === 0 && !this.#over) this.#more(STEP)
        }
        if (this.#error) throw this.#error
        if (this.#over) return
        await new Promise((resolve) => { this.#wake = resolve })
      }
    } finally {
      this.cancel()
    }
  }
}
