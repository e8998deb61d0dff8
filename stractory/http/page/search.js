/** Finds actors by name: a field with a list below it, which the arrow keys walk. */

import { byId, make, say, sign } from "./dom.js";
import { Refused, ask } from "./registry.js";
import { counted, shortAddress, shown, whole } from "./text.js";

const PAUSE = 180;
const MOST = 50;

export class Search {
  /** @param {import("./model.js").Model} model @param {(mark: object) => void} select */
  constructor(model, select) {
    Object.assign(this, { model, select, field: byId("search"), list: byId("results") });
    this.at = -1;
    this.field.addEventListener("input", () => this.#later());
    this.field.addEventListener("focus", () => this.field.value && this.#later());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", ({ target }) => this.#choose(target.closest("li")));
    byId("found").parentElement.addEventListener("focusout", ({ relatedTarget }) => {
      if (!byId("found").contains(relatedTarget)) this.close();
    });
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
    byId("found").hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.#walk(-1);
  }

  #later() {
    clearTimeout(this.timer);
    if (this.field.value) this.timer = setTimeout(() => this.#find(), PAUSE);
    else this.close();
  }

  async #find() {
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    try {
      const { actors, total } = await ask(["actors"], { match: this.field.value, limit: MOST }, signal);
      if (signal.aborted) return;
      this.list.replaceChildren(...actors.map((actor, index) => this.#item(actor, index)));
      this.#tell(actors.length < total ? `the first ${MOST} of ${whole(total)}` : counted(total, "actor"));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      this.list.replaceChildren();
      this.#tell(error.message);
    }
  }

  #tell(text) {
    byId("found").hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    say(byId("found-count"), text);
    this.#walk(this.list.children.length ? 0 : -1);
  }

  #item({ name, kind, worker }, index) {
    const where = make(
      "span",
      { className: "where" },
      worker ? shortAddress(worker, this.model.registry) : "waiting",
    );
    const item = make("li", { id: `result-${index}`, role: "option", data: { name, host: worker } });
    item.append(sign(kind), make("bdi", {}, shown(name, 120)), where);
    item.setAttribute("aria-label", `${shown(name)}, ${kind}, ${worker}`);
    return item;
  }

  #walk(to) {
    this.list.children[this.at]?.removeAttribute("aria-selected");
    this.at = to;
    const item = this.list.children[to];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    if (item) this.field.setAttribute("aria-activedescendant", item.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  #choose(item) {
    if (!item) return;
    this.close();
    this.select({ type: "actor", key: item.dataset.name, host: item.dataset.host });
  }

  #key(event) {
    const count = this.list.children.length;
    const open = !byId("found").hidden && count > 0;
    if (event.key === "ArrowDown" && open) this.#walk((this.at + 1) % count);
    else if (event.key === "ArrowUp" && open) this.#walk((this.at + count - 1) % count);
    else if (event.key === "Enter" && open) this.#choose(this.list.children[this.at]);
    else if (event.key === "Escape") {
      event.stopPropagation();
      if (byId("found").hidden) this.field.blur();
      this.close();
    } else return;
    event.preventDefault();
  }
}
