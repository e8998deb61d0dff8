/** What is known of the cluster, kept up with the registry's events. Pure: no page, no clock. */

const WINDOW = 3;
const BUSY_FOR = 2;
const HISTORY = 120;

/**
 * @typedef {{address: string, state: string, isolated: boolean, parent: string, actors: number, pid: number,
 *   python: string, kinds: Record<string, number>, load: Load | null, looks: Load[]}} Worker
 * @typedef {{at: number, calls: number, errors: number, links: number, streams: number, cpu: number,
 *   memory: number, lag: number, received: number}} Load `at`: seconds by the worker's own clock
 * @typedef {{name: string, kind: string, worker: string, state: string, epoch: number}} Actor
 * @typedef {{whole: boolean, born: Actor[], moved: Actor[], died: {actor: Actor, reason: string}[],
 *   births: number, deaths: number, grown: Map<string, number>, workers: [string, string][]}} Changes what an event changed;
 *   `grown`: by how many actors, by worker; `workers`: address and what became of it
 */

/** An actor of a row of the registry's. */
const actorOf = ([name, kind, worker, state, epoch]) => ({ name, kind, worker, state, epoch });

export class Model {
  constructor() {
    this.registry = "";
    /** @type {string[]} Where all are that share a store; this one is among them, or there are no others. */
    this.registries = [];
    this.since = 0;
    this.now = 0;
    this.total = 0;
    /** @type {Map<string, Worker>} */
    this.workers = new Map();
    /** @type {Map<string, Actor> | null} null: there are too many to name */
    this.names = null;
    /** @type {Map<string, {rate: number, until: number}>} */
    this.busy = new Map();
    /** @type {{at: number, calls: number, births: number, deaths: number}[]} */
    this.history = [];
  }

  /** All anew, as in an event `state`. @returns {Changes} */
  state(data) {
    const changes = nothing();
    changes.whole = true;
    this.registry = data.registry;
    this.registries = data.registries;
    this.since = data.since;
    this.now = data.now;
    this.total = data.actors;
    const before = this.workers;
    this.workers = new Map();
    for (const told of data.workers) {
      const known = before.get(told.address);
      if (known) this.workers.set(told.address, known);
      this.#worker(told, changes);
    }
    for (const address of before.keys()) {
      if (!this.workers.has(address)) changes.workers.push([address, "gone"]);
    }
    this.names = data.names && new Map(data.names.map((row) => [row[0], actorOf(row)]));
    return changes;
  }

  /** What changed, as in an event `tick`. @returns {Changes} */
  tick(data) {
    const changes = nothing();
    this.now = data.now;
    this.registries = data.registries;
    this.total = data.actors;
    for (const told of data.workers) this.#worker(told, changes);
    for (const address of data.gone) {
      if (this.workers.delete(address)) changes.workers.push([address, "gone"]);
    }
    changes.deaths = data.deaths;
    const over = new Map();
    for (const [name, epoch, reason] of data.died) this.#death(name, epoch, reason, over, changes);
    for (const row of data.born) this.#birth(actorOf(row), over, changes);
    // What is listed also tells of moves and of other states.
    changes.births = this.names && data.births === data.born.length ? changes.born.length : data.births;
    for (const [name, , rate] of data.busy) this.busy.set(name, { rate, until: data.now + BUSY_FOR });
    for (const [name, { until }] of this.busy) if (until < data.now) this.busy.delete(name);
    this.#remember(changes);
    return changes;
  }

  /** Calls a second of an actor, as last told. @param {string} name */
  rateOf(name) {
    return this.busy.get(name)?.rate ?? 0;
  }

  /**
   * What a worker did a second, lately: of looks at it at two times.
   * @param {Worker} worker
   * @returns {{calls: number, errors: number, cpu: number, received: number} | null}
   */
  rates({ looks, load }) {
    if (!load || looks.length < 2) return null;
    const [first, last] = [looks[0], looks.at(-1)];
    const seconds = last.at - first.at;
    const of = (key) => (last[key] - first[key]) / seconds;
    return { calls: of("calls"), errors: of("errors"), cpu: of("cpu"), received: of("received") };
  }

  /** Calls and errors a second, of all. */
  traffic() {
    const sum = { calls: 0, errors: 0 };
    for (const worker of this.workers.values()) {
      const rates = this.rates(worker);
      sum.calls += rates?.calls ?? 0;
      sum.errors += rates?.errors ?? 0;
    }
    return sum;
  }

  /** How many actors there are of each kind. */
  kinds() {
    const sum = new Map();
    for (const { kinds } of this.workers.values()) {
      for (const [kind, count] of Object.entries(kinds)) sum.set(kind, (sum.get(kind) ?? 0) + count);
    }
    return sum;
  }

  /** The worker in the pool that a worker is drawn with: itself, or that which made its process. */
  host(address) {
    const worker = this.workers.get(address);
    const parent = worker?.isolated ? this.workers.get(worker.parent) : undefined;
    return parent && !parent.isolated ? parent.address : address;
  }

  #worker(told, changes) {
    const known = this.workers.get(told.address);
    const worker = { isolated: false, parent: "", pid: 0, python: "", looks: [], ...known, ...told };
    this.workers.set(told.address, worker);
    const grown = worker.actors - (known?.actors ?? 0);
    if (grown) changes.grown.set(told.address, grown);
    if (!known) changes.workers.push([told.address, "new"]);
    else if (known.state !== worker.state) changes.workers.push([told.address, worker.state]);
    worker.looks = looked(worker.looks, worker.load);
  }

  #death(name, epoch, reason, over, changes) {
    over.set(name, Math.max(epoch, over.get(name) ?? 0));
    const known = this.names?.get(name);
    if (known && known.epoch > epoch) return;
    this.names?.delete(name);
    this.busy.delete(name);
    changes.died.push({ actor: known ?? { name, kind: "", worker: "", state: "", epoch }, reason });
  }

  #birth(actor, over, changes) {
    const known = this.names?.get(actor.name);
    const ended = (over.get(actor.name) ?? 0) >= actor.epoch;
    if (ended || (known && known.epoch > actor.epoch)) return;
    this.names?.set(actor.name, actor);
    if (!known) changes.born.push(actor);
    else if (known.epoch !== actor.epoch) changes.moved.push(actor);
  }

  #remember({ births, deaths }) {
    this.history.push({ at: this.now, calls: this.traffic().calls, births, deaths });
    if (this.history.length > HISTORY) this.history.shift();
  }
}

/** No changes. @returns {Changes} */
function nothing() {
  return { whole: false, born: [], moved: [], died: [], births: 0, deaths: 0, grown: new Map(), workers: [] };
}

/** The looks of the last seconds, with this one if it is new. A process that began anew begins anew here. */
function looked(looks, load) {
  if (!load) return [];
  const last = looks.at(-1);
  if (last?.at === load.at) return looks;
  if (!last || last.at > load.at || last.calls > load.calls || last.cpu > load.cpu) return [load];
  return [...looks.filter((look) => load.at - look.at <= WINDOW || look === last), load];
}
