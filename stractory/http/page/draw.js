/** Draws the web of a scene, as a view shows it. Nothing is kept from one picture to the next. */

import { drawActors } from "./actors.js";
import { HUB, REGISTRY, ringRadius } from "./layout.js";
import { write } from "./lettering.js";
import { BIRTH, eased } from "./scene.js";
import { badge, circle, disc, donut, gauge } from "./shapes.js";
import { KINDS } from "./text.js";

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
    drawActors(this);
    this.#ripples();
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

  /** What says that clusters have grown or shrunk. */
  #ripples() {
    const { context, pixel, palette, scene, now } = this;
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

  #cluster(node, worker) {
    const { context, palette } = this;
    const parts = [...KINDS.filter((kind) => node.kinds[kind]), ...others(node.kinds)];
    const thickness = Math.min(6, node.disc * 0.22);
    context.globalAlpha = worker.state === "running" ? 1 : 0.45;
    const counts = parts.map((kind) => [kind, node.kinds[kind]]);
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
      const [at, hub] = [scene.actorAt(node), 1 - HUB / Math.hypot(node.x, node.y)];
      context.beginPath();
      context.moveTo(at.x - node.x * hub, at.y - node.y * hub);
      context.lineTo(at.x, at.y);
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
