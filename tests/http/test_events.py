"""Those who follow: one look and one encoding for all, and nobody holds up anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import gevent
import pytest
from gevent import socket

from stractory.http import events as module
from stractory.http.events import Events
from stractory.http.loads import Loads
from stractory.http.pages import Pages
from stractory.http.picture import Picture
from stractory.http.server import PageServer
from stractory.net.address import Address
from stractory.proof import bearer
from stractory.proof.keys import CLIENT, KeyRing
from tests.http.asking import ANYWHERE, KEYS, an_access, ask
from tests.http.cluster import Model, a_load
from tests.support.faults import let_pass
from tests.support.green import green_until, one_turn


class Event:
    """One that came."""

    def __init__(self, text: str) -> None:
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        assert fields.keys() == {"id", "event", "data"}
        self.number, self.kind, self.data = int(fields["id"]), fields["event"], json.loads(fields["data"])


class Watcher:
    """A browser that follows."""

    def __init__(self, address: Address, *lines: str) -> None:
        self.sock = socket.create_connection(address)
        head = ["GET /api/events HTTP/1.1", f"Host: {address}", *lines, "", ""]
        self.sock.sendall("\r\n".join(head).encode())
        self.file = self.sock.makefile("r", encoding="utf-8", newline="\n")
        self.head = "".join(iter(self.file.readline, "\r\n"))

    def next(self) -> Event | None:
        """The next one; None at the end."""
        lines: list[str] = []
        while (line := self.file.readline()) not in ("", "\n"):
            lines.append(line)
        return Event("".join(lines)) if lines else None

    def until(self, kind: str) -> Event:
        """The next one of a kind."""
        while True:
            event = self.next()
            assert event is not None
            if event.kind == kind:
                return event

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class Site(Model):
    """Its events, served."""

    def __init__(self, keys: KeyRing = KEYS, *, is_open: bool = True) -> None:
        super().__init__()
        self.worker(1)
        self.access = an_access(keys, is_open=is_open)
        self.loads = Loads(self.survey)
        self.events = Events(Picture(self.directory, self.loads, {}), self.loads, self.access.admits)
        self.server = PageServer(ANYWHERE, Pages(self.access, self.events))
        self.watchers = ExitStack()

    def watch(self, *lines: str) -> Watcher:
        return self.watchers.enter_context(closing(Watcher(self.server.address, *lines)))

    def close(self) -> None:
        self.watchers.close()
        self.events.close()
        self.server.close()
        green_until(lambda: not len(self.events))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is more to tell in less time."""
    monkeypatch.setattr(module, "STEP", 0.01)


