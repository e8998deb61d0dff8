/** Draws the web of a scene, as a view shows it. Nothing is kept from one picture to the next. */

import { REGISTRY, ringRadius } from "./layout.js";
import { write } from "./lettering.js";
import { BIRTH, DEATH, eased } from "./scene.js";
import { badge, circle, disc, donut, gauge, outline } from "./shapes.js";
import { KINDS } from "./text.js";

/** Brightnesses of lines; with how many actors in sight only those that are lit are drawn. */
const LEVELS = 6;
const CROWD = 400;

/** How far beyond the window, in pixels, something is drawn. */
const EDGE = 120;

/**
 * @typedef {{paper: string, surface: string, ink: string, muted: string, line: string, faint: string,
 *   accent: string, gauge: string, warn: string, font: string, kind: (kind: string) => string}} Palette
 * @typedef {{type: string, key: string} | null} Mark
 */

/** One picture. */
export class Picture {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./scene.js").Scene} scene
   * @param {import("./view.js").View} view
   * @param {Palette} palette
   * @param {number} now
   */
  constructor(context, scene, view, palette, now) {
    Object.assign(this, { context, scene, view, palette, now });
    this.model = scene.model;
    /** A pixel, in units of the plane. */
    this.pixel = 1 / view.scale;
    this.dot = Math.min(5.2, Math.max(3.4, 2.2 * this.pixel));
    /** The actors in sight. */
    this.actors = this.#inSight();
  }

