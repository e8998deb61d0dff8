/** What the page knows, from what it is told. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Model } from "../../stractory/http/page/model.js";

const load = (at, calls, cpu, more = {}) => ({
  at,
  calls,
  errors: 0,
  links: 1,
  streams: 1,
  cpu,
  memory: 1,
  lag: 0,
  received: 0,
  ...more,
});
const worker = (address, more = {}) => ({
  address,
  state: "running",
  actors: 0,
  kinds: {},
  load: null,
  isolated: false,
  parent: "",
  ...more,
});
const tick = (now, more = {}) => ({
  now,
  actors: 1,
  workers: [],
  gone: [],
  born: [],
  births: 0,
  died: [],
  deaths: 0,
  busy: [],
  registries: [],
  ...more,
});

function begun(names = [["a", "rpc", "h:1", "running", 1]], workers = [worker("h:1", { actors: 1 })]) {
  const model = new Model();
  model.state({ now: 100, registry: "h:0", registries: [], since: 1, actors: 1, limit: 2000, workers, names });
  return model;
}

test("a state is taken whole", () => {
  const model = begun();
  assert.equal(model.names.get("a").worker, "h:1");
  model.state({ now: 101, registry: "h:0", registries: [], since: 1, actors: 5000, limit: 2000, workers: [], names: null });
  assert.equal(model.names, null);
  assert.equal(model.workers.size, 0);
});

test("births and deaths", () => {
  const model = begun();
  const changes = model.tick(
    tick(101, {
      born: [["b", "stream", "h:1", "running", 2]],
      births: 1,
      died: [["a", 1, "destroyed"]],
      deaths: 1,
    }),
  );
  assert.deepEqual([...model.names.keys()], ["b"]);
  assert.equal(changes.born[0].name, "b");
  assert.equal(changes.died[0].actor.kind, "rpc");
  assert.equal(changes.died[0].reason, "destroyed");
});

test("one that was born and died within a tick is not there", () => {
  const model = begun();
  model.tick(tick(101, { born: [["b", "rpc", "h:1", "running", 2]], died: [["b", 2, "exited"]] }));
  assert.equal(model.names.has("b"), false);
});

test("the death of a life before does not end this one", () => {
  const model = begun();
  model.tick(tick(101, { born: [["a", "rpc", "h:1", "running", 3]], died: [["a", 1, "destroyed"]] }));
  assert.equal(model.names.get("a").epoch, 3);
  model.tick(tick(102, { died: [["a", 2, "destroyed"]] }));
  assert.equal(model.names.get("a").epoch, 3);
});

test("who moves is there once, and who changes state is not born", () => {
  const model = begun();
  const changes = model.tick(tick(101, { born: [["a", "rpc", "h:2", "waiting", 1]] }));
  assert.equal(model.names.size, 1);
  assert.equal(model.names.get("a").state, "waiting");
  assert.deepEqual(changes.born, []);
});

test("a life that follows one before is a move", () => {
  const model = begun();
  const changes = model.tick(tick(101, { born: [["a", "rpc", "h:2", "running", 2]], births: 1 }));
  assert.deepEqual(changes.born, []);
  assert.deepEqual(changes.moved.map(({ name, worker }) => [name, worker]), [["a", "h:2"]]);
  assert.equal(changes.births, 0);
});

test("rates are made of two looks", () => {
  const model = begun();
  const at = (now, told) => model.tick(tick(now, { workers: [worker("h:1", { load: told })] }));
  at(101, load(7, 100, 1));
  assert.equal(model.rates(model.workers.get("h:1")), null);
  at(102, load(8, 300, 1.5));
  assert.deepEqual(model.rates(model.workers.get("h:1")), { calls: 200, errors: 0, cpu: 0.5, received: 0 });
  at(102.5, load(8, 300, 1.5));
  assert.equal(model.rates(model.workers.get("h:1")).calls, 200, "the same look again is no other");
});

test("what counts is when the worker looked, not when that was told", () => {
  const model = begun();
  const at = (now, told) => model.tick(tick(now, { workers: [worker("h:1", { load: told })] }));
  at(101.9, load(7, 100, 1));
  at(102.1, load(9, 300, 2));
  assert.deepEqual(model.rates(model.workers.get("h:1")), { calls: 100, errors: 0, cpu: 0.5, received: 0 });
});

test("rates are of the last seconds", () => {
  const model = begun();
  for (const [at, calls] of [
    [1, 0],
    [2, 1000],
    [4, 1200],
    [5, 1300],
  ]) {
    model.tick(tick(100 + at, { workers: [worker("h:1", { load: load(at, calls, 1) })] }));
  }
  assert.equal(model.rates(model.workers.get("h:1")).calls, 100);
});

test("a process that began anew has no rates below nothing", () => {
  const model = begun();
  for (const [now, calls] of [
    [101, 1000],
    [102, 2000],
    [103, 5],
  ]) {
    model.tick(tick(now, { workers: [worker("h:1", { load: load(now, calls, calls / 1000) })] }));
  }
  assert.equal(model.rates(model.workers.get("h:1")), null);
});

test("nor has one whose clock began anew", () => {
  const model = begun();
  for (const [now, at] of [
    [101, 50],
    [102, 51],
    [103, 0.5],
  ]) {
    model.tick(tick(now, { workers: [worker("h:1", { load: load(at, now, now) })] }));
  }
  assert.equal(model.rates(model.workers.get("h:1")), null);
});

test("whoever is called no more is busy no more", () => {
  const model = begun();
  model.tick(tick(101, { busy: [["a", 1, 12.5]] }));
  assert.equal(model.rateOf("a"), 12.5);
  model.tick(tick(102));
  assert.equal(model.rateOf("a"), 12.5);
  model.tick(tick(104));
  assert.equal(model.rateOf("a"), 0);
});

test("workers come, change and go", () => {
  const model = begun();
  const told = (now, more) => model.tick(tick(now, more)).workers;
  assert.deepEqual(told(101, { workers: [worker("h:2")] }), [["h:2", "new"]]);
  assert.deepEqual(told(102, { workers: [worker("h:2", { state: "lost" })] }), [["h:2", "lost"]]);
  assert.deepEqual(told(103, { gone: ["h:2"] }), [["h:2", "gone"]]);
  assert.deepEqual(told(104, { gone: ["h:2"] }), []);
});

test("what a worker is told of in short keeps what is known", () => {
  const model = begun(undefined, [worker("h:1", { pid: 7, actors: 1 })]);
  const changes = model.tick(
    tick(101, { workers: [{ address: "h:1", state: "running", actors: 4, kinds: { rpc: 4 }, load: null }] }),
  );
  assert.equal(model.workers.get("h:1").pid, 7);
  assert.deepEqual([...changes.grown], [["h:1", 3]]);
  assert.deepEqual([...model.kinds()], [["rpc", 4]]);
});

test("the process of one actor is drawn with its parent", () => {
  const model = begun([], [worker("h:1"), worker("h:7", { isolated: true, parent: "h:1" })]);
  assert.equal(model.host("h:7"), "h:1");
  model.tick(tick(101, { gone: ["h:1"] }));
  assert.equal(model.host("h:7"), "h:7");
});
