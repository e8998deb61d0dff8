/** The signs that the web is drawn with: one for each kind of actor, gauges, badges. All on a 2D context. */

const FULL = 2 * Math.PI;
const GAUGE_START = 0.75 * Math.PI;
const GAUGE_LENGTH = 1.5 * Math.PI;
const HOT = 0.85;

/** Adds the outline of a kind's sign to the path: kinds differ by shape as well as by colour. */
export function outline(context, kind, x, y, size) {
  if (kind === "eventemitter") {
    const reach = size * 1.3;
    context.moveTo(x, y - reach);
    context.lineTo(x + reach, y);
    context.lineTo(x, y + reach);
    context.lineTo(x - reach, y);
    context.closePath();
  } else if (kind === "spawn") {
    const half = size * 0.92;
    context.rect(x - half, y - half, 2 * half, 2 * half);
  } else if (kind === "stream") {
    const reach = size * 1.35;
    context.moveTo(x + reach, y);
    context.lineTo(x - reach * 0.62, y + reach * 0.88);
    context.lineTo(x - reach * 0.62, y - reach * 0.88);
    context.closePath();
  } else {
    context.moveTo(x + size, y);
    context.arc(x, y, size, 0, FULL);
  }
}

/** A line around x, y. */
export function circle(context, x, y, radius, style, width, dash = []) {
  context.beginPath();
  context.arc(x, y, Math.max(0, radius), 0, FULL);
  context.strokeStyle = style;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

/** A disc. */
export function disc(context, x, y, radius, style) {
  context.beginPath();
  context.arc(x, y, Math.max(0, radius), 0, FULL);
  context.fillStyle = style;
  context.fill();
}

/**
 * The dial of a worker's processor, open below: how far it is drawn out is the share that is in use.
 * @param {number | null} share 0 to 1
 */
export function gauge(context, x, y, radius, share, palette, width) {
  context.lineCap = "round";
  const arc = (length, style) => {
    context.beginPath();
    context.arc(x, y, radius, GAUGE_START, GAUGE_START + length);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  };
  arc(GAUGE_LENGTH, palette.line);
  if (share !== null && share > 0.005) arc(GAUGE_LENGTH * share, share > HOT ? palette.warn : palette.gauge);
  context.lineCap = "butt";
}

/** A ring whose arcs are the kinds' parts of all. @param {[string, number][]} parts */
export function donut(context, x, y, radius, parts, palette, width) {
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  const gap = parts.length > 1 ? 1.5 / radius : 0;
  let angle = -Math.PI / 2;
  for (const [kind, count] of parts) {
    const length = (count / total) * FULL;
    context.beginPath();
    context.arc(x, y, radius, angle + gap / 2, angle + Math.max(length - gap / 2, gap / 2 + 0.01));
    context.strokeStyle = palette.kind(kind);
    context.lineWidth = width;
    context.stroke();
    angle += length;
  }
}

/** A small sign at a worker that is not as it should be: a cross if it is lost, an arrow if it is leaving. */
export function badge(context, state, x, y, size, palette) {
  disc(context, x, y, size, state === "lost" ? palette.warn : palette.muted);
  const arm = size * 0.42;
  context.beginPath();
  context.moveTo(x - arm, y + arm);
  context.lineTo(x + arm, y - arm);
  if (state === "lost") {
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
  } else {
    context.moveTo(x - arm * 0.5, y - arm);
    context.lineTo(x + arm, y - arm);
    context.lineTo(x + arm, y + arm * 0.5);
  }
  context.strokeStyle = palette.paper;
  context.lineWidth = size * 0.28;
  context.stroke();
}
