/** The keys of the whole page. Those of one letter can be turned off, for who speaks to the computer. */

import { byId } from "./dom.js";

const KEPT = "stractory-letters";

/**
 * @param {Record<string, () => void>} letters what each does
 * @param {() => void} escape
 */
export function listen(letters, escape) {
  const box = byId("letters");
  box.checked = kept() !== "off";
  box.addEventListener("change", () => keep(box.checked ? "on" : "off"));
  byId("show-keys").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (event.key === "Escape") escape();
    if (event.target.closest("input") || !box.checked || !letters[event.key]) return;
    event.preventDefault();
    letters[event.key]();
  });
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEPT, value);
  } catch {
    // Where nothing may be kept it holds for this page.
  }
}
