/** Where things stand: none over another, and still. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Slots,
  clusterRadius,
  dialRadius,
  placeWorkers,
  places,
  slotAt,
} from "../../stractory/http/page/layout.js";
import { Labels } from "../../stractory/http/page/labels.js";
import { View } from "../../stractory/http/page/view.js";

const cells = (count, radius = () => 50) =>
  Array.from({ length: count }, (_, number) => ({ key: `w${number}`, radius: radius(number) }));

for (const count of [1, 2, 3, 4, 7, 12, 50, 51, 200]) {
  for (const aspect of [0.46, 1, 1.3, 2.4]) {
    test(`${count} workers do not overlap at ${aspect}`, () => {
      const some = cells(count, (number) => (number % 5 ? 40 : 70));
      const { at, width, height } = placeWorkers(some, 30, aspect);
      assert.equal(at.size, count);
      some.forEach((cell, index) => {
        const { x, y } = at.get(cell.key);
        assert.ok(Math.hypot(x, y) >= cell.radius + 30, "the registry is free");
        assert.ok(
          Math.abs(x) + cell.radius <= width / 2 + 1e-6 && Math.abs(y) + cell.radius <= height / 2 + 1e-6,
        );
        for (const other of some.slice(0, index)) {
          const there = at.get(other.key);
          assert.ok(Math.hypot(x - there.x, y - there.y) >= cell.radius + other.radius);
        }
      });
    });
  }
}

test("it takes the shape of the window", () => {
  const wide = placeWorkers(cells(50), 30, 2);
  const high = placeWorkers(cells(50), 30, 0.5);
  assert.ok(wide.width > 1.3 * wide.height && high.height > 1.3 * high.width);
});

test("no worker is none", () => assert.equal(placeWorkers([], 30, 1).at.size, 0));

test("no two slots are at one place, and all are within the dial", () => {
  const points = Array.from({ length: 500 }, (_, slot) => slotAt(slot, 0.3));
  points.forEach((point, index) => {
    assert.ok(Math.hypot(point.x, point.y) < dialRadius(index + 1));
    for (const other of points.slice(0, index))
      assert.ok(Math.hypot(point.x - other.x, point.y - other.y) > 12);
  });
});

test("a few slots are spread around", () => {
  const angles = [0, 1, 2, 3].map((slot) => slotAt(slot, 0).angle).sort((one, other) => one - other);
  const gaps = angles.map((angle, index) =>
    index ? angle - angles[index - 1] : angle + 2 * Math.PI - angles[3],
  );
  assert.ok(Math.min(...gaps) > Math.PI / 4, `${gaps}`);
  assert.ok(places(0) >= 16);
});

test("whoever has a slot keeps it, and a free one is taken first", () => {
  const slots = new Slots();
  for (const name of ["a", "b", "c", "d"]) slots.take(name);
  slots.leave("b");
  assert.deepEqual(
    [...slots.of],
    [
      ["a", 0],
      ["c", 2],
      ["d", 3],
    ],
  );
  slots.take("e");
  slots.take("e");
  assert.equal(slots.of.get("e"), 1);
  for (const name of ["d", "c", "zz"]) slots.leave(name);
  assert.equal(slots.size, 2);
});

test("the area of a cluster is its number", () => {
  const [one, four] = [clusterRadius(25_000, 100_000), clusterRadius(100_000, 100_000)];
  assert.ok(Math.abs(four / one - 2) < 1e-9);
  assert.ok(clusterRadius(0, 1) > 0);
  assert.equal(clusterRadius(1500, 1900), clusterRadius(1500, 1700), "and it keeps its size for a while");
});

test("labels give way", () => {
  const labels = new Labels();
  assert.ok(labels.take(0, 0, 100, 14));
  assert.equal(labels.take(90, 10, 300, 14), false);
  assert.ok(labels.take(90, 14, 300, 14));
  labels.block(500, 500, 10, 10);
  assert.equal(labels.take(505, 505, 1, 1), false);
});

test("a view zooms around a pixel, and fits", () => {
  const view = new View();
  view.resize(800, 600);
  view.fit(1600, 600);
  assert.ok(view.fitting && view.pixel(-800, 0).x >= 0 && view.pixel(800, 0).x <= 800);
  const before = view.plane(700, 100);
  view.zoom(2, 700, 100, 0.1);
  const after = view.plane(700, 100);
  assert.ok(Math.hypot(before.x - after.x, before.y - after.y) < 1e-9 && !view.fitting);
  view.zoom(1e9, 0, 0, 0.1);
  assert.ok(view.scale <= 8);
  view.reveal(5000, 5000);
  assert.deepEqual(view.pixel(5000, 5000), { x: 400, y: 300 });
});
