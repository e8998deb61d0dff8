/** Labels that do not cover each other: the first that comes has its place. Pure. */

const CELL = 64;
const COLUMN = 1 << 16;

export class Labels {
  constructor() {
    this.cells = new Map();
  }

  /**
   * Take a box if all of it is free.
   * @param {number} x @param {number} y of its corner @param {number} width @param {number} height
   * @returns {boolean} whether it was
   */
  take(x, y, width, height) {
    const box = { x, y, right: x + width, bottom: y + height };
    const cells = [...this.#cells(box)];
    const free = cells.every((key) => (this.cells.get(key) ?? []).every((other) => !overlap(box, other)));
    if (free) this.#keep(box, cells);
    return free;
  }

  /** Take a box whatever is there. */
  block(x, y, width, height) {
    const box = { x, y, right: x + width, bottom: y + height };
    this.#keep(box, [...this.#cells(box)]);
  }

  #keep(box, cells) {
    for (const key of cells) {
      if (!this.cells.has(key)) this.cells.set(key, []);
      this.cells.get(key).push(box);
    }
  }

  *#cells({ x, y, right, bottom }) {
    for (let column = Math.floor(x / CELL); column <= Math.floor(right / CELL); column += 1) {
      for (let row = Math.floor(y / CELL); row <= Math.floor(bottom / CELL); row += 1)
        yield column * COLUMN + row;
    }
  }
}

const overlap = (one, other) =>
  one.x < other.right && other.x < one.right && one.y < other.bottom && other.y < one.bottom;
