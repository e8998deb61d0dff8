from __future__ import annotations

import gevent
import pytest

from stractory.errors import SlowConsumer
from stractory.net import backlog as module
from stractory.net.backlog import Backlog
from stractory.net.counters import counters


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 10)
    monkeypatch.setattr(module, "PILE_LIMIT", 100)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def filled(*sizes: int) -> Backlog:
    backlog = Backlog()
    for size in sizes:
        backlog.append(memoryview(bytes(size)))
    return backlog


def taken(backlog: Backlog, room: int) -> None:
    """The peer takes so many bytes."""

    def send(view: memoryview) -> int:
        nonlocal room
        size = min(room, len(view))
        room -= size
        return size

    backlog.take(send)


def test_bytes_leave_in_order_however_much_is_taken_at_once() -> None:
    backlog, sent = Backlog(), []
    for piece in (b"ab", b"", b"cde", b"f"):
        backlog.append(memoryview(piece))
    assert backlog.size == 6

    def send(view: memoryview) -> int:
        sent.append(bytes(view[:2]))
        return min(2, len(view))

    backlog.take(send)
    assert b"".join(sent) == b"abcdef" and backlog.size == 0


def test_no_wait_while_there_is_room() -> None:
    filled(10).make_room(TimeoutError(), None)


def test_a_peer_that_takes_some_is_waited_for() -> None:
    backlog = filled(5, 5, 5)
    waiting = gevent.spawn(backlog.make_room, TimeoutError(), None)
    gevent.idle()
    assert not waiting.ready()
    taken(backlog, 7)
    waiting.get(timeout=5)
    assert backlog.size == 8


def test_a_peer_that_stands_still_is_not_waited_for(clock: Clock) -> None:
    backlog = filled(20)
    clock.now += module.GRACE + 0.01
    backlog.make_room(TimeoutError(), None)
    clock.now += module.STILL_LIMIT
    before = counters.slow_consumers
    with pytest.raises(SlowConsumer, match="20 bytes"):
        backlog.make_room(TimeoutError(), None)
    assert counters.slow_consumers == before + 1


def test_however_little_waits(clock: Clock) -> None:
    backlog = filled(1)
    clock.now += module.STILL_LIMIT
    backlog.append(memoryview(b"x"))
    assert not backlog.crowded
    backlog.make_room(TimeoutError(), None)
    clock.now += 0.01
    assert backlog.crowded
    with pytest.raises(SlowConsumer, match="2 bytes"):
        backlog.make_room(TimeoutError(), None)
    taken(backlog, 2)
    clock.now += module.STILL_LIMIT + 1
    assert not backlog.crowded  # nothing waits


def test_any_byte_is_a_sign_of_life(clock: Clock) -> None:
    backlog = filled(20)
    clock.now += module.STILL_LIMIT
    taken(backlog, 1)
    clock.now += module.GRACE + 0.01
    backlog.make_room(TimeoutError(), None)


def test_no_more_than_a_pile_for_one_that_stands_still(clock: Clock) -> None:
    backlog = filled(101)
    with pytest.raises(TimeoutError):  # it may take it all: one message can be that large
        backlog.make_room(TimeoutError(), 0.0)
    clock.now += module.GRACE + 0.01
    with pytest.raises(TimeoutError):
        backlog.make_room(TimeoutError(), 0.0)
    clock.now += module.PILE_PATIENCE
    with pytest.raises(SlowConsumer):
        backlog.make_room(TimeoutError(), None)


def test_a_limit_of_time() -> None:
    late = TimeoutError("late")
    with pytest.raises(TimeoutError, match="late"):
        filled(20).make_room(late, 0.0)
    with pytest.raises(TimeoutError, match="late"):
        filled(1).wait(0, late, 0.001)


def test_the_end_lets_everybody_go_on() -> None:
    backlog = filled(20)
    waiting = [
        gevent.spawn(backlog.make_room, TimeoutError(), None),
        gevent.spawn(backlog.wait, 0, TimeoutError(), None),
    ]
    gevent.idle()
    backlog.end()
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert backlog.over and backlog.size == 0


def test_copies() -> None:
    backlog, data, sent = Backlog(), bytearray(b"abc"), []
    backlog.append(memoryview(data))
    backlog.keep_copies()
    data[:] = b"xyz"
    backlog.take(lambda view: sent.append(bytes(view)) or len(view))
    assert sent == [b"abc"]
