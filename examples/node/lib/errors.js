// The errors of this client.

/** An error of stractory's. Its `code` is a name of the tree in stractory/errors.py, as on the wire. */
export class StractoryError extends Error {
  /**
   * @param {string} code
   * @param {string} message one sentence
   * @param {Record<string, unknown>} details of a RemoteError its `type` and `remote_traceback`
   */
  constructor (code, message, details = {}) {
    super(message)
    this.name = this.code = code
    this.details = details
  }

  /** The same with something before its text, such as who is spoken of. */
  of (whom) {
    return new StractoryError(this.code, `${whom}: ${this.message}`, this.details)
  }
}

/** Throws what breaks the wire format. */
export function refuse (message) {
  throw new StractoryError('ProtocolError', message)
}
