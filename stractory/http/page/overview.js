/** Totals, kinds, and what happened lately. */

import { byId, make, say, sign } from "./dom.js";
import { KINDS, brief, clock, counted, rate, shortAddress, shown, whole } from "./text.js";

const LATELY = 8;
const MINUTE = 60;
const [WIDTH, HEIGHT] = [240, 40];

export class Overview {
  /** @param {import("./model.js").Model} model */
  constructor(model) {
    this.model = model;
    this.counts = new Map();
  }

  /** @param {import("./model.js").Changes} changes */
  update(changes) {
    const { model } = this;
    const { calls, errors } = model.traffic();
    const hosts = [...model.workers.values()].filter((worker) => !worker.isolated);
    say(byId("total-actors"), whole(model.total));
    say(byId("total-workers"), whole(hosts.length));
    say(byId("total-calls"), rate(calls));
    say(byId("total-errors"), rate(errors));
    byId("nobody").hidden = hosts.length > 0;
    this.#kinds();
    this.#history();
    this.#lately(changes);
    say(byId("web-text"), this.#inWords(hosts));
  }

  /** The picture, for who does not see it. */
  #inWords(hosts) {
    const wrong = hosts.filter((worker) => worker.state !== "running");
    const states = wrong.map((worker) => `${worker.address} is ${worker.state}`).join(", ");
    const all = `${counted(hosts.length, "worker")} and ${counted(this.model.total, "actor")}`;
    const drawn = this.model.names ? "" : " There are too many actors to draw each, so workers are discs.";
    return `${all}${states ? `; ${states}` : ""}.${drawn} The table of workers and the search tell the same.`;
  }

  #kinds() {
    const counts = this.model.kinds();
    const kinds = [...KINDS, ...[...counts.keys()].filter((kind) => !KINDS.includes(kind))];
    for (const kind of kinds) {
      if (!this.counts.has(kind)) {
        const count = make("span", { className: "count" });
        byId("kinds").append(make("li", {}, sign(kind), kind, count));
        this.counts.set(kind, count);
      }
      say(this.counts.get(kind), whole(counts.get(kind) ?? 0));
    }
  }

  #history() {
    const { history, now } = this.model;
    const seen = history.filter(({ at }) => now - at <= MINUTE);
    const most = Math.max(0, ...seen.map(({ calls }) => calls));
    const points = seen.map(({ at, calls }) => {
      const x = WIDTH - ((now - at) / MINUTE) * WIDTH;
      return `${x.toFixed(1)} ${(HEIGHT - 2 - (calls / (most || 1)) * (HEIGHT - 5)).toFixed(1)}`;
    });
    const line = points.length ? `M${points.join("L")}` : "";
    const first = points.length ? points[0].split(" ")[0] : 0;
    byId("history").querySelector(".line").setAttribute("d", line);
    byId("history")
      .querySelector(".area")
      .setAttribute("d", line && `${line}L${WIDTH} ${HEIGHT}L${first} ${HEIGHT}Z`);
    const recent = history.filter(({ at }) => now - at <= 10);
    const seconds = recent.length > 1 ? now - recent[0].at : 0;
    const each = (key) => (seconds ? recent.slice(1).reduce((sum, look) => sum + look[key], 0) / seconds : 0);
    say(byId("history-text"), `calls of a minute, up to ${brief(most)}/s`);
    say(byId("passing"), `${rate(each("births"))} born/s, ${rate(each("deaths"))} died/s`);
  }

  #lately({ whole: all, born, moved, died, workers }) {
    const told = [];
    if (!all) for (const [address, state] of workers) told.push(this.#worker(address, state));
    for (const actor of born.slice(0, LATELY)) told.push(this.#actor("born", actor));
    for (const actor of moved.slice(0, LATELY)) told.push(this.#actor(this.#move(actor), actor));
    for (const { actor, reason } of died.slice(0, LATELY)) told.push(this.#actor("died", actor, reason));
    const list = byId("lately");
    for (const item of told.slice(0, LATELY)) list.prepend(item);
    while (list.children.length > LATELY) list.lastChild.remove();
  }

  #worker(address, state) {
    const name = shown(shortAddress(address, this.model.registry), 60);
    return this.#item(`worker ${name}`, state === "new" ? "has come" : `is ${state}`);
  }

  #move({ worker }) {
    return worker ? `moved to ${shortAddress(worker, this.model.registry)}` : "waits for a worker";
  }

  #actor(what, actor, reason = "") {
    const name = make("bdi", {}, shown(actor.name, 80));
    return this.#item(name, `${what}${reason ? `, ${reason}` : ""}`);
  }

  #item(subject, event) {
    const what = make("span", { className: "what" }, subject, " ", make("b", {}, event));
    return make("li", {}, make("time", {}, clock(this.model.now)), what);
  }
}