@pytest.fixture
def site(quick: None) -> Iterator[Site]:
    site = Site()
    with gevent.Timeout(30):
        yield site
        site.close()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of each event that was encoded."""
    kinds: list[str] = []
    make = module._event

    def count(number: int, kind: str, content: Any) -> bytes:
        kinds.append(kind)
        return make(number, kind, content)

    monkeypatch.setattr(module, "_event", count)
    return kinds


def test_the_state_and_then_what_happens(site: Site) -> None:
    site.create("room")
    watcher = site.watch()
    assert "200 OK" in watcher.head and "Content-Type: text/event-stream" in watcher.head
    state = watcher.next()
    assert state is not None and state.kind == "state" and [row[0] for row in state.data["names"]] == ["room"]
    site.create("hall")
    tick = watcher.until("tick")
    assert [row[0] for row in tick.data["born"]] == ["hall"] and tick.number > state.number
    site.end("room")
    assert [row[0] for row in watcher.until("tick").data["died"]] == ["room"]


def test_one_encoding_however_many_follow(site: Site, encoded: list[str]) -> None:
    watchers = [site.watch() for _ in range(20)]
    for watcher in watchers:
        assert watcher.next().kind == "state"  # type: ignore[union-attr]
    site.create("room")
    told = {json.dumps(watcher.until("tick").data) for watcher in watchers}
    assert len(told) == 1
    assert encoded.count("tick") == site.events._number
    assert encoded.count("state") <= 1 + site.events._number < 20


def test_a_sign_of_life(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_OF_LIFE", 0.05)
    watcher = site.watch()
    numbers = [watcher.next().number for _ in range(3)]  # type: ignore[union-attr]
    assert numbers == sorted(set(numbers))


def test_nothing_is_told_where_nothing_has_changed(site: Site) -> None:
    watcher = site.watch()
    watcher.next()
    looked = 0
    step = site.events._picture.step

    def count(now: float) -> Any:
        nonlocal looked
        looked += 1
        return step(now)

    site.events._picture.step = count  # type: ignore[method-assign]
    green_until(lambda: looked > 3)
    assert site.events._number == 0


def test_loads_are_told(site: Site) -> None:
    watcher = site.watch()
    watcher.next()
    site.survey.loads["127.0.0.1:1"] = a_load(calls=5)
    tick = watcher.until("tick")
    assert tick.data["workers"][0]["load"]["calls"] == 5


def test_while_nobody_follows_nobody_looks(site: Site) -> None:
    assert site.survey.looks == 0
    site.watch().next()
    green_until(lambda: site.survey.looks)
    site.watchers.close()
    green_until(lambda: not len(site.events))
    gevent.idle()
    assert site.loads._following.dead and site.events._looking.dead
    assert not site.directory.observers._all and not site.events._last
    assert site.watch().next().kind == "state"  # type: ignore[union-attr]  # and it begins anew


def test_more_births_than_are_listed_bring_the_state(site: Site) -> None:
    watcher = site.watch()
    watcher.next()
    for number in range(300):
        site.create(f"{number:03}")
    tick = watcher.until("tick")
    assert (len(tick.data["born"]), tick.data["births"]) == (200, 300)
    assert len(watcher.until("state").data["names"]) == 300


def test_who_takes_nothing_is_dropped_and_holds_up_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_LIMIT", 0.3)
    slow, quick = site.watch(), site.watch()
    for number in range(1500):
        site.create(f"{number:04} {'x' * 500}")
    changes = iter(range(10_000))

    def churn() -> None:
        for number in changes:
            site.create(f"churn {number}")
            site.end(f"churn {number}")
            for name in range(300):
                actor = site.directory.find(f"{name:04} {'x' * 500}")
                assert actor is not None
                site.directory.observers.changed(actor)
            let_pass(0.02)

    churning = gevent.spawn(churn)
    reading = gevent.spawn(lambda: [quick.until("state") for _ in range(10_000)])
    green_until(lambda: len(site.events) == 1)
    assert not reading.ready()
    churning.kill()
    reading.kill()
    assert slow.sock.fileno() > 0


def test_who_missed_some_is_told_of_the_state(site: Site) -> None:
    watcher = module._Watcher()
    site.events._add(watcher)
    assert b"event: state" in site.events._next(watcher) and site.events._next(watcher) == b""
    for name in ("a", "b"):
        site.create(name)
        site.events._tell(site.events._picture.step(1.0))
    assert b"event: state" in site.events._next(watcher)
    site.create("c")
    site.events._tell(site.events._picture.step(1.0))
    assert b"event: tick" in site.events._next(watcher)
    site.events._remove(watcher)


def test_there_are_so_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHERS", 2)
    first = site.watch()
    site.watch()
    green_until(lambda: len(site.events) == 2)
    page = ask(site.server.address, "/api/events")
    assert page.status == 503 and json.loads(page.body)["error"].startswith("there are 2 who follow")
    first.close()
    green_until(lambda: len(site.events) == 1)
    assert site.watch().next()


def test_they_outlast_the_time_for_a_request(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from stractory.http import server

    monkeypatch.setattr(server, "TIME_LIMIT", 0.1)
    monkeypatch.setattr(module, "SIGN_OF_LIFE", 0.05)
    watcher = site.watch()
    for _ in range(10):
        assert watcher.next()
    assert len(site.server._open) == 0  # nor do they take the place of requests


class Talker:
    """A connection over which there is always more to read, for a hundred times."""

    def __init__(self) -> None:
        self.reads = 0

    def recv(self, size: int) -> bytes:
        self.reads += 1
        return b"x" * size if self.reads < 100 else b""

    def sendall(self, data: bytes) -> None:
        pass


def test_who_talks_without_a_pause_holds_up_nobody(site: Site) -> None:
    talker = Talker()
    seen: set[int] = set()
    following = gevent.spawn(site.events.follow, lambda: True, talker)
    while not following.ready():
        seen.add(talker.reads)
        one_turn()
    assert len(seen) > 50


def test_they_end_with_the_server(site: Site) -> None:
    watcher = site.watch()
    watcher.next()
    site.events.close()
    assert watcher.next() is None
    green_until(lambda: not len(site.events))


def test_a_head_alone_follows_nothing(site: Site) -> None:
    page = ask(site.server.address, "/api/events", method="HEAD")
    assert page.status == 200 and page.body == "" and not len(site.events)


def test_who_is_revoked_is_told_no_more(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_OF_LIFE", 0.05)
    keys = KeyRing(KEYS.keys, KEYS.path)
    site = Site(keys, is_open=False)
    assert ask(site.server.address, "/api/events").status == 401
    watcher = site.watch(f"Authorization: Bearer {bearer.make(keys.keys[0].derive(CLIENT, 'alice'))}")
    with gevent.Timeout(30):
        assert watcher.next()
        keys.revoked = frozenset({"alice"})
        while watcher.next():
            pass
        site.close()
