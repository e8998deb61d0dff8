"""What a worker can do with nothing but a key of its own; and what somebody who has stolen one can."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import stractory
from stractory.net import process
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.life import Life
from tests.factory.test_factory import exchange
from tests.security.guarded import Guarded, calls
from tests.support.actors import echo, multicast
from tests.support.cluster import POOL_READY
from tests.support.green import green_until, next_event


class Counter:
    def __init__(self, options):
        self.number = 0

    def add(self):
        self.number += 1
        return self.number

    def pid(self):
        return os.getpid()

    def snapshot(self):
        return self.number

    def restore(self, number):
        self.number = number


def asker(options, context):
    return {"ask": lambda: [info.name for info in context.client.list()]}


@pytest.fixture(scope="module")
def pool() -> Iterator[Guarded]:
    """A pool of two, whose file has one key: of the role node."""
    with Guarded(nodes=()) as guarded:
        cluster = guarded.cluster
        cluster.env["STRACTORY_KEY_FILE"] = str(guarded.key_file(keys.NODE, "pool"))
        cluster.pool = cluster.daemon(
            "stractory-workers",
            "--workers=2",
            f"--registry={guarded.address}",
            "--respawn-delay=0.2",
            f"--working-dir={cluster.folder}",
            "--log-level=debug",
        )
        cluster.pool.wait_line(POOL_READY)
        yield guarded


def check_kinds(strac: stractory.Client, name: str, **terms: Any) -> None:
    """All of them, over a link and at their own ports."""
    strac.create(f"{name}.stream", echo, **terms)
    strac.create(f"{name}.spawn", stractory.spawn("cat"), **terms)
    strac.create(f"{name}.rpc", stractory.rpc(Counter), **terms)
    strac.create(f"{name}.emitter", stractory.eventemitter(multicast), **terms)
    for direct in (False, True):
        for kind in ("stream", "spawn"):
            with strac.connect(f"{name}.{kind}", direct=direct) as stream:
                assert exchange(stream) == b"hello"
        with strac.connect(f"{name}.rpc", direct=direct) as counter:
            assert counter.add() > 0
        with strac.connect(f"{name}.emitter", direct=direct) as emitter:
            heard = next_event(emitter, "echo")
            emitter.emit("echo", "hello")
            assert heard.get(timeout=20) == "hello"


@pytest.mark.parametrize("isolate", [False, True])
def test_a_worker_needs_no_key_but_its_own(pool: Guarded, name: str, isolate: bool) -> None:
    with pool.client() as strac:
        check_kinds(strac, name, isolate=isolate)
        strac.create(
            name, stractory.rpc(Counter), restart="on-failure", snapshot="each call", isolate=isolate
        )
        counter = strac.get(name)
        assert counter.add() == 1
        os.kill(counter.pid(), signal.SIGKILL)
        green_until(lambda: counter.closed)
        assert counter.add() == 2
        for info in strac.list():
            strac.destroy(info.name)


@pytest.mark.parametrize("isolate", [False, True])
def test_its_actors_reach_no_others(pool: Guarded, name: str, isolate: bool) -> None:
    with pool.client() as strac:
        strac.create(name, stractory.rpc(asker), isolate=isolate)
        with pytest.raises(stractory.AuthError, match="is for the role node; needed: operator or client"):
            strac.get(name).ask()
        strac.destroy(name)


# ---- with a stolen key -----------------------------------------------------------------------------------


class Rogue:
    """Somebody who says to be a worker, over a proved link. It serves nothing."""

    def __init__(self, link: Link) -> None:
        self._calls = calls(link)

    def register(self, *lives: Life, id: bytes = b"rogue", address: str = "127.0.0.1:1") -> Any:
        reports = [[list(life), "running"] for life in lives]
        return self("register", id, address, list(process.own()), "rogue", reports, b"")

    def __call__(self, method: str, *args: Any) -> Any:
        return self._calls.call(method, *args, call_timeout=10)


@pytest.fixture
def victims() -> Iterator[Guarded]:
    """A cluster that the test may spoil."""
    with Guarded(["node1"]) as guarded:
        yield guarded


@contextlib.contextmanager
def rogue_in(guarded: Guarded) -> Iterator[Rogue]:
    def serve(link: Any, stream: Any, dial: Any) -> None:
        link.accept_stream(stream)
        Calls(stream)

    link = dial(address(guarded.address), "registry", guarded.key(keys.NODE, "rogue"), serve)
    try:
        yield Rogue(link)
    finally:
        link.close()


def a_life(name: str, epoch: int) -> Life:
    return Life(name, "stream", epoch, 1.0, b"", False)


def test_a_stolen_key_tells_nothing_of_other_workers_actors(victims: Guarded) -> None:
    """Nor does it end them by what it says of them, or keep a state for them."""
    with victims.client() as strac, rogue_in(victims) as rogue:
        info = strac.create("a", echo)
        rogue.register()
        for method, args in {
            "exited": (1,),
            "ended": (),
            "snapshot": (2**40, b"\xc0"),
            "problem": ("trouble",),
        }.items():
            assert not rogue(method, "a", info.epoch, *args)
        (worker,) = [worker for worker in strac.workers() if worker.address == info.worker]
        rogue("child_ended", b"node1", 9)
        assert strac.list() == [info] and worker in strac.workers()
        assert exchange(strac.get("a")) == b"hello"


def test_a_stolen_key_opens_no_other_worker(victims: Guarded) -> None:
    """In test_proof.py it fails at their doors; nor are tickets made with it good for others."""
    with victims.client() as strac, rogue_in(victims) as rogue:
        info = strac.create("a", echo)
        rogue.register(a_life("mine", 7), address=info.worker)  # as if it were that one
        with pytest.raises(stractory.AuthError, match="it refuses the registry's ticket to 'mine'"):
            strac.connect("mine", timeout=10)
        assert exchange(strac.get("a")) == b"hello"


def test_a_stolen_key_takes_no_names_but_free_ones(victims: Guarded) -> None:
    """As docs/security.md says; also when the registry was restarted, whose store has the names it gave."""
    with victims.client() as strac:
        info = strac.create("a", echo)
        stream = strac.connect("a")
        for _ in range(2):
            with rogue_in(victims) as rogue:
                rogue.register(a_life("free", 7), a_life("a", info.epoch + 1), a_life("a", info.epoch))
                places = {each.name: each.worker for each in strac.list()}
                assert places == {"a": info.worker, "free": "127.0.0.1:1"}
                assert exchange(stream) == b"hello"
                rogue("goodbye")
            assert [each.name for each in strac.list()] == ["a"]
            victims.cluster.restart_registry()
            green_until(lambda: [worker.state for worker in strac.workers()] == ["running"])
        assert exchange(strac.connect("a")) == b"hello"
