/** Where everything stands: pure geometry, in units of its own. The registry is at 0, 0. */

/** Radius of a worker's dial, and of the registry's. */
export const HUB = 22;
export const REGISTRY = 30;

const FIRST_RING = 50;
const RING_STEP = 17;
const DETENT = 17;
const LARGEST_CLUSTER = 46;
const SMALLEST_CLUSTER = 13;
const GAP = 26;
const LABEL = 20;

/** How many places a ring around a worker has; the first is number 0. @param {number} ring */
export function places(ring) {
  return Math.floor((2 * Math.PI * ringRadius(ring)) / DETENT);
}

/** Its radius. @param {number} ring */
export const ringRadius = (ring) => FIRST_RING + ring * RING_STEP;

/** In which ring a slot is, and which of its places that is. @param {number} slot */
function ringOf(slot) {
  let ring = 0;
  while (slot >= places(ring)) {
    slot -= places(ring);
    ring += 1;
  }
  return { ring, place: slot };
}

/** The radius that so many slots take. @param {number} slots */
export const dialRadius = (slots) => (slots ? ringRadius(ringOf(slots - 1).ring) + 9 : HUB + 8);

const orders = new Map();

/** In which order the places of a ring are taken, so that a few of them are spread at any time. */
function order(count) {
  if (!orders.has(count)) orders.set(count, spread(count));
  return orders.get(count);
}

/** 0 to `count` - 1, each far from those before: halves, quarters, eighths (van der Corput's sequence). */
function spread(count) {
  const free = new Set(Array(count).keys());
  const found = [];
  for (let number = 0; free.size; number += 1) {
    let [wanted, part] = [0, count];
    for (let rest = number; rest; rest >>= 1) {
      part /= 2;
      wanted += (rest & 1) * part;
    }
    const place = Math.floor(wanted);
    if (free.delete(place)) found.push(place);
  }
  return found;
}

/**
 * Where a slot is, seen from the middle of its worker. It never moves, however many others come.
 * @param {number} slot
 * @param {number} turn radians by which the dial is turned
 */
export function slotAt(slot, turn) {
  const { ring, place } = ringOf(slot);
  const count = places(ring);
  const angle = turn + ((order(count)[place] + 0.5) / count) * 2 * Math.PI;
  const radius = ringRadius(ring);
  return { x: Math.cos(angle) * radius, y: Math.sin(angle) * radius, angle };
}

/**
 * The radius of a disc whose area is its number of actors.
 * @param {number} actors
 * @param {number} most that any has
 */
export function clusterRadius(actors, most) {
  const radius = LARGEST_CLUSTER * Math.sqrt(actors / roundedUp(Math.max(most, 1)));
  return Math.max(SMALLEST_CLUSTER, radius);
}

/** The next of 1, 2, 5, 10, 20, ...: what is measured by it seldom changes its size. */
function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value);
}

/** The length of an ellipse, by Ramanujan. */
function perimeter(a, b) {
  const h = ((a - b) / (a + b)) ** 2;
  return Math.PI * (a + b) * (1 + (3 * h) / (10 + Math.sqrt(4 - 3 * h)));
}

/** `count` points on an ellipse, as far from each other along it as can be, from the angle `start` on. */
function onEllipse(a, b, count, start) {
  const steps = 720;
  const points = [];
  const lengths = [0];
  const at = (step) => {
    const angle = start + (step / steps) * 2 * Math.PI;
    return { x: a * Math.cos(angle), y: b * Math.sin(angle) };
  };
  for (let step = 1; step <= steps; step += 1) {
    const [from, to] = [at(step - 1), at(step)];
    lengths.push(lengths[step - 1] + Math.hypot(to.x - from.x, to.y - from.y));
  }
  for (let number = 0, step = 0; number < count; number += 1) {
    const wanted = (number / count) * lengths[steps];
    while (lengths[step] < wanted) step += 1;
    points.push(at(step));
  }
  return points;
}

/** How many of `count` go on each ring: in proportion to what it has room for. */
function shares(rooms, count) {
  const total = rooms.reduce((sum, room) => sum + room, 0);
  let [seen, given] = [0, 0];
  return rooms.map((room) => {
    seen += room;
    const share = Math.round((seen / total) * count) - given;
    given += share;
    return share;
  });
}

