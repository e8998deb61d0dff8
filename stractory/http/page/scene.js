/** What is drawn, and how it moves from one state of the model to the next. Pure: time is an argument. */

import { HUB, REGISTRY, Slots, clusterRadius, dialRadius, placeWorkers, slotAt } from "./layout.js";

/** Milliseconds: of a birth, of a death, and of the way of something to another place. */
export const BIRTH = 900;
export const DEATH = 900;
const MOVE = 350;
const GLOW = 450;

/**
 * @typedef {{key: string, x: number, y: number, from: {x: number, y: number}, moved: number, glow: number,
 *   lit: number}} Place
 */

/** Between 0 and 1, fast first. @param {number} t */
export const eased = (t) => 1 - (1 - Math.min(1, Math.max(0, t))) ** 3;

export class Scene {
  /** @param {import("./model.js").Model} model */
  constructor(model) {
    this.model = model;
    /** Whether nothing is to move by itself. */
    this.still = false;
    this.aspect = 1.3;
    this.workers = new Map();
    this.actors = new Map();
    this.ghosts = [];
    this.ripples = [];
    this.slots = new Map();
    this.width = this.height = 4 * REGISTRY;
    this.rings = [];
    this.centre = REGISTRY;
    this.layoutKey = "";
  }

  /**
   * Take over what an event changed.
   * @param {import("./model.js").Changes} changes
   * @param {number} now in milliseconds
   */
  update(changes, now) {
    if (this.model.names) this.#slots(changes, now);
    else {
      this.actors.clear();
      this.slots.clear();
    }
    this.#layout(now);
    this.#glow(now);
    if (!changes.whole && !this.model.names) this.#ripple(changes, now);
  }

  /** Lay out for a window of another shape. */
  reshape(aspect, now) {
    this.aspect = Math.round(aspect * 20) / 20;
    this.#layout(now);
  }

  /** Move on to `now`; whether anything still moves. @returns {boolean} */
  advance(now) {
    let moving = false;
    for (const place of [...this.workers.values(), ...this.actors.values()]) {
      moving = this.#advance(place, now) || moving;
    }
    this.ghosts = this.ghosts.filter((ghost) => now - ghost.at < DEATH);
    this.ripples = this.ripples.filter((ripple) => now - ripple.at < BIRTH);
    return moving || this.ghosts.length > 0 || this.ripples.length > 0;
  }

  /** Where an actor is now, which moves with its worker. */
  actorAt(node) {
    const worker = this.workers.get(node.host);
    return worker ? { x: worker.x + node.x, y: worker.y + node.y } : { x: node.x, y: node.y };
  }

  /**
   * What is at a point of the plane.
   * @param {number} reach how near is near enough
   * @returns {{type: "actor" | "worker" | "registry", key: string} | null}
   */
  pick(x, y, reach) {
    let best = null;
    let nearest = reach;
    for (const node of this.actors.values()) {
      const at = this.actorAt(node);
      const distance = Math.hypot(at.x - x, at.y - y);
      if (distance < nearest) [nearest, best] = [distance, { type: "actor", key: node.key }];
    }
    if (best) return best;
    for (const node of this.workers.values()) {
      if (Math.hypot(node.x - x, node.y - y) <= node.disc + 4) return { type: "worker", key: node.key };
    }
    return Math.hypot(x, y) <= REGISTRY ? { type: "registry", key: "" } : null;
  }

