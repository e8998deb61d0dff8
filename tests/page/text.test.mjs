/** How things are written. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { News } from "../../stractory/http/page/news.js";
import {
  brief,
  bytes,
  counted,
  duration,
  percent,
  rate,
  shortAddress,
  shown,
  whole,
} from "../../stractory/http/page/text.js";

test("numbers", () => {
  assert.deepEqual([0, 950, 1234567].map(whole), ["0", "950", "1,234,567"]);
  assert.deepEqual([0, 999, 1000, 1999, 99_950, 1_400_000].map(brief), [
    "0",
    "999",
    "1.0k",
    "2.0k",
    "100k",
    "1.4M",
  ]);
  assert.deepEqual([null, 0, 0.25, 12.4, 3517, 55_000].map(rate), ["–", "0", "0.3", "12", "3,517", "55k"]);
  assert.deepEqual([null, 0, 0.126].map(percent), ["–", "0 %", "13 %"]);
  assert.deepEqual([0, 999, 1536, 5e7].map(bytes), ["0 B", "999 B", "1.5 KiB", "48 MiB"]);
  assert.deepEqual([counted(1, "actor"), counted(2000, "actor")], ["1 actor", "2,000 actors"]);
});

test("times", () => {
  assert.deepEqual([0.0012, 0.25, 1, 59, 185, 7800, 439_200].map(duration), [
    "1.2 ms",
    "250 ms",
    "1 s",
    "59 s",
    "3 min 5 s",
    "2 h 10 min",
    "5 d 2 h",
  ]);
});

test("addresses lose the host that all have", () => {
  assert.equal(shortAddress("10.0.0.1:9001", "10.0.0.1:9000"), ":9001");
  assert.equal(shortAddress("10.0.0.2:9001", "10.0.0.1:9000"), "10.0.0.2:9001");
  assert.equal(shortAddress("[::1]:9001", "[::1]:9000"), ":9001");
  assert.equal(shortAddress("h:1", ""), "h:1");
});

test("what cannot be seen is spelled out", () => {
  assert.equal(shown("a\nb\u202Ec\u0000"), "a\\u000ab\\u202ec\\u0000");
  assert.equal(shown("שלום 👋"), "שלום 👋");
});

test("long names lose their middle, and no sign is cut in two", () => {
  assert.equal(shown("abcdefghij", 10), "abcdefghij");
  assert.equal(shown("abcdefghijk", 10), "abcdef…ijk");
  assert.equal([...shown("👋".repeat(600), 22)].length, 22);
  assert.ok(!shown("👋".repeat(600), 22).includes("\ufffd"));
});

test("changes are told of together", () => {
  const news = new News(() => {});
  const none = { whole: false, births: 0, deaths: 0, workers: [] };
  news.add({ ...none, births: 2 });
  news.add({ ...none, births: 1, deaths: 1, workers: [["h:1", "lost"]] });
  news.add({ ...none, whole: true, births: 99 });
  assert.equal(news.text(), "3 actors born, 1 actor died, worker h:1 is lost.");
  clearTimeout(news.timer);
});
