/** How what is drawn follows what is known. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Model } from "../../stractory/http/page/model.js";
import { BIRTH, Scene, brightness, compareAddresses } from "../../stractory/http/page/scene.js";

const worker = (address, actors = 0, more = {}) => ({
  address,
  state: "running",
  actors,
  kinds: { rpc: actors },
  load: null,
  isolated: false,
  parent: "",
  ...more,
});
const row = (name, address = "h:1", epoch = 1, state = "running") => [name, "rpc", address, state, epoch];
const all = (workers, names) => ({
  now: 1,
  registry: "h:0",
  since: 0,
  actors: 0,
  limit: 2000,
  workers,
  names,
});
const tick = (more = {}) => ({
  now: 2,
  actors: 0,
  workers: [],
  gone: [],
  born: [],
  births: 0,
  died: [],
  deaths: 0,
  busy: [],
  ...more,
});

function begun(workers, names) {
  const model = new Model();
  const scene = new Scene(model);
  scene.update(model.state(all(workers, names)), 0);
  return { model, scene };
}

test("what was there is drawn at rest, and what is born moves for a while", () => {
  const { model, scene } = begun([worker("h:1")], [row("a")]);
  scene.advance(5000);
  assert.equal(scene.advance(5001), false);
  scene.update(model.tick(tick({ born: [row("b")], births: 1 })), 6000);
  assert.ok(scene.advance(6001));
  assert.equal(scene.advance(6000 + 2 * BIRTH), false);
});

test("who stays does not move when others come and go", () => {
  const { model, scene } = begun([worker("h:1"), worker("h:2")], [row("a"), row("b"), row("c")]);
  scene.advance(5000);
  const before = { ...scene.actorAt(scene.actors.get("c")) };
  scene.update(model.tick(tick({ born: [row("d"), row("e")], died: [["a", 1, "exited"]] })), 6000);
  scene.advance(9000);
  assert.deepEqual(scene.actorAt(scene.actors.get("c")), before);
});

test("one that died leaves a ghost for a moment", () => {
  const { model, scene } = begun([worker("h:1")], [row("a"), row("b")]);
  scene.update(model.tick(tick({ died: [["a", 1, "destroyed"]], deaths: 1 })), 100);
  assert.equal(scene.ghosts.length, 1);
  assert.ok(!scene.actors.has("a"));
  scene.advance(99_999);
  assert.equal(scene.ghosts.length, 0);
});

test("one that moves stands with its new worker, and one without in the middle", () => {
  const { model, scene } = begun([worker("h:1"), worker("h:2")], [row("a")]);
  scene.update(model.tick(tick({ born: [row("a", "h:2", 2)] })), 100);
  assert.equal(scene.actors.get("a").host, "h:2");
  scene.update(model.tick(tick({ born: [row("a", "", 2, "waiting")] })), 200);
  assert.equal(scene.actors.get("a").host, "");
  assert.ok(
    Math.hypot(scene.actorAt(scene.actors.get("a")).x, scene.actorAt(scene.actors.get("a")).y) <=
      scene.centre,
  );
  assert.equal(scene.actors.get("a").state, "waiting");
});

test("actors of a worker that is gone wait in the middle", () => {
  const { model, scene } = begun([worker("h:1"), worker("h:2")], [row("a")]);
  scene.update(model.tick(tick({ gone: ["h:1"] })), 100);
  assert.equal(scene.actors.get("a").host, "");
  assert.ok(!scene.workers.has("h:1"));
});

test("over the limit there are clusters, which tell of their growth", () => {
  const { model, scene } = begun([worker("h:1", 9000), worker("h:2", 1000)], null);
  assert.equal(scene.actors.size, 0);
  assert.ok(scene.workers.get("h:1").disc > scene.workers.get("h:2").disc);
  scene.update(model.tick(tick({ workers: [worker("h:2", 1100)] })), 100);
  assert.deepEqual(
    scene.ripples.map(({ key, outward, count }) => [key, outward, count]),
    [["h:2", true, 100]],
  );
});

test("from names to clusters and back", () => {
  const { model, scene } = begun([worker("h:1", 1)], [row("a")]);
  scene.update(model.state(all([worker("h:1", 5000)], null)), 100);
  assert.equal(scene.actors.size, 0);
  scene.update(model.state(all([worker("h:1", 1)], [row("a")])), 200);
  assert.equal(scene.actors.size, 1);
});

test("what stands at a point is found", () => {
  const { scene } = begun([worker("h:1")], [row("a")]);
  scene.advance(9999);
  const at = scene.actorAt(scene.actors.get("a"));
  assert.deepEqual(scene.pick(at.x + 3, at.y, 8), { type: "actor", key: "a" });
  const { x, y } = scene.workers.get("h:1");
  assert.deepEqual(scene.pick(x, y, 8), { type: "worker", key: "h:1" });
  assert.deepEqual(scene.pick(0, 0, 8), { type: "registry", key: "" });
  assert.equal(scene.pick(1e5, 1e5, 8), null);
});

test("with less motion things are at once where they belong", () => {
  const { model, scene } = begun([worker("h:1")], [row("a")]);
  scene.still = true;
  scene.update(model.tick(tick({ workers: [worker("h:2")] })), 100);
  scene.advance(100);
  for (const node of scene.workers.values()) assert.deepEqual([node.x, node.y], [node.to.x, node.to.y]);
});

test("brightness grows with calls, to an end", () => {
  assert.equal(brightness(0, 300), 0);
  assert.ok(brightness(1, 300) > 0.1 && brightness(100, 300) > brightness(10, 300));
  assert.equal(brightness(1e9, 300), 1);
});

test("addresses are in order of their ports", () => {
  const sorted = ["h:10000", "h:9001", "a:9002"].sort(compareAddresses);
  assert.deepEqual(sorted, ["a:9002", "h:9001", "h:10000"]);
});

test("what the processes of isolated actors have counts for who started them", () => {
  const own = worker("h:7", 1, { isolated: true, parent: "h:1", kinds: { spawn: 1 } });
  const { scene } = begun([worker("h:1", 3), own], null);
  assert.deepEqual([...scene.workers.keys()], ["h:1"]);
  assert.equal(scene.workers.get("h:1").actors, 4);
  assert.deepEqual(scene.workers.get("h:1").kinds, { rpc: 3, spawn: 1 });
});