  #advance(place, now) {
    const step = this.still ? 1 : eased((now - place.moved) / MOVE);
    place.x = place.from.x + (place.to.x - place.from.x) * step;
    place.y = place.from.y + (place.to.y - place.from.y) * step;
    const light = this.still ? 1 : Math.min(1, (now - place.lit) / GLOW);
    place.glow = place.dim + (place.bright - place.dim) * light;
    return step < 1 || light < 1 || now - place.born < BIRTH;
  }

  #slots(changes, now) {
    const names = this.model.names;
    for (const [name, node] of this.actors) {
      const actor = names.get(name);
      if (actor && this.#host(actor) === node.host) continue;
      if (!changes.whole || !actor) this.ghosts.push({ ...this.actorAt(node), kind: node.kind, at: now });
      this.slots.get(node.host)?.leave(name);
      this.actors.delete(name);
    }
    if (this.ghosts.length > 400) this.ghosts.splice(0, this.ghosts.length - 400);
    for (const actor of names.values()) {
      const host = this.#host(actor);
      const known = this.actors.get(actor.name);
      if (!known) this.#settle(actor, host, changes.whole ? -Infinity : now);
      else if (known.epoch !== actor.epoch) known.born = now;
      Object.assign(this.actors.get(actor.name), {
        kind: actor.kind,
        state: actor.state,
        epoch: actor.epoch,
      });
      this.actors.get(actor.name).isolated = Boolean(this.model.workers.get(actor.worker)?.isolated);
    }
  }

  /** The worker that an actor is drawn with; "", the middle, while it has none that is known. */
  #host(actor) {
    const host = this.model.host(actor.worker);
    return this.model.workers.has(host) ? host : "";
  }

  #settle(actor, host, born) {
    if (!this.slots.has(host)) this.slots.set(host, new Slots());
    this.slots.get(host).take(actor.name);
    this.actors.set(actor.name, { ...fresh(actor.name), host, born });
  }

  #layout(now) {
    const hosts = this.#hosts();
    const most = Math.max(1, ...hosts.map(({ actors }) => actors));
    const cells = hosts.map((host) => {
      const disc = this.model.names ? HUB : clusterRadius(host.actors, most);
      const radius = this.model.names ? dialRadius(this.slots.get(host.key)?.size ?? 0) : disc + 8;
      return { ...host, disc, radius };
    });
    cells.sort((one, other) => compareAddresses(one.key, other.key));
    // In the middle wait those that have no worker now.
    const waiting = this.slots.get("")?.size ?? 0;
    this.centre = waiting ? dialRadius(waiting) : REGISTRY;
    const room = this.model.names
      ? cells
      : cells.map((cell) => ({ ...cell, radius: clusterRadius(most, most) + 8 }));
    const key = JSON.stringify([room.map((cell) => [cell.key, cell.radius]), this.centre, this.aspect]);
    if (key !== this.layoutKey) this.#place(room, now);
    this.layoutKey = key;
    for (const cell of cells) Object.assign(this.workers.get(cell.key), cell);
  }

  /** The workers that are drawn, each with what the processes have that it started. */
  #hosts() {
    const hosts = new Map();
    for (const { address, actors, kinds } of this.model.workers.values()) {
      const key = this.model.host(address);
      if (!hosts.has(key)) hosts.set(key, { key, actors: 0, kinds: {} });
      const host = hosts.get(key);
      host.actors += actors;
      for (const [kind, count] of Object.entries(kinds)) host.kinds[kind] = (host.kinds[kind] ?? 0) + count;
    }
    return [...hosts.values()];
  }

  #place(cells, now) {
    const placed = placeWorkers(cells, this.centre, this.aspect);
    Object.assign(this, { width: placed.width, height: placed.height, rings: placed.rings });
    for (const key of [...this.workers.keys()]) if (!placed.at.has(key)) this.workers.delete(key);
    for (const [key, at] of placed.at) {
      if (!this.workers.has(key))
        this.workers.set(key, { ...fresh(key), ...at, from: at, to: at, born: now });
      const node = this.workers.get(key);
      if (node.to.x !== at.x || node.to.y !== at.y) {
        Object.assign(node, { from: { x: node.x, y: node.y }, to: at, moved: now });
      }
      node.angle = at.angle;
    }
    for (const node of this.actors.values()) this.#aim(node);
  }

  /** Put an actor into its slot. */
  #aim(node) {
    const turn = this.workers.get(node.host)?.angle ?? 0;
    const at = slotAt(this.slots.get(node.host).of.get(node.key), turn);
    Object.assign(node, { from: at, to: at, x: at.x, y: at.y, angle: at.angle });
  }

  #glow(now) {
    for (const node of this.actors.values()) {
      if (!node.to) this.#aim(node);
      this.#light(node, brightness(this.model.rateOf(node.key), 300), now);
    }
    for (const node of this.workers.values()) {
      const rates = this.model.rates(this.model.workers.get(node.key));
      this.#light(node, brightness(rates?.calls ?? 0, 5000), now);
      node.cpu = rates ? Math.min(1, rates.cpu) : null;
    }
  }

  #light(node, bright, now) {
    if (Math.abs(bright - node.bright) < 0.03 && (bright || !node.bright)) return;
    Object.assign(node, { dim: node.glow, bright, lit: now });
  }

  #ripple({ grown }, now) {
    for (const [address, count] of grown) {
      const key = this.model.host(address);
      if (this.workers.has(key))
        this.ripples.push({ key, outward: count > 0, count: Math.abs(count), at: now });
    }
  }
}

/** How bright a line is at so many calls a second: wholly at `most`, and never too dark to be seen. */
export const brightness = (rate, most) => (rate <= 0 ? 0 : Math.min(1, 0.12 + 0.88 * Math.sqrt(rate / most)));

/** A node that is dark and nowhere yet. */
function fresh(key) {
  return {
    key,
    x: 0,
    y: 0,
    to: null,
    moved: -Infinity,
    born: -Infinity,
    glow: 0,
    dim: 0,
    bright: 0,
    lit: -Infinity,
  };
}

/** By host, then port. */
export function compareAddresses(one, other) {
  const [a, b] = [one, other].map((address) => address.lastIndexOf(":"));
  return one.slice(0, a).localeCompare(other.slice(0, b)) || one.slice(a + 1) - other.slice(b + 1);
}
