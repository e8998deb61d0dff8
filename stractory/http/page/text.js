/** How numbers, times and names are written. Pure. */

const INVISIBLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** The kinds of actor there are, in the order in which they are shown. */
export const KINDS = ["rpc", "stream", "eventemitter", "spawn"];

/**
 * A name as it may be drawn: what cannot be seen, or would turn its surroundings around, is spelled out.
 * @param {string} name
 * @param {number} [most] characters; what is longer loses its middle
 */
export function shown(name, most = Infinity) {
  const whole = name.replace(INVISIBLE, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const signs = [...whole];
  if (signs.length <= most) return whole;
  const end = Math.floor((most - 1) / 3);
  return `${signs.slice(0, most - 1 - end).join("")}…${signs.slice(signs.length - end).join("")}`;
}

/** The addresses' part that differs: only the port, where the host is that of the registry. */
export function shortAddress(address, registry) {
  const host = registry.slice(0, registry.lastIndexOf(":"));
  return host && address.startsWith(`${host}:`) ? address.slice(host.length) : address;
}

/** 1234567 -> "1,234,567". @param {number} count */
export const whole = (count) =>
  Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");

/** A number in little room: 950, "2.0k", "31k", "1.4M". @param {number} count */
export function brief(count) {
  for (const [unit, sign] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (count < unit * 0.9995) continue;
    const value = count / unit;
    return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${sign}`;
  }
  return `${Math.round(count)}`;
}

/** So many a second, or a dash. @param {number | null} value */
export function rate(value) {
  if (value === null) return "–";
  return value > 0 && value < 9.95 ? value.toFixed(1) : value < 1e4 ? whole(value) : brief(value);
}

/** 0.123 -> "12 %". @param {number | null} share */
export const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

/** Bytes, in units of 1024. @param {number} count */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count < 9.95 && unit ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

/** Seconds in words: "0.4 ms", "12 s", "3 min 5 s", "2 h 10 min", "5 d 3 h". @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  const parts = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const first = parts.findIndex(([unit]) => seconds >= unit);
  const [[large, name], small] = [parts[first], parts[first + 1]];
  const count = Math.floor(seconds / large);
  const rest = small ? Math.floor((seconds - count * large) / small[0]) : 0;
  return rest ? `${count} ${name} ${rest} ${small[1]}` : `${count} ${name}`;
}

/** "1 actor", "2,000 actors". @param {number} count @param {string} thing */
export const counted = (count, thing) => `${whole(count)} ${thing}${count === 1 ? "" : "s"}`;

/** The time of day. @param {number} seconds since 1970 */
export const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);
