"""A made-up cluster behind a web server: what the page is shown where a real one would be too large.

    python -m tests.support.made_up --workers 50 --actors 100000 --births 200

It says the address of its page, and that is all it prints. It answers as stractory/http does.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer

FILES = Path(__file__).parents[2] / "stractory/http/page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)
KINDS = ("rpc", "rpc", "rpc", "stream", "stream", "eventemitter", "spawn")
WORDS = ("room", "board", "game", "encoder", "session", "cart", "sensor", "tally")
NAMES_LIMIT = 2000
LISTED = 200
TICK = 0.5
Row = list[Any]


class MadeUp:
    """Workers and actors that are none, and what goes on among them."""

    def __init__(self, workers: int, actors: int, births: float, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # nothing secret
        self.since = time.time() - 93_000
        self.births = births
        self.epoch = 0
        self.actors: dict[str, Row] = {}
        self.order: list[str] = []
        self.workers = [f"127.0.0.1:{9001 + number}" for number in range(workers)]
        self.states = dict.fromkeys(self.workers, "running")
        self.mood = {address: self.chance.random() ** 2 for address in self.workers}
        self.loads = {
            address: {"at": 0.0, "calls": 0, "errors": 0, "links": 0, "streams": 0, "cpu": 0.0, "memory": 0,
                      "lag": 0.0, "received": 0}
            for address in self.workers
        }  # fmt: skip
        self.counts: dict[str, Counter[str]] = {address: Counter() for address in self.workers}
        for _ in range(actors):
            self.bear()
        if workers > 3:
            self.states[self.workers[-1]] = "lost"
            self.states[self.workers[-2]] = "leaving"
        self.news = Event()
        self.told: tuple[int, str] = (0, "")
        self.now = time.time()

    def bear(self) -> Row:
        """A new actor, somewhere."""
        self.epoch += 1
        name = f"{self.chance.choice(WORDS)}-{self.epoch}"
        address = self.chance.choice(self.workers)
        row = [name, self.chance.choice(KINDS), address, "running", self.epoch]
        self.actors[name] = row
        self.order.append(name)
        self.counts[address][row[1]] += 1
        return row

    def bury(self) -> Row:
        """The end of one of them."""
        number = self.chance.randrange(len(self.order))
        self.order[number], self.order[-1] = self.order[-1], self.order[number]
        name, kind, address, _, epoch = self.actors.pop(self.order.pop())
        self.counts[address][kind] -= 1
        return [name, epoch, self.chance.choice(["destroyed", "exited", "crashed"])]

    def run(self) -> None:
        """Let time pass, and tell of it."""
        for number in range(1, 1 << 60):
            gevent.sleep(TICK)
            self.now = time.time()
            count = int(self.births * TICK)
            born = [self.bear() for _ in range(count)]
            died = [self.bury() for _ in range(min(count, len(self.order) - 1))]
            if number % 2:
                self.work()
            names = self.chance.sample(self.order, min(len(self.order) // 3 + 1, 256))
            names = [name for name in names if self.states[self.actors[name][2]] != "lost"]
            tick = {
                "now": self.now,
                "actors": len(self.actors),
                "workers": [self.worker(address, short=True) for address in self.workers],
                "gone": [],
                "born": born[:LISTED],
                "births": len(born),
                "died": died[:LISTED],
                "deaths": len(died),
                "registries": [],
                "busy": [[name, self.actors[name][4], self.rate(name)] for name in names],
            }
            self.told = (number, json.dumps(tick))
            self.news.set()
            self.news.clear()

    def rate(self, name: str) -> float:
        """Calls a second."""
        return round(self.mood[self.actors[name][2]] * self.chance.expovariate(0.02), 1)

    def work(self) -> None:
        """A second of traffic."""
        for address, load in self.loads.items():
            mood = self.mood[address] = min(1, max(0.01, self.mood[address] + self.chance.gauss(0, 0.04)))
            load["at"] += 1.0
            load["calls"] += int(mood * 4000 * self.chance.uniform(0.8, 1.2))
            load["errors"] += int(mood > 0.8)
            load["links"] = int(mood * 40) + 1
            load["streams"] = int(mood * 400) + 1
            load["cpu"] += mood * self.chance.uniform(0.85, 1)
            load["memory"] = int(4e7 + 9e3 * self.counts[address].total() + mood * 2e7)
            load["lag"] = round(0.001 + 0.05 * mood**4, 5)
            load["received"] += int(mood * 900_000)

    def worker(self, address: str, short: bool = False) -> dict[str, Any]:
        """As the API tells of it."""
        counts = +self.counts[address]
        lost = self.states[address] == "lost"
        told = {
            "address": address,
            "state": self.states[address],
            "actors": counts.total(),
            "kinds": dict(counts),
            "load": None if lost else dict(self.loads[address]),
        }
        more = {"pid": 1000 + int(address[-4:]), "python": "CPython 3.11.7, dill 0.4.0", "isolated": False}
        return told if short else {**told, **more, "parent": ""}

    def state(self) -> dict[str, Any]:
        """All of it."""
        few = len(self.actors) <= NAMES_LIMIT
        return {
            "now": self.now,
            "registry": "127.0.0.1:9000",
            "since": self.since,
            "registries": [],
            "actors": len(self.actors),
            "limit": NAMES_LIMIT,
            "workers": [self.worker(address) for address in self.workers],
            "names": list(self.actors.values()) if few else None,
        }

    def events(self) -> Iterator[bytes]:
        """What a watcher is sent."""
        yield sent("state", 0, json.dumps(self.state()))
        while True:
            self.news.wait()
            yield sent("tick", *self.told)

    def actor(self, row: Row, facts: bool = False) -> dict[str, Any]:
        """As the API tells of it."""
        name, kind, worker, state, epoch = row
        since = self.since + epoch % 90_000
        told = {"name": name, "kind": kind, "worker": worker, "epoch": epoch, "state": state, "since": since}
        told |= {"public": epoch % 9 == 0, "restart": "never", "problem": "", "isolated": False}
        told["creator"] = "cluster at 127.0.0.1"
        calls = int((time.time() - self.since) * (1 + epoch % 7))
        error = "ValueError: there is no such move" if epoch % 2 else ""
        happened = {"clients": epoch % 5, "calls": calls, "errors": epoch % 3, "last_error": error}
        happened["last_error_at"] = time.time() - 90 if error else 0.0
        return {**told, "facts": happened} if facts else told

    def find(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """A page of the list of actors."""
        pattern = query.get("match", ["*"])[0]
        if not set(pattern) & set("*?["):
            pattern = f"*{pattern}*"
        worker, kind = query.get("worker", [""])[0], query.get("kind", [""])[0]
        after, limit = query.get("after", [""])[0], int(query.get("limit", ["100"])[0])
        rows = [row for row in self.actors.values() if not worker or row[2] == worker]
        rows = [row for row in rows if not kind or row[1] == kind]
        names = sorted(fnmatch.filter([row[0] for row in rows], pattern))
        left = [name for name in names if name > after]
        found = [self.actor(self.actors[name]) for name in left[:limit]]
        return {"actors": found, "total": len(names), "more": len(left) > limit}

    def answer(self, path: str, query: str) -> dict[str, Any] | None:
        """What /api says at a path, None where there is nothing."""
        _, _, what, *rest = path.split("/", 3)
        name = rest[0] if rest else ""
        if what == "cluster":
            version = {"version": "0.9.0", "ready": "", "watchers": 1, "workers": len(self.workers)}
            return {**self.state(), **version, "kinds": dict(sum(self.counts.values(), Counter()))}
        if what == "workers" and not name:
            return {"workers": [self.worker(address) for address in self.workers]}
        if what == "workers":
            return self.worker(name) if name in self.counts else None
        if what == "actors" and not name:
            return self.find(parse_qs(query, keep_blank_values=True))
        return self.actor(self.actors[name], facts=True) if name in self.actors else None


def sent(event: str, number: int, data: str) -> bytes:
    """One event of a stream of them."""
    return f"event: {event}\nid: {number}\ndata: {data}\n\n".encode()


class Pages:
    """The WSGI application."""

    def __init__(self, cluster: MadeUp) -> None:
        self.cluster = cluster

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode()
        if path == "/api/events":
            start("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
            return self.cluster.events()
        if path.startswith("/api/"):
            answer = self.cluster.answer(path, environ["QUERY_STRING"])
            start("200 OK" if answer else "404 Not Found", [("Content-Type", "application/json")])
            return [json.dumps(answer or {"error": f"there is no {path}"}).encode()]
        file = FILES / ("index.html" if path == "/" else Path(path).name)
        if not file.is_file():
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        head = [("Content-Type", f"{TYPES[file.suffix]}; charset=utf-8"), ("Content-Security-Policy", POLICY)]
        start("200 OK", [*head, ("Cache-Control", "no-store")])
        return [file.read_bytes()]


def main() -> None:
    """Serve one until it is ended."""
    parser = argparse.ArgumentParser(description="A made-up cluster and its page.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--actors", type=int, default=20)
    parser.add_argument("--births", type=float, default=2, help="a second, and as many deaths")
    parser.add_argument("--seed", type=int, default=7)
    told = parser.parse_args()
    cluster = MadeUp(told.workers, told.actors, told.births, told.seed)
    gevent.spawn(cluster.run)
    server = WSGIServer(("127.0.0.1", told.port), Pages(cluster), log=None)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
