/** The picture of the web on the page: draws when there is something new, and takes pointer and keys. */

import { Picture } from "./draw.js";
import { Scene } from "./scene.js";
import { View } from "./view.js";

const STEP = 60;
const CLICK = 5;
const NARROW = 600;
const FOOT = 52;
/** Milliseconds that it waits for its next picture while something moves, at most. */
const SLOWEST = 120;

/** @typedef {{type: "actor" | "worker" | "registry", key: string, host?: string}} Mark */

export class Web {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./model.js").Model} model
   * @param {{select: (mark: Mark | null) => void, hover: (mark: Mark | null, x: number, y: number) => void}}
   *   told
   */
  constructor(canvas, model, told) {
    this.canvas = canvas;
    this.told = told;
    this.context = canvas.getContext("2d");
    this.scene = new Scene(model);
    this.view = new View();
    this.marks = { selected: null, hovered: null };
    this.palette = null;
    this.waiting = false;
    this.pointers = new Map();
    this.travelled = 0;
    const less = matchMedia("(prefers-reduced-motion: reduce)");
    this.scene.still = less.matches;
    less.addEventListener("change", () => (this.scene.still = less.matches));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#listen();
    this.recolour();
  }

  /** Take over what an event changed. @param {import("./model.js").Changes} changes */
  update(changes) {
    this.scene.update(changes, performance.now());
    this.#refit();
    this.request();
  }

  /** The page's colours are others now. */
  recolour() {
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = [
      "paper",
      "surface",
      "hub",
      "ink",
      "muted",
      "line",
      "faint",
      "accent",
      "gauge",
      "warn",
      "select",
    ];
    this.palette = Object.fromEntries(names.map((name) => [name, colour(name)]));
    this.palette.font = style.fontFamily;
    const kinds = Object.fromEntries(
      ["rpc", "stream", "eventemitter", "spawn"].map((kind) => [kind, colour(kind)]),
    );
    this.palette.kind = (kind) => kinds[kind] ?? this.palette.muted;
    this.request();
  }

  /** Mark what is selected, and bring it into sight. @param {Mark | null} mark */
  select(mark) {
    this.marks.selected = mark;
    const node = mark?.type === "actor" ? this.scene.actors.get(mark.key) : null;
    const worker = this.scene.workers.get(
      this.scene.model.host(mark?.type === "worker" ? mark.key : (mark?.host ?? "")),
    );
    const at = node ? this.scene.actorAt(node) : worker;
    if (at && !this.view.fitting) this.view.reveal(at.x, at.y);
    this.request();
  }

  /** Show all. */
  fit() {
    this.view.fit(this.scene.width, this.scene.height);
    this.request();
  }

  /** Closer or farther, around the middle. @param {number} factor */
  zoom(factor) {
    this.#zoom(factor, this.view.width / 2, this.view.height / 2);
  }

  /** Draw it soon, once. */
  request() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.waiting = false;
    const began = performance.now();
    const moving = this.scene.advance(now);
    const ratio = devicePixelRatio || 1;
    new Picture(this.context, this.scene, this.view, this.palette, now).draw(ratio, this.marks);
    this.canvas.dataset.drawn = `${Number(this.canvas.dataset.drawn ?? 0) + 1}`;
    // It takes half of the time at most: where drawing is slow, it is done less often. When the timer comes,
    // the browser has done its part too.
    const again = () => setTimeout(() => this.request(), Math.min(SLOWEST, performance.now() - began));
    if (moving) setTimeout(again);
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.view.resize(width, height);
    this.view.foot = width < NARROW ? FOOT : 0;
    this.scene.reshape(this.view.width / (this.view.height - this.view.foot), performance.now());
    this.#refit();
    this.waiting = false;
    this.#frame(performance.now());
  }

  #refit() {
    if (this.view.fitting) this.view.fit(this.scene.width, this.scene.height);
  }

  #zoom(factor, x, y) {
    const least = 0.5 * this.view.fitted(this.scene.width, this.scene.height);
    this.view.zoom(factor, x, y, least);
    this.request();
  }

  #pan(x, y) {
    this.view.pan(x, y);
    this.request();
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.#hover(null, 0, 0));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #wheel(event) {
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
  }

  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.travelled = this.pointers.size > 1 ? Infinity : 0;
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    const at = { x: event.offsetX, y: event.offsetY };
    if (!before) return this.#hover(this.#at(at, event.pointerType), at.x, at.y);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    const [dx, dy] = [at.x - before.x, at.y - before.y];
    this.travelled += Math.hypot(dx, dy);
    this.pointers.set(event.pointerId, at);
    if (other) {
      const distance = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
      this.#zoom(distance(at) / distance(before), (at.x + other.x) / 2, (at.y + other.y) / 2);
      this.#pan(dx / 2, dy / 2);
    } else if (this.travelled > CLICK) this.#pan(dx, dy);
    return undefined;
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
    if (this.travelled > CLICK) return;
    const mark = this.#at({ x: event.offsetX, y: event.offsetY }, event.pointerType);
    this.told.select(mark?.type === "registry" ? null : mark);
  }

  #at({ x, y }, pointer) {
    const at = this.view.plane(x, y);
    return this.scene.pick(at.x, at.y, (pointer === "touch" ? 18 : 9) / this.view.scale);
  }

  #hover(mark, x, y) {
    const before = this.marks.hovered;
    this.marks.hovered = mark;
    this.canvas.classList.toggle("pointing", Boolean(mark && mark.type !== "registry"));
    this.told.hover(mark, x, y);
    if (before?.key !== mark?.key || before?.type !== mark?.type) this.request();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowLeft: () => this.#pan(STEP, 0),
      ArrowRight: () => this.#pan(-STEP, 0),
      ArrowUp: () => this.#pan(0, STEP),
      ArrowDown: () => this.#pan(0, -STEP),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }
}
