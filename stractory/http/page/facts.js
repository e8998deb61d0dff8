/** The facts of the worker or actor that is selected, asked again as long as they are open. */

import { byId, make, say, sign } from "./dom.js";
import { Refused, ask } from "./registry.js";
import { KINDS, bytes, clock, counted, duration, percent, rate, shown, whole } from "./text.js";

const AGAIN = 2_000;
const LISTED = 100;
const SHOWN_NAME = 600;

export class Facts {
  /**
   * @param {import("./model.js").Model} model
   * @param {(mark: object | null) => void} select
   * @param {(mark: object) => void} located told where an actor is, when that is known or changes
   */
  constructor(model, select, located) {
    Object.assign(this, { model, select, located });
    this.mark = null;
    this.rows = new Map();
    this.looks = [];
    byId("close-facts").addEventListener("click", () => select(null));
    document.addEventListener("visibilitychange", () => !document.hidden && this.#ask());
  }

  /** Show those of something else, or none. @param {{type: string, key: string} | null} mark */
  show(mark) {
    this.mark = mark;
    this.looks = [];
    this.rows.clear();
    this.asked?.abort();
    clearTimeout(this.timer);
    byId("facts").hidden = !mark;
    if (!mark) return;
    byId("facts-body").replaceChildren(make("dl", { className: "facts" }), make("p", { className: "note" }));
    byId("facts-title").replaceChildren(make("bdi", {}, shown(mark.key, SHOWN_NAME)));
    byId("facts").scrollIntoView({ block: "nearest" });
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.timer);
    const { mark } = this;
    if (!mark || document.hidden) return;
    this.asked = new AbortController();
    try {
      const told = await askFor(mark, this.asked.signal);
      if (mark !== this.mark) return;
      this.#note("");
      if (mark.type === "actor") this.#actor(told);
      else await this.#worker(told);
    } catch (error) {
      if (mark !== this.mark || error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      this.#note(error.status === 404 ? `There is no such ${mark.type} now.` : error.message);
    }
    if (mark === this.mark) this.timer = setTimeout(() => this.#ask(), AGAIN);
  }

  #actor(actor) {
    const { facts } = actor;
    const rates = this.#rates(facts);
    if (this.mark.host !== actor.worker) {
      this.mark.host = actor.worker;
      this.located(this.mark);
    }
    this.#say("kind", [sign(actor.kind), ` ${actor.kind}`]);
    this.#say("state", actor.state, actor.state !== "running");
    this.#say("worker", actor.worker ? [this.#link("worker", actor.worker)] : "none now");
    this.#say("since", `${clock(actor.since)}, ${duration(Math.max(0, this.model.now - actor.since))} ago`);
    this.#say("epoch", String(actor.epoch));
    this.#say("clients", facts ? whole(facts.clients) : "–");
    this.#say("calls", facts ? inAll(facts.calls, rates?.calls) : "–");
    this.#say("errors", facts ? inAll(facts.errors, rates?.errors) : "–");
    const last = facts?.last_error && `${shown(facts.last_error)} (${this.#ago(facts.last_error_at)})`;
    this.#say("last error", last || "none", Boolean(last));
    this.#say("created by", shown(actor.creator || "unknown"));
    this.#say("restart", actor.restart);
    this.#say("process", actor.isolated ? "one of its own" : "its worker's");
    this.#say("public", actor.public ? "yes: its port asks for no key" : "no");
    this.#say("problem", shown(actor.problem) || "none", Boolean(actor.problem));
  }

  async #worker(worker) {
    const { load } = worker;
    const rates = this.#rates(load);
    this.#say("state", worker.state, worker.state !== "running");
    if (worker.parent) this.#say("process of", [this.#link("worker", worker.parent)]);
    this.#say("actors", whole(worker.actors));
    this.#say("kinds", inOrder(worker.kinds) || "–");
    this.#say("processor", percent(rates?.cpu ?? null));
    this.#say("calls", load ? inAll(load.calls, rates?.calls) : "–");
    this.#say("errors", load ? inAll(load.errors, rates?.errors) : "–");
    this.#say("clients", load ? `${counted(load.links, "link")}, ${counted(load.streams, "stream")}` : "–");
    this.#say("received", load ? `${bytes(load.received)} (${bytes(rates?.received ?? 0)}/s)` : "–");
    this.#say("memory", load ? bytes(load.memory) : "–");
    this.#say("loop lag", load ? duration(load.lag) : "–");
    this.#say("process", `pid ${worker.pid}`);
    this.#say("runs", worker.python);
    await this.#actors(worker);
  }

