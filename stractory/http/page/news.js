/** Tells in words what changes, for who does not see the picture: gathered, and not too often. */

import { counted } from "./text.js";

/** Milliseconds between two things that are said. */
export const PAUSE = 8_000;

export class News {
  /** @param {(text: string) => void} tell */
  constructor(tell) {
    this.tell = tell;
    this.#forget();
    this.timer = null;
  }

  /** @param {import("./model.js").Changes} changes */
  add({ whole, births, deaths, workers }) {
    if (whole) return;
    this.births += births;
    this.deaths += deaths;
    for (const [address, state] of workers) this.workers.set(address, state);
    if (this.timer === null && this.text()) this.timer = setTimeout(() => this.#flush(), PAUSE);
  }

  /** What happened since it was last told, "" if nothing did. */
  text() {
    const parts = [];
    if (this.births) parts.push(`${counted(this.births, "actor")} born`);
    if (this.deaths) parts.push(`${counted(this.deaths, "actor")} died`);
    for (const [address, state] of this.workers) {
      parts.push(`worker ${address} ${state === "new" ? "has come" : `is ${state}`}`);
    }
    return parts.length ? `${parts.join(", ")}.` : "";
  }

  #flush() {
    this.timer = null;
    this.tell(this.text());
    this.#forget();
  }

  #forget() {
    [this.births, this.deaths, this.workers] = [0, 0, new Map()];
  }
}
