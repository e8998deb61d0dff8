"""A worker's part in snapshots: what an actor begins with, and what it leaves when its worker ends."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from stractory.errors import ActorStartFailed
from stractory.wire.codec import pack, unpack
from stractory.wire.life import Life, Terms
from stractory.wire.shipping import Code, Definition
from stractory.worker.actor import Actor, Keep
from stractory.worker.host import Host
from tests.worker.test_host import Client, error_of

LIMIT = 20.0


class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.gate = Event()
        self.destroyed = False

    def add(self) -> int:
        self.count += 1
        self.gate.wait()
        return self.count

    def snapshot(self) -> int:
        if self.count > 9:
            raise OverflowError("more than 9")
        assert not self.destroyed
        return self.count

    def restore(self, count: int) -> None:
        if count < 0:
            raise ValueError("less than none")
        self.count = count

    def destroy(self) -> None:
        self.destroyed = True


def init(options: Any) -> Counter:
    """This process's own, so that tests can look into it."""
    counter: Counter = options["counter"]
    return counter


DEFINITION = Definition("rpc", Code.imported(f"{__name__}:init"), None, {})


class Worker:
    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.told: list[str] = []
        self.host = Host(
            Client,
            keep=Keep(
                lambda life, state: self.kept.append((life.epoch, unpack(state))) or True,
                lambda life, problem: self.told.append(problem),
            ),
        )
        self.host.define(DEFINITION.packed)
        self.counter = Counter()

    def create(self, state: Any = None, snapshot: str | float = "each call") -> Actor:
        life = Life("counter", "rpc", 1, 0.0, b"", False, Terms(False, "on-failure", snapshot))
        packed = None if state is None else pack(state)
        return self.host.create(life, DEFINITION.digest, {"counter": self.counter}, packed)

    def add(self, actor: Actor) -> Any:
        assert actor.server is not None
        call = gevent.spawn(error_of, actor.server.methods["add"])
        gevent.idle()
        return call


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_restore_runs_before_it_serves(worker: Worker) -> None:
    worker.create(5)
    assert worker.counter.count == 5
    worker = Worker()
    worker.create()
    assert worker.counter.count == 0


def test_a_restore_that_raises_is_a_start_that_fails(worker: Worker) -> None:
    with pytest.raises(ActorStartFailed, match="less than none") as raised:
        worker.create(-1)
    assert "in restore" in raised.value.remote_traceback
    assert worker.host.reports() == []


@pytest.mark.parametrize("snapshot", ["each call", 600.0])
def test_a_worker_that_ends_has_the_last_state_kept_before_destroy(worker: Worker, snapshot: Any) -> None:
    call = worker.add(worker.create(5, snapshot))
    closing = gevent.spawn(worker.host.close, LIMIT)
    gevent.idle()
    assert worker.kept == [] and not worker.counter.destroyed
    worker.counter.gate.set()
    closing.get(timeout=LIMIT)
    assert worker.kept == [(1, 6)] and worker.counter.destroyed
    assert call.get(timeout=LIMIT) is None


def test_an_actor_that_is_destroyed_leaves_nothing(worker: Worker) -> None:
    actor = worker.create(5, 600.0)
    worker.counter.gate.set()
    worker.add(actor).get(timeout=LIMIT)
    worker.host.destroy("counter", 1)
    assert worker.kept == [] and worker.counter.destroyed


def test_problems_are_told_and_remembered(worker: Worker) -> None:
    worker.counter.gate.set()
    actor = worker.create(8)
    for _ in range(3):
        worker.add(actor).get(timeout=LIMIT)
    problem = "snapshot() failed: OverflowError: more than 9"
    assert worker.told == [problem]
    assert worker.host.problems() == [(actor.life, problem)]
    worker.counter.count = 0
    worker.add(actor).get(timeout=LIMIT)
    assert worker.told[1:] == [""] and worker.host.problems() == []