  /** @param {number} ratio of device pixels to pixels @param {{selected: Mark, hovered: Mark}} marks */
  draw(ratio, marks) {
    const { context, view } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    const { x, y } = view.pixel(0, 0);
    context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * x, ratio * y);
    this.#rings();
    for (const node of this.scene.workers.values()) this.#spoke(node);
    for (const node of this.scene.workers.values()) this.#ground(node);
    this.#threads();
    this.#dots();
    this.#passing();
    for (const node of this.scene.workers.values()) this.#worker(node);
    this.#registry();
    for (const mark of [marks.hovered, marks.selected]) this.#mark(mark, mark === marks.selected);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    write(this, marks);
  }

  #inSight() {
    const { scene, view } = this;
    const [from, to] = [view.plane(-EDGE, -EDGE), view.plane(view.width + EDGE, view.height + EDGE)];
    const found = [];
    for (const node of scene.actors.values()) {
      const at = scene.actorAt(node);
      if (at.x > from.x && at.y > from.y && at.x < to.x && at.y < to.y) found.push({ node, at });
    }
    return found;
  }

  /** The rings on which workers stand: the web's own threads. */
  #rings() {
    const { context, pixel, palette } = this;
    context.strokeStyle = palette.faint;
    context.lineWidth = pixel;
    for (const { a, b } of this.scene.rings) {
      context.beginPath();
      context.ellipse(0, 0, a, b, 0, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** From the registry to a worker. */
  #spoke(node) {
    const { context, pixel, palette } = this;
    const { state } = this.model.workers.get(node.key) ?? {};
    context.beginPath();
    context.moveTo(0, 0);
    context.lineTo(node.x, node.y);
    context.setLineDash(state === "running" ? [] : [4 * pixel, 5 * pixel]);
    context.strokeStyle = palette.line;
    context.lineWidth = 1.2 * pixel;
    context.stroke();
    context.setLineDash([]);
    if (node.glow > 0.01 && state !== "lost") {
      context.globalAlpha = 0.9 * node.glow;
      context.strokeStyle = palette.accent;
      context.lineWidth = (0.8 + 1.4 * node.glow) * pixel;
      context.stroke();
      context.globalAlpha = 1;
    }
  }

  /** What a worker's actors stand on. */
  #ground(node) {
    const { context, pixel, palette } = this;
    if (!this.model.names) return;
    disc(context, node.x, node.y, node.radius, palette.surface);
    circle(context, node.x, node.y, node.radius, palette.line, pixel);
    for (let ring = 0; ringRadius(ring) < node.radius; ring += 1) {
      circle(context, node.x, node.y, ringRadius(ring), palette.faint, pixel);
    }
  }

  /** From each worker to its actors: all that are as bright and of one colour are one line. */
  #threads() {
    const { context, pixel, palette } = this;
    context.strokeStyle = palette.faint;
    context.lineWidth = pixel;
    context.beginPath();
    if (this.actors.length < CROWD) for (const { node, at } of this.actors) this.#thread(node, at);
    context.stroke();
    const lit = this.actors.filter(({ node }) => node.glow > 0.02);
    for (const [, those] of grouped(lit, ({ node }) => `${node.kind} ${Math.ceil(node.glow * LEVELS)}`)) {
      const [{ node: first }] = those;
      const glow = Math.ceil(first.glow * LEVELS) / LEVELS;
      context.beginPath();
      for (const { node, at } of those) this.#thread(node, at);
      context.globalAlpha = glow;
      context.strokeStyle = palette.kind(first.kind);
      context.lineWidth = (0.7 + 1.6 * glow) * pixel;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  #thread(node, at) {
    this.context.moveTo(at.x - node.x, at.y - node.y);
    this.context.lineTo(at.x, at.y);
  }

  #dots() {
    const { context, pixel, palette } = this;
    for (const [kind, those] of grouped(this.actors, ({ node }) => node.kind)) {
      const colour = palette.kind(kind);
      const [running, others] = halves(those, ({ node }) => node.state === "running");
      context.beginPath();
      for (const { node, at } of running) outline(context, kind, at.x, at.y, this.#size(node));
      context.fillStyle = colour;
      context.fill();
      context.beginPath();
      for (const { node, at } of others) outline(context, kind, at.x, at.y, this.#size(node));
      context.fillStyle = palette.surface;
      context.fill();
      context.strokeStyle = colour;
      context.lineWidth = 1.4 * pixel;
      context.setLineDash([2 * pixel, 1.6 * pixel]);
      context.stroke();
      context.setLineDash([]);
    }
    for (const { node, at } of this.actors) {
      if (node.isolated) circle(context, at.x, at.y, this.dot + 3.4, palette.muted, pixel);
    }
  }

  /** Of the sign of an actor, which grows when it is born. */
  #size(node) {
    const { scene, now, dot } = this;
    return scene.still ? dot : dot * eased((now - node.born) / (BIRTH / 2));
  }

  /** Births and deaths. */
  #passing() {
    const { context, pixel, palette, scene, now } = this;
    for (const { node, at } of this.actors) {
      const age = (now - node.born) / BIRTH;
      if (age >= 1) continue;
      context.globalAlpha = scene.still ? 1 : 1 - age;
      const reach = this.dot + 2 + (scene.still ? 4 : 11 * eased(age));
      circle(context, at.x, at.y, reach, palette.kind(node.kind), 1.6 * pixel);
    }
    for (const ghost of scene.ghosts) {
      const age = scene.still ? 0 : (now - ghost.at) / DEATH;
      const arm = this.dot * (1 + 0.5 * age);
      context.globalAlpha = 1 - age;
      context.beginPath();
      context.moveTo(ghost.x - arm, ghost.y - arm);
      context.lineTo(ghost.x + arm, ghost.y + arm);
      context.moveTo(ghost.x - arm, ghost.y + arm);
      context.lineTo(ghost.x + arm, ghost.y - arm);
      context.strokeStyle = palette.ink;
      context.lineWidth = 1.4 * pixel;
      context.stroke();
    }
    for (const { key, outward, count, at } of scene.ripples) {
      const node = scene.workers.get(key);
      if (!node) continue;
      const age = scene.still ? 0.5 : (now - at) / BIRTH;
      const strength = Math.min(0.8, 0.3 + Math.log10(1 + count) / 5);
      const way = 6 * eased(age);
      context.globalAlpha = strength * (1 - age);
      const colour = outward ? palette.accent : palette.muted;
      circle(context, node.x, node.y, node.disc + (outward ? 8 + way : 14 - way), colour, 1.4 * pixel);
    }
    context.globalAlpha = 1;
  }

  #worker(node) {
    const { context, pixel, palette } = this;
    const worker = this.model.workers.get(node.key);
    if (!worker) return;
    const { x, y } = node;
    const running = worker.state === "running";
    disc(context, x, y, node.disc, running ? palette.hub : palette.paper);
    if (this.model.names) circle(context, x, y, node.disc, palette.line, pixel);
    else this.#cluster(node, worker);
    if (running) gauge(context, x, y, node.disc + 4.5, node.cpu, palette, 2.6);
    else {
      const style = worker.state === "lost" ? palette.warn : palette.muted;
      const dash = worker.state === "lost" ? [5, 4] : [1.5, 3.5];
      circle(context, x, y, node.disc + 4.5, style, 2, dash);
      const edge = (node.disc + 4.5) * Math.SQRT1_2;
      badge(context, worker.state, x + edge, y - edge, Math.max(6, 6.5 * pixel), palette);
    }
  }

  #cluster(node, worker) {
    const { context, palette } = this;
    const parts = [...KINDS.filter((kind) => worker.kinds[kind]), ...others(worker.kinds)];
    const thickness = Math.min(6, node.disc * 0.22);
    context.globalAlpha = worker.state === "running" ? 1 : 0.45;
    const counts = parts.map((kind) => [kind, worker.kinds[kind]]);
    donut(context, node.x, node.y, node.disc - thickness / 2, counts, palette, thickness);
    context.globalAlpha = 1;
  }

  #registry() {
    const { context, pixel, palette } = this;
    disc(context, 0, 0, REGISTRY - 6, palette.paper);
    circle(context, 0, 0, REGISTRY - 6, palette.ink, 1.6);
    circle(context, 0, 0, REGISTRY - 11, palette.ink, pixel);
    for (let step = 0; step < 12; step += 1) {
      const [x, y] = [Math.cos((step * Math.PI) / 6), Math.sin((step * Math.PI) / 6)];
      context.beginPath();
      context.moveTo(x * (REGISTRY - 11), y * (REGISTRY - 11));
      context.lineTo(x * (REGISTRY - 14), y * (REGISTRY - 14));
      context.strokeStyle = palette.muted;
      context.lineWidth = pixel;
      context.stroke();
    }
    disc(context, 0, 0, 4.5, palette.ink);
  }

  /** Around what is selected, or pointed at. */
  #mark(mark, selected) {
    const { context, pixel, palette, scene } = this;
    const at = mark && this.#markAt(mark);
    if (!at) return;
    circle(context, at.x, at.y, at.radius, palette.paper, 5 * pixel);
    circle(
      context,
      at.x,
      at.y,
      at.radius,
      selected ? palette.select : palette.muted,
      (selected ? 2.4 : 1.4) * pixel,
    );
    if (selected && mark.type === "actor" && scene.actors.has(mark.key)) {
      const node = scene.actors.get(mark.key);
      context.beginPath();
      this.#thread(node, scene.actorAt(node));
      context.strokeStyle = palette.select;
      context.lineWidth = 1.4 * pixel;
      context.stroke();
    }
  }

  #markAt({ type, key, host }) {
    const { scene } = this;
    if (type === "actor") {
      const node = scene.actors.get(key);
      if (node) return { ...scene.actorAt(node), radius: this.dot + 5 };
    }
    if (type === "registry") return { x: 0, y: 0, radius: REGISTRY };
    const node = scene.workers.get(this.model.host(type === "worker" ? key : host));
    return node && { x: node.x, y: node.y, radius: node.disc + 9 };
  }
}

/** Kinds of a later version. */
const others = (kinds) => Object.keys(kinds).filter((kind) => !KINDS.includes(kind) && kinds[kind]);

/** Things by what `key` says of each. */
function grouped(things, key) {
  const groups = new Map();
  for (const thing of things) {
    const name = key(thing);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(thing);
  }
  return groups;
}

/** Those of which something is so, and those of which it is not. */
const halves = (things, is) => [things.filter(is), things.filter((thing) => !is(thing))];
