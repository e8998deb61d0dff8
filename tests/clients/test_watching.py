"""Watching a registry of this process, which the test changes, ends and begins anew."""

from __future__ import annotations

import contextlib
import itertools
import time

import gevent
import pytest

import stractory
from stractory.net.address import Address, address
from stractory.net.process import Process
from stractory.proof import keys
from stractory.registry.directory import Directory
from stractory.registry.server import RegistryServer
from stractory.registry.service import Registry
from stractory.wire.life import Life, Phase, Report
from tests.support.green import green_until

WAIT = 20.0
PROCESS = Process("elsewhere", 1, 0)


class Served:
    """A registry with a worker of names, and what its clients need."""

    def __init__(self, folder) -> None:
        self._keys = keys.load(folder / "cluster.key", create=True)
        self._epochs = itertools.count(1)
        self._where = address("0")
        self.lives: dict[str, Life] = {}
        self.clients: list[stractory.Client] = []
        self.start()

    def start(self) -> None:
        """Begin with nothing but what the worker tells."""
        self._directory = Directory()
        self.registry = Registry(self._directory, settling=0)
        self._server = RegistryServer(self.registry, self._where, self._keys)
        self._where = Address(self._server.address.host, self._server.address.port)
        self._register()

    def stop(self) -> None:
        self._server.close()

    def _register(self) -> None:
        reports = [Report(life, Phase.RUNNING) for life in self.lives.values()]
        self._directory.register(
            b"1", address="worker", process=PROCESS, runtime="any", reports=reports, now=time.monotonic()
        )

    def create(self, *names: str) -> None:
        for name in names:
            self.lives[name] = Life(name, "stream", next(self._epochs), 1.0, b"", False)
        self._register()

    def destroy(self, *names: str) -> None:
        for name in names:
            actor = self._directory.lookup(name)
            self._directory.begin_end(actor)
            self._directory.ended(actor)
            del self.lives[name]

    def client(self) -> stractory.Client:
        self.clients.append(stractory.client(str(self._where), key_file=self._keys.path))
        return self.clients[-1]

    @property
    def watchers(self) -> int:
        return self.registry.watching.watchers


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path)
    yield served
    for client in served.clients:
        client.close()
    served.stop()


@pytest.fixture
def strac(served):
    return served.client()


def words(change):
    return f"{change.kind} {change.name}" + (f" {change.reason}" if change.reason else "")


def take(watch, count):
    """So many changes, in words."""
    with gevent.Timeout(WAIT):
        return [words(next(watch)) for _ in range(count)]


def test_a_loop_maintains_a_mirror(served, strac):
    served.create("room.1", "game")
    mirror = {}
    served_enough = False
    for change in strac.watch("room.*", timeout=WAIT):
        if change.kind == "died":
            del mirror[change.name]
        else:
            mirror[change.name] = change.actor
        if change.kind == "present":
            served.create("room.2")
            served.destroy("room.1", "game")
        if set(mirror) == {"room.2"}:
            served_enough = True
            break
    assert served_enough and mirror["room.2"] == strac.list("room.2")[0]


@pytest.mark.parametrize("end", ["close", "with", "break", "drop", "client"])
def test_nothing_is_left_of_a_watch_that_ended(served, strac, end):
    served.create("room")
    watch = strac.watch()
    assert take(watch, 1) == ["present room"]
    assert served.watchers == 1
    if end == "close":
        watch.close()
        watch.close()
    elif end == "with":
        with watch:
            pass
    elif end == "break":
        del watch
        for _ in strac.watch():
            break
    elif end == "drop":
        del watch
    else:
        strac.close()
    green_until(lambda: served.watchers == 0)
    if end != "client":
        assert strac.list() == strac.list("room")  # the link is well


def test_a_loop_that_waits_ends_with_its_watch(served, strac):
    watch = strac.watch()
    loop = gevent.spawn(list, watch)
    green_until(lambda: served.watchers)
    gevent.idle()
    watch.close()
    assert loop.get(timeout=WAIT) == []
    green_until(lambda: served.watchers == 0)


