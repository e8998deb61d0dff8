/** Draws the actors of a picture, and what becomes of them. */

import { BIRTH, DEATH, eased } from "./scene.js";
import { circle, outline } from "./shapes.js";

/** Brightnesses of lines; with how many actors in sight only those that are lit are drawn. */
const LEVELS = 6;
const CROWD = 400;

/** @param {import("./draw.js").Picture} picture */
export function drawActors(picture) {
  const actors = new Actors(picture);
  actors.threads();
  actors.dots();
  actors.passing();
}

class Actors {
  constructor(picture) {
    Object.assign(this, picture);
  }

  /** From each worker to its actors: all that are as bright and of one colour are one line. */
  threads() {
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

  dots() {
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
  passing() {
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
    context.globalAlpha = 1;
  }
}

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
