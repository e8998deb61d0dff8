/** What is written on the web. Labels have the size of text at any zoom, and give way to each other. */

import { REGISTRY } from "./layout.js";
import { Labels } from "./labels.js";
import { brief, shortAddress, shown } from "./text.js";

const LINE = 14;
const ACTOR_LABEL = 22;
const MOST_ACTORS = 240;
const CROWD = 400;

/** @param {import("./draw.js").Picture} picture @param {{selected: object, hovered: object}} marks */
export function write(picture, marks) {
  new Lettering(picture, marks).write();
}

class Lettering {
  constructor(picture, marks) {
    Object.assign(this, picture);
    this.marks = marks;
    this.labels = new Labels();
    this.crowded = picture.actors.length * picture.pixel > CROWD;
    this.context.textBaseline = "middle";
    this.context.lineJoin = "round";
  }

  write() {
    this.#block();
    const workers = [...this.scene.workers.values()];
    const first = (node) =>
      2 * this.#marked("worker", node.key) + (this.model.workers.get(node.key)?.state !== "running");
    workers.sort((one, other) => first(other) - first(one));
    for (const node of workers) this.#count(node);
    this.#registry();
    for (const node of workers) this.#address(node);
    const actors = this.#named();
    const weight = (node) => 10 * this.#marked("actor", node.key) + node.bright;
    actors.sort((one, other) => weight(other.node) - weight(one.node));
    for (const { node, at } of actors.slice(0, MOST_ACTORS)) this.#name(node, at);
  }

  /** The actors that are named: where there are too many in sight, only those that are marked. */
  #named() {
    if (this.crowded) return this.actors.filter(({ node }) => this.#marked("actor", node.key));
    return [...this.actors];
  }

  #marked(type, key) {
    return [this.marks.selected, this.marks.hovered].some((mark) => mark?.type === type && mark.key === key)
      ? 1
      : 0;
  }

  /** Nothing is written over signs. */
  #block() {
    const { view, scene, labels } = this;
    for (const node of scene.workers.values()) {
      const { x, y } = view.pixel(node.x, node.y);
      const reach = (node.disc + 4) * view.scale;
      labels.block(x - reach, y - reach, 2 * reach, 2 * reach);
    }
    const middle = view.pixel(0, 0);
    const half = (REGISTRY - 4) * view.scale;
    labels.block(middle.x - half, middle.y - half, 2 * half, 2 * half);
    if (this.crowded) return;
    for (const { at } of this.actors) {
      const { x, y } = view.pixel(at.x, at.y);
      const reach = this.dot * view.scale * 0.8;
      labels.block(x - reach, y - reach, 2 * reach, 2 * reach);
    }
  }

  #text(text, x, y, style, halo) {
    const { context } = this;
    context.strokeStyle = halo;
    context.lineWidth = 3.5;
    context.strokeText(text, x, y);
    context.fillStyle = style;
    context.fillText(text, x, y);
  }

  /** How many actors a worker has, in its middle. */
  #count(node) {
    const { context, view, palette } = this;
    const radius = node.disc * view.scale;
    const text = brief(node.actors);
    const size = Math.min(15, Math.max(9, radius * 0.62));
    if (radius < 9 || radius * 2 < text.length * size * 0.56) return;
    context.font = `600 ${size}px ${palette.font}`;
    context.textAlign = "center";
    context.fillStyle = palette.ink;
    const { x, y } = view.pixel(node.x, node.y);
    context.fillText(text, x, y + 0.5);
  }

  /** Below a worker. */
  #address(node) {
    const { context, view, palette, model } = this;
    const worker = model.workers.get(node.key);
    if (!worker) return;
    const { x, y } = view.pixel(node.x, node.y + (model.names ? node.radius : node.disc + 8));
    const running = worker.state === "running";
    const address = shown(shortAddress(node.key, model.registry), 28);
    const texts = running ? [address] : [`${address} ${worker.state}`, worker.state];
    const marked = this.#marked("worker", node.key);
    context.font = `${marked || !running ? 600 : 400} 11.5px ${palette.font}`;
    context.textAlign = "center";
    const free = texts.find((text) => {
      const width = context.measureText(text).width;
      return this.labels.take(x - width / 2 - 2, y + 1, width + 4, LINE);
    });
    const text = free ?? (marked ? texts[0] : "");
    this.#text(text, x, y + 9, worker.state === "lost" ? palette.warn : palette.ink, palette.paper);
  }

  #registry() {
    const { context, view, palette, model } = this;
    const { x, y } = view.pixel(0, this.scene.centre > REGISTRY ? this.scene.centre : REGISTRY - 4);
    const text = shown(model.registry ? `registry ${shortAddress(model.registry, model.registry)}` : "", 40);
    context.font = `400 11.5px ${palette.font}`;
    context.textAlign = "center";
    const width = context.measureText(text).width;
    if (!this.labels.take(x - width / 2 - 3, y + 1, width + 6, LINE)) return;
    this.#text(text, x, y + 9, palette.muted, palette.paper);
  }

  /** Beside an actor, on the side that is away from its worker. */
  #name(node, at) {
    const { context, view, palette } = this;
    const { x, y } = view.pixel(at.x, at.y);
    const marked = this.#marked("actor", node.key);
    context.font = `${marked ? 600 : 400} 11px ${palette.font}`;
    const text = shown(node.key, ACTOR_LABEL);
    const width = context.measureText(text).width;
    const reach = this.dot * view.scale + 5;
    const sides = [x + reach, x - reach - width];
    if (Math.cos(node.angle) < -0.01) sides.reverse();
    const fits = (left) => left > 2 && left + width < view.width - 2;
    const free = sides.find(
      (left) => fits(left) && this.labels.take(left - 1, y - LINE / 2, width + 2, LINE),
    );
    if (free === undefined && !marked) return;
    const left = free ?? sides.find(fits) ?? sides[0];
    context.textAlign = "left";
    this.#text(text, left, y + 0.5, marked ? palette.ink : palette.muted, palette.surface);
  }
}
