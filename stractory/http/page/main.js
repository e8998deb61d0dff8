/** The page: events go into the model, what they changed to all that show it; one thing is selected. */

import { byId, make, say } from "./dom.js";
import { Facts } from "./facts.js";
import { listen } from "./keys.js";
import { Model } from "./model.js";
import { News } from "./news.js";
import { Overview } from "./overview.js";
import { Events } from "./registry.js";
import { Search } from "./search.js";
import { clock, counted, rate, shown } from "./text.js";
import { Web } from "./web.js";
import { Workers } from "./workers.js";

const model = new Model();
const web = new Web(byId("canvas"), model, { select, hover });
const overview = new Overview(model);
const workers = new Workers(model, select);
const facts = new Facts(model, select, mark);
const search = new Search(model, select);
const news = new News((text) => say(byId("news"), text));

/** Let all show what changed. */
function show(changes) {
  sayRegistry();
  web.update(changes);
  overview.update(changes);
  workers.update();
  news.add(changes);
}

/** Where the registry is that tells all this, and the others that share its names. */
function sayRegistry() {
  const { registry, registries } = model;
  say(byId("registry"), registries.length > 1 ? `${registry}, one of ${registries.length}` : registry);
  byId("registry").title = registries.join("\n");
}

/** Open the facts of a worker or actor, or close them. @param {import("./web.js").Mark | null} chosen */
function select(chosen) {
  const host = chosen?.host ?? model.names?.get(chosen?.key)?.worker;
  const opened = chosen && { ...chosen, host };
  const hash = chosen ? `#${chosen.type}=${encodeURIComponent(chosen.key)}` : "";
  if (location.hash !== hash) history.pushState(null, "", hash || location.pathname);
  const before = byId("facts").contains(document.activeElement);
  facts.show(opened);
  mark(opened);
  if (chosen) byId("facts-title").focus({ preventScroll: true });
  else if (before) byId("canvas").focus();
}

/** Show in picture and table what is selected. */
function mark(chosen) {
  web.select(chosen);
  workers.mark(chosen);
}

/** What the address of the page says is selected. */
function ofHash() {
  const [, type, key] = /^#(actor|worker)=(.+)$/.exec(location.hash) ?? [];
  try {
    select(type ? { type, key: decodeURIComponent(key) } : null);
  } catch {
    select(null);
  }
}

/** Say what is under the pointer. */
function hover(what, x, y) {
  const tip = byId("tip");
  tip.hidden = !what;
  if (!what) return;
  tip.replaceChildren(make("bdi", {}, shown(what.key || `registry ${model.registry}`, 80)), inShort(what));
  const { clientWidth: width, clientHeight: height } = byId("web");
  const left = Math.min(x + 14, width - tip.offsetWidth - 8);
  const top = y + 20 + tip.offsetHeight > height ? y - tip.offsetHeight - 10 : y + 16;
  tip.style.transform = `translate(${Math.round(Math.max(4, left))}px, ${Math.round(top)}px)`;
}

function inShort({ type, key }) {
  if (type === "actor") return `, ${model.names?.get(key)?.kind ?? ""}, ${rate(model.rateOf(key))} calls/s`;
  const worker = model.workers.get(key);
  return worker ? `, ${counted(worker.actors, "actor")}, ${worker.state}` : "";
}

let lost = 0;

/**
 * Say whether the registry is there.
 * @param {boolean} live
 * @param {string} [why] it is not, if that is known
 */
function connection(live, why = "") {
  const line = byId("connection");
  if (line.dataset.state === (live ? "live" : "away") && !why) return;
  line.dataset.state = live ? "live" : "away";
  say(line, live ? "live" : "away");
  lost = live ? 0 : lost || Date.now() / 1000;
  byId("web").classList.toggle("away", !live);
  byId("away").hidden = live;
  const told = why || `The registry is away since ${clock(lost)}.`;
  say(byId("away"), live ? "" : `${told} This is what it told last; it is asked again.`);
}

/** The worker after the one that is selected, in the table's order; -1: the one before. */
function step(by) {
  const addresses = workers.sorted().map(({ address }) => address);
  if (!addresses.length) return;
  const at = addresses.indexOf(workers.selected);
  const next = at < 0 ? (by > 0 ? 0 : addresses.length - 1) : (at + by + addresses.length) % addresses.length;
  select({ type: "worker", key: addresses[next] });
}

function nameTheme() {
  const { choice } = window.stractoryTheme;
  say(byId("theme"), choice);
  byId("theme").setAttribute("aria-label", `Colours: ${choice}`);
  web.recolour();
}

const letters = {
  "/": () => byId("search").focus(),
  "?": () => byId("keys").showModal(),
  f: () => web.fit(),
  t: () => window.stractoryTheme.next(),
  n: () => step(1),
  p: () => step(-1),
};

listen(letters, () => (search.close(), select(null)));
byId("theme").addEventListener("click", () => window.stractoryTheme.next());
byId("fit").addEventListener("click", () => web.fit());
byId("closer").addEventListener("click", () => web.zoom(1.3));
byId("farther").addEventListener("click", () => web.zoom(1 / 1.3));
document.addEventListener("themechange", nameTheme);
addEventListener("popstate", ofHash);
addEventListener("hashchange", ofHash);
nameTheme();
ofHash();
new Events(
  { state: (data) => show(model.state(data)), tick: (data) => show(model.tick(data)) },
  connection,
).open();
