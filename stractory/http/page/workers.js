/** The table of workers, which can be sorted by any of its columns. */

import { byId, make, say } from "./dom.js";
import { compareAddresses } from "./scene.js";
import { duration, percent, rate, shortAddress, shown, whole } from "./text.js";

const MOST_ROWS = 500;
const HOT = 0.85;

/** @type {{title: string, name: string, value: (worker: object, rates: object | null) => number | null,
 *   text: (value: number | null) => string}[]} */
const COLUMNS = [
  { title: "worker", name: "address" },
  { title: "actors", name: "actors", value: (worker) => worker.actors, text: whole },
  { title: "calls/s", name: "calls", value: (_, rates) => rates?.calls ?? null, text: rate },
  { title: "cpu", name: "cpu", value: (_, rates) => rates?.cpu ?? null, text: percent },
  {
    title: "lag",
    name: "lag",
    value: ({ load }) => load?.lag ?? null,
    text: (lag) => (lag === null ? "–" : duration(lag)),
  },
];

export class Workers {
  /** @param {import("./model.js").Model} model @param {(mark: object) => void} select */
  constructor(model, select) {
    this.model = model;
    this.select = select;
    this.rows = new Map();
    this.sorting = { column: COLUMNS[0], down: false };
    this.selected = null;
    this.body = byId("workers").tBodies[0];
    this.#head();
    this.body.addEventListener("click", ({ target }) => this.#chosen(target));
  }

  /** @param {boolean} [anew] whether the order is another */
  update(anew = false) {
    const workers = this.sorted();
    const seen = workers.slice(0, MOST_ROWS);
    const addresses = new Set(seen.map(({ address }) => address));
    for (const [address, row] of this.rows) {
      if (addresses.has(address)) continue;
      row.remove();
      this.rows.delete(address);
    }
    // Rows stay where they are as long as somebody is at them.
    const still = this.body.matches(":hover, :focus-within") && !anew;
    seen.forEach((worker, index) => {
      if (!this.rows.has(worker.address)) this.rows.set(worker.address, this.#row(worker.address));
      const row = this.rows.get(worker.address);
      this.#fill(row, worker);
      if (row.parentNode && still) return;
      if (this.body.children[index] !== row) this.body.insertBefore(row, this.body.children[index] ?? null);
    });
    const note = byId("workers-note");
    note.hidden = workers.length <= MOST_ROWS;
    say(note, `The first ${whole(MOST_ROWS)} of ${whole(workers.length)}.`);
  }

  /** Mark the row of what is selected. @param {{type: string, key: string, host?: string} | null} mark */
  mark(mark) {
    this.selected = mark?.type === "worker" ? mark.key : (mark?.host ?? null);
    for (const [address, row] of this.rows) row.classList.toggle("selected", address === this.selected);
  }

  /** The workers in the order of the table. */
  sorted() {
    const { column, down } = this.sorting;
    const rates = (worker) => column.value(worker, this.model.rates(worker)) ?? -1;
    const byAddress = (one, other) => compareAddresses(one.address, other.address);
    const compare = column.value
      ? (one, other) => rates(one) - rates(other) || byAddress(one, other)
      : byAddress;
    const workers = [...this.model.workers.values()].sort(compare);
    return down ? workers.reverse() : workers;
  }

  #head() {
    const head = byId("workers").tHead.rows[0];
    for (const column of COLUMNS) {
      const button = make("button", { type: "button", className: "plain" }, column.title);
      button.addEventListener("click", () => this.#sort(column));
      const cell = make("th", { scope: "col" }, button);
      column.cell = cell;
      head.append(cell);
    }
    this.#sorts();
  }

  #sort(column) {
    const again = this.sorting.column === column;
    this.sorting = { column, down: again ? !this.sorting.down : Boolean(column.value) };
    this.#sorts();
    this.update(true);
  }

  #sorts() {
    const { column, down } = this.sorting;
    for (const { cell } of COLUMNS) cell.removeAttribute("aria-sort");
    column.cell.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  #chosen(target) {
    const row = target.closest("tr");
    if (row) this.select({ type: "worker", key: row.dataset.address });
  }

  #row(address) {
    const name = make("button", { type: "button", className: "plain", title: address });
    const row = make("tr", { data: { address } }, make("td", {}, name, make("span", { className: "state" })));
    for (const column of COLUMNS.slice(1)) {
      const cell = make("td");
      if (column.name === "cpu") cell.append(make("span", { className: "bar" }, make("i")));
      cell.append(make("span", { className: "value" }));
      row.append(cell);
    }
    row.classList.toggle("selected", address === this.selected);
    return row;
  }

  #fill(row, worker) {
    const [first, ...cells] = row.cells;
    const rates = this.model.rates(worker);
    say(first.firstChild, shown(shortAddress(worker.address, this.model.registry), 22));
    const state = worker.state === "running" ? (worker.isolated ? "own process" : "") : worker.state;
    say(first.lastChild, state);
    first.lastChild.hidden = !state;
    first.lastChild.dataset.state = worker.state;
    COLUMNS.slice(1).forEach((column, index) => {
      const value = column.value(worker, rates);
      say(cells[index].lastChild, column.text(value));
      if (column.name === "cpu") this.#bar(cells[index].firstChild, value ?? 0);
    });
  }

  #bar(bar, share) {
    bar.classList.toggle("hot", share > HOT);
    bar.firstChild.style.width = `${Math.round(Math.min(1, share) * 100)}%`;
  }
}
