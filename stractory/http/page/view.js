/** The part of the plane that is seen: pan and zoom. Pure. */

const MOST = 8;
const CLOSEST_FIT = 2.2;

export class View {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    /** Pixels at the foot where nothing is to stand that is fitted in. */
    this.foot = 0;
    /** Whether it still shows all, and is to go on doing so. */
    this.fitting = true;
  }

  /** @param {number} width @param {number} height in pixels */
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  /** Show all of something so large, around 0, 0. @param {number} width @param {number} height */
  fit(width, height) {
    this.scale = this.fitted(width, height);
    this.x = 0;
    this.y = this.foot / 2 / this.scale;
    this.fitting = true;
  }

  /** At which scale it would be all seen. */
  fitted(width, height) {
    return Math.min(this.width / (width + 24), (this.height - this.foot) / (height + 24), CLOSEST_FIT);
  }

  /** Closer by `factor`, with the pixel px, py staying where it is; not beyond `least`. */
  zoom(factor, px, py, least) {
    const before = this.plane(px, py);
    this.scale = Math.min(MOST, Math.max(least, this.scale * factor));
    const after = this.plane(px, py);
    this.x += before.x - after.x;
    this.y += before.y - after.y;
    this.fitting = false;
  }

  /** Move what is seen, by pixels. */
  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.fitting = false;
  }

  /** Bring a point of the plane into the middle unless it is well in sight. */
  reveal(x, y) {
    const { x: px, y: py } = this.pixel(x, y);
    const edge = 60;
    if (px > edge && py > edge && px < this.width - edge && py < this.height - edge) return;
    this.x = x;
    this.y = y;
    this.fitting = false;
  }

  /** Where a point of the plane is seen. */
  pixel(x, y) {
    return { x: (x - this.x) * this.scale + this.width / 2, y: (y - this.y) * this.scale + this.height / 2 };
  }

  /** Which point of the plane a pixel shows. */
  plane(px, py) {
    return {
      x: (px - this.width / 2) / this.scale + this.x,
      y: (py - this.height / 2) / this.scale + this.y,
    };
  }
}
