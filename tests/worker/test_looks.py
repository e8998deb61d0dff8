"""What a worker tells of its actors and itself."""

from __future__ import annotations

import gc
import sys
from typing import Any

import gevent
import pytest

from stractory.errors import StaleLocation
from stractory.net.counters import Tally, counters
from stractory.wire.facts import BUSIEST, Load
from stractory.wire.life import Life
from stractory.wire.shipping import Code, Definition
from stractory.worker import lateness, looks
from stractory.worker.actor import Actor
from stractory.worker.host import Host
from stractory.worker.lateness import Lateness
from stractory.worker.looks import Looks
from tests.support.green import green_until, one_turn

DEFINITION = Definition("stream", Code.imported(f"{__name__}:init"), None, {})


def init(options: Any) -> Any:
    return lambda stream, address: None


class Link:
    streams = (1, 2)


@pytest.fixture
def host() -> Host:
    host = Host(lambda: None)
    host.define(DEFINITION.packed)
    return host


@pytest.fixture
def looking(host: Host) -> Looks:
    looking = Looks(host, [Link(), Link()])  # type: ignore[arg-type]
    looking.look()
    return looking


def create(host: Host, name: str, epoch: int = 7) -> Actor:
    return host.create(Life(name, "stream", epoch, 0.0, b"", False), DEFINITION.digest, {})


def call(actor: Actor, times: int = 1) -> None:
    for _ in range(times):
        actor.counting().call(len, "")


def test_the_busiest_since_the_last_look(host: Host, looking: Looks) -> None:
    first, second, idle = (create(host, name) for name in ("first", "second", "idle"))
    call(first, 1)
    call(second, 3)
    assert looking.look().busiest == [("second", 7, 3), ("first", 7, 1)]
    assert looking.look().busiest == []
    call(first, 2)
    assert looking.look().busiest == [("first", 7, 3)]
    assert idle.tally is None


def test_only_the_busiest_of_many(host: Host, looking: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "IN_A_ROW", 10)
    for number in range(100):
        call(create(host, f"a{number}"), number)
    assert [row.calls for row in looking.look().busiest] == [*range(99, 99 - BUSIEST, -1)]
    assert looking.look().busiest == []  # the others were seen too


def test_who_is_looked_at_may_end_meanwhile(
    host: Host, looking: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "IN_A_ROW", 1)
    for number in range(20):
        call(create(host, f"a{number}"))
    look = gevent.spawn(looking.look)
    one_turn()
    host.destroy("a1", 7)
    host.destroy("a19", 7)
    create(host, "new")
    assert len(look.get(timeout=10).busiest) >= 18


def test_what_a_worker_tells_of_itself(host: Host, looking: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    before = looking.look()
    actor = create(host, "room")
    call(actor, 2)
    with pytest.raises(TypeError):
        actor.counting().call(len)
    monkeypatch.setattr(counters, "received", counters.received + 10)
    monkeypatch.setattr(counters, "event_errors", counters.event_errors + 1)
    after = looking.look()
    assert after.calls - before.calls == 3 and after.errors - before.errors == 2
    assert after.received - before.received == 10
    assert (after.links, after.streams) == (2, 4)
    assert after.at > before.at > 0
    assert after.cpu >= before.cpu > 0 and after.memory > 1_000_000
    assert Load.from_wire(list(after)) == after


def test_memory_that_cannot_be_read(looking: Looks, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(looks, "_MEMORY", tmp_path / "none")
    assert looking.look().memory == 0


def test_facts(host: Host, looking: Looks) -> None:
    actor = create(host, "room")
    assert looking.facts("room", 7) == (0, 0, 0, "", 0.0)
    call(actor)
    with pytest.raises(ZeroDivisionError):
        actor.counting().call(lambda: 1 / 0)  # type: ignore[arg-type]
    facts = looking.facts("room", 7)
    assert facts[:4] == (0, 2, 1, "ZeroDivisionError: division by zero")
    assert facts.last_error_at > 1_700_000_000
    with pytest.raises(StaleLocation):
        looking.facts("room", 8)


def test_an_idle_actor_is_counted_in_little_memory() -> None:
    tally = Tally()
    assert sys.getsizeof(tally) + 2 * tuple.__itemsize__ <= 80  # the collector has two words before it
    assert gc.is_tracked(tally) and not hasattr(tally, "__dict__")


# ---- how late the loop is ----------------------------------------------------------------------------------


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that the test sets."""

    class Clock:
        now = 100.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(lateness, "monotonic", clock)
    monkeypatch.setattr(lateness, "STEP", 0.01)
    return clock


def test_the_worst_since_it_was_asked(late: Any) -> None:
    loop = Lateness()
    assert loop.worst() == 0.0
    late.now += 3.01  # it stands still, and is asked before it looks
    assert loop.worst() == pytest.approx(3.0)
    assert loop.worst() == 0.0
    green_until(lambda: loop._left < lateness.TURNS)  # it has looked
    assert loop.worst() == 0.0


def test_a_long_stop_is_told_of(late: Any) -> None:
    loop = Lateness()
    loop.worst()
    one_turn()
    late.now += 60
    green_until(lambda: loop._due > 160)
    assert loop.worst() == pytest.approx(60, abs=0.1)


def test_it_ends_when_nobody_asks(late: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "TURNS", 3)
    loop = Lateness()
    loop.worst()
    green_until(lambda: not loop._left)
    late.now += 60
    assert loop.worst() == 0.0
