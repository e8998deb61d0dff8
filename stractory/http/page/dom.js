/** Makes elements. Whatever is said is text: nothing that comes from the cluster is ever read as HTML. */

import { KINDS } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const SIGNS = {
  rpc: "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0",
  stream: "M6.4 0L-3.4 5.4V-5.4Z",
  eventemitter: "M0-6.4L6.4 0L0 6.4L-6.4 0Z",
  spawn: "M-4.7-4.7H4.7V4.7H-4.7Z",
};

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, unknown>} properties those of the element; `data` of its dataset
 * @param {...(Node | string)} children
 */
export function make(tag, { data = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

/** Say something in an element, unless it says so already. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The sign of a kind. @param {string} kind */
export function sign(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "sign");
  svg.setAttribute("viewBox", "-7 -7 14 14");
  svg.setAttribute("aria-hidden", "true");
  svg.dataset.kind = kind;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SIGNS[KINDS.includes(kind) ? kind : "rpc"]);
  svg.append(path);
  return svg;
}