/** The rings that `count` workers need, the inmost of the half-axes `a` and `b`. */
function rings(count, a, b, pitch) {
  const found = [];
  let room = 0;
  for (let number = 0; room < count; number += 1) {
    const ring = { a: a + number * pitch, b: b + number * pitch };
    ring.room = Math.max(1, Math.floor(perimeter(ring.a, ring.b) / pitch - 0.02));
    room += ring.room;
    found.push(ring);
  }
  return found;
}

/**
 * Places workers on rings around the registry, none over another, as fits a window best.
 * @param {{key: string, radius: number}[]} cells in the order in which they go round
 * @param {number} centre radius of what is in the middle
 * @param {number} aspect width of the window by its height
 * @returns {{at: Map<string, {x: number, y: number, angle: number}>, rings: {a: number, b: number}[],
 *   width: number, height: number}}
 */
export function placeWorkers(cells, centre, aspect) {
  if (!cells.length) return { at: new Map(), rings: [], width: 4 * centre, height: 4 * centre };
  const largest = Math.max(...cells.map((cell) => cell.radius));
  const pitch = 2 * largest + GAP;
  const inmost = centre + largest + GAP;
  let best = null;
  for (let stretch = 0; stretch <= 4; stretch += 0.25) {
    const more = stretch * pitch;
    const found = rings(
      cells.length,
      inmost + (aspect > 1 ? more : 0),
      inmost + (aspect > 1 ? 0 : more),
      pitch,
    );
    const { a, b } = found.at(-1);
    const scale = Math.min(aspect / (2 * (a + largest)), 1 / (2 * (b + largest + LABEL)));
    if (!best || scale > best.scale * 1.02) best = { scale, found };
  }
  const at = new Map();
  const counts = shares(
    best.found.map((ring) => ring.room),
    cells.length,
  );
  let number = 0;
  best.found.forEach((ring, index) => {
    const count = counts[index];
    const start = -Math.PI / 2 + Math.PI / count;
    for (const { x, y } of onEllipse(ring.a, ring.b, count, start)) at.set(cells[number++].key, { x, y });
  });
  const factor = apart(cells, at, centre);
  let [width, height] = [2 * centre, 2 * centre];
  for (const { key, radius } of cells) {
    const place = at.get(key);
    place.x *= factor;
    place.y *= factor;
    place.angle = Math.atan2(place.y, place.x);
    width = Math.max(width, 2 * (Math.abs(place.x) + radius));
    height = Math.max(height, 2 * (Math.abs(place.y) + radius + LABEL));
  }
  return { at, rings: best.found.map(({ a, b }) => ({ a: a * factor, b: b * factor })), width, height };
}

/** By how much all has to be drawn apart for no two to touch. */
function apart(cells, at, centre) {
  let factor = 1;
  cells.forEach((cell, index) => {
    const place = at.get(cell.key);
    factor = Math.max(factor, (cell.radius + centre + GAP / 2) / Math.hypot(place.x, place.y));
    for (const other of cells.slice(index + 1)) {
      const there = at.get(other.key);
      const distance = Math.hypot(place.x - there.x, place.y - there.y);
      factor = Math.max(factor, (cell.radius + other.radius + GAP / 2) / distance);
    }
  });
  return factor;
}

/** The slots of one worker. Whoever has one keeps it; one that was left goes to the next who comes. */
export class Slots {
  constructor() {
    this.of = new Map();
    this.free = [];
    this.size = 0;
  }

  /** @param {string} name */
  take(name) {
    if (this.of.has(name)) return;
    this.of.set(name, this.free.length ? this.free.shift() : this.size++);
  }

  /** @param {string} name */
  leave(name) {
    const slot = this.of.get(name);
    if (slot === undefined) return;
    this.of.delete(name);
    this.free.push(slot);
    this.free.sort((one, other) => one - other);
    while (this.free.length && this.free.at(-1) === this.size - 1) {
      this.free.pop();
      this.size -= 1;
    }
  }
}