def test_a_loop_ends_with_its_watch_though_there_is_no_registry(served, strac):
    watch = strac.watch()
    loop = gevent.spawn(list, watch)
    served.stop()
    green_until(lambda: watch._opening)
    watch.close()
    assert loop.get(timeout=WAIT) == []
    served.start()
    assert strac.list() == [] and served.watchers == 0


@pytest.mark.parametrize("away", [False, True])
def test_a_loop_that_waits_is_told_that_its_client_was_closed(served, strac, away):
    watch = strac.watch()
    loop = gevent.spawn(list, watch)
    green_until(lambda: served.watchers)
    if away:
        served.stop()
        green_until(lambda: watch._opening)
    strac.close()
    with pytest.raises(stractory.RegistryUnavailable, match="was closed"):
        loop.get(timeout=WAIT)
    if away:
        served.start()


def test_what_happened_while_the_registry_was_away_is_told(served, strac):
    served.create("stays", "goes", "made anew")
    watch = strac.watch()
    assert take(watch, 3) == ["present stays", "present goes", "present made anew"]
    served.stop()
    del served.lives["goes"]
    served.lives["made anew"] = served.lives["made anew"]._replace(epoch=100)
    served.lives["comes"] = Life("comes", "stream", 101, 1.0, b"", False)
    served.start()
    assert take(watch, 4) == ["died goes unknown", "died made anew unknown", "born made anew", "born comes"]
    served.destroy("stays")
    assert take(watch, 1) == ["died stays destroyed"]


def test_a_timeout_ends_the_waiting_and_not_the_watch(served, strac):
    watch = strac.watch("room.*", timeout=0.05)
    with pytest.raises(stractory.CallTimeout, match=r"no change of 'room\.\*' was told in 0\.05 s"):
        next(watch)
    served.stop()
    for _ in range(3):
        with pytest.raises(stractory.CallTimeout):
            next(watch)
    served.start()
    served.create("room.1")

    def change():
        with contextlib.suppress(stractory.CallTimeout):
            return next(watch)

    assert words(green_until(change)) == "born room.1"
    assert served.watchers == 1


def test_nothing_is_left_of_a_watch_that_is_dropped_while_there_is_no_registry(served, strac, monkeypatch):
    monkeypatch.setattr("stractory.clients.watching.PATIENCE", 0.01)
    watch = strac.watch(timeout=0.05)
    served.stop()
    with pytest.raises(stractory.CallTimeout):
        next(watch)
    opening = watch._opening
    assert opening
    del watch
    opening.get(timeout=WAIT)
    served.start()


def test_a_registry_that_never_answered_is_an_error_at_once(served, strac):
    served.stop()
    with pytest.raises(stractory.RegistryUnavailable):
        strac.watch()
    served.start()


def test_many_watch_with_one_client_and_a_slow_one_holds_up_nobody(served, strac):
    slow = strac.watch()
    watches = [strac.watch(f"room.{number % 10}") for number in range(100)]
    for part in range(300):
        served.create(*(f"other.{part}.{number}" for number in range(40)))
        gevent.idle()
        served.destroy(*list(served.lives))
        gevent.idle()
    served.create(*(f"room.{number}" for number in range(10)))
    for number, watch in enumerate(watches):
        assert take(watch, 1) == [f"born room.{number % 10}"]
    there: set[str] = set()
    with gevent.Timeout(WAIT):
        while there != set(served.lives):
            change = next(slow)
            (there.discard if change.kind == "died" else there.add)(change.name)


@pytest.mark.parametrize(
    "pattern, timeout, error",
    [
        (b"room", None, TypeError),
        (None, None, TypeError),
        ("\ud800", None, stractory.InvalidName),
        ("*", -1, ValueError),
        ("*", "1", TypeError),
    ],
)
def test_what_cannot_be_watched_is_an_error_at_once(strac, pattern, timeout, error):
    with pytest.raises(error):
        strac.watch(pattern, timeout=timeout)