  /** The first of a worker's actors. */
  async #actors({ address, actors }) {
    const { mark } = this;
    const told = await ask(["actors"], { worker: address, limit: LISTED }, this.asked.signal);
    if (mark !== this.mark) return;
    const body = byId("facts-body");
    const key = told.actors.map(({ name }) => name).join("\n");
    if (this.listed === key && body.querySelector(".of-worker")) return;
    this.listed = key;
    const focused = document.activeElement?.dataset?.name;
    const items = told.actors.map(({ name, kind }) => make("li", {}, sign(kind), this.#link("actor", name)));
    const list = make("div", { className: "of-worker" }, make("ul", {}, ...items));
    if (told.more)
      list.append(
        make(
          "p",
          { className: "note" },
          `The first ${LISTED} of ${whole(actors)}. The search finds the others.`,
        ),
      );
    body.querySelector(".of-worker")?.remove();
    body.append(list);
    [...list.querySelectorAll("button")].find((button) => button.dataset.name === focused)?.focus();
  }

  /** What grew by how much a second since the look before: by the worker's clock, where that is told. */
  #rates(told) {
    if (!told) return null;
    const at = told.at ?? performance.now() / 1000;
    if (this.looks.at(-1)?.at > at) this.looks = []; // it has started anew
    if (this.looks.at(-1)?.at !== at) this.looks = [...this.looks.slice(-1), { at, told }];
    if (this.looks.length < 2) return null;
    const [before, now] = this.looks;
    const of = (key) => Math.max(0, (now.told[key] - before.told[key]) / (now.at - before.at));
    return Object.fromEntries(Object.keys(told).map((key) => [key, of(key)]));
  }

  #ago(at) {
    return `${duration(Math.max(0, this.model.now - at))} ago`;
  }

  #link(type, key) {
    const name = make("bdi", {}, shown(key, 200));
    const link = make("button", { type: "button", className: "plain link", data: { name: key } }, name);
    link.addEventListener("click", () => this.select({ type, key }));
    return link;
  }

  /** A fact, in its row. What did not change is left alone, with the focus that may be in it. */
  #say(term, value, wrong = false) {
    if (!this.rows.has(term)) {
      const row = make("dd");
      byId("facts-body")
        .querySelector(".facts")
        .append(make("dt", {}, term), row);
      this.rows.set(term, row);
    }
    const row = this.rows.get(term);
    const parts = [value].flat();
    const text = parts.map((part) => part.textContent ?? part).join("");
    if (row.textContent !== text) row.replaceChildren(...parts);
    row.classList.toggle("wrong", wrong);
  }

  #note(text) {
    say(byId("facts-body").querySelector(".note"), text);
  }
}

/** "rpc 3, stream 1". @param {Record<string, number>} kinds */
function inOrder(kinds) {
  const place = ([kind]) => (KINDS.includes(kind) ? KINDS.indexOf(kind) : KINDS.length);
  const parts = Object.entries(kinds).sort((one, other) => place(one) - place(other));
  return parts.map(([kind, count]) => `${kind} ${whole(count)}`).join(", ");
}

/** "1,234 (5.6/s)": all that there were, and how many a second lately. */
const inAll = (count, each) => `${whole(count)} (${rate(each ?? null)}/s)`;

/** What the API says of it. A path has no room for a name of dots: browsers take it for a folder's. */
async function askFor({ type, key }, signal) {
  if (!/^[.]{1,2}$/.test(key)) return ask([`${type}s`, key], {}, signal);
  const { actors } = await ask(["actors"], { match: key.replaceAll(".", "[.]") }, signal);
  if (!actors.length) throw new Refused("", 404);
  return { ...actors[0], facts: null };
}
