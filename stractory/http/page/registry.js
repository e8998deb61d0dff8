/** What is asked of the registry: its API, and its stream of events, which is opened again when it ends. */

const SILENCE = 13_000;
const AGAIN = 2_000;
const HIDDEN = 60_000;

/** Why the registry did not say what it was asked. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * What the API says at a path, such as ["workers", address].
 * @param {string[]} parts
 * @param {Record<string, string | number>} [query]
 * @param {AbortSignal} [signal]
 * @throws {Refused} with one sentence; its status is 0 where nobody answered
 */
export async function ask(parts, query = {}, signal = undefined) {
  const path = ["/api", ...parts.map(encodeURIComponent)].join("/");
  const words = new URLSearchParams(query).toString();
  let answer;
  try {
    answer = await fetch(words ? `${path}?${words}` : path, { signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The registry does not answer.", 0);
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok)
    throw new Refused(told.error ?? `The registry answered with status ${answer.status}.`, answer.status);
  return told;
}

/** Hears the registry's events as long as the page is looked at. */
export class Events {
  /**
   * @param {Record<"state" | "tick", (data: object) => void>} hear
   * @param {(live: boolean, why?: string) => void} tell whether the registry is there, or why not
   */
  constructor(hear, tell) {
    this.hear = hear;
    this.tell = tell;
    this.source = null;
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  open() {
    this.close();
    const source = new EventSource("/api/events");
    this.source = source;
    for (const [name, hear] of Object.entries(this.hear)) {
      source.addEventListener(name, ({ data }) => {
        this.#wait(SILENCE);
        this.tell(true);
        hear(JSON.parse(data));
      });
    }
    source.addEventListener("error", () => {
      this.tell(false);
      this.#why();
      this.#wait(AGAIN);
    });
    this.#wait(SILENCE);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** Tell why there are no events, where the registry says it. */
  async #why() {
    const said = await ask(["cluster"]).then(
      () => "",
      (error) => (error.status ? error.message : ""),
    );
    if (said) this.tell(false, said);
  }

  /** Open it anew unless something is heard before. */
  #wait(time) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.tell(false);
      this.open();
    }, time);
  }

  #visibility() {
    clearTimeout(this.hidden);
    if (document.hidden) this.hidden = setTimeout(() => this.close(), HIDDEN);
    else if (!this.source) this.open();
  }
}
