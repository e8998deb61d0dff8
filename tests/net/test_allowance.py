from __future__ import annotations

import gevent
import pytest

from stractory.errors import ProtocolError
from stractory.net.allowance import RUNNING_BOUND, RUNNING_LIMIT, Allowance
from tests.net.test_calls import Ends, pair
from tests.support.green import green_until

__all__ = ["pair"]


class Told:
    """Sums up what the other side is told that it may send again."""

    def __init__(self) -> None:
        self.bytes = 0
        self.allowance = Allowance(self)

    def consumed(self, size: int) -> None:
        self.bytes += size


def test_all_is_let_come_while_little_runs() -> None:
    told = Told()
    told.allowance.begun(RUNNING_LIMIT)
    told.allowance.arrived(100, awaited=False)
    assert told.bytes == 100


def test_what_is_held_up_comes_when_calls_are_done() -> None:
    told = Told()
    for _ in range(3):
        told.allowance.begun(RUNNING_LIMIT // 2 + 1)
        told.allowance.arrived(100, awaited=False)
    assert told.bytes == 100
    told.allowance.done(RUNNING_LIMIT // 2 + 1)
    assert told.bytes == 100  # two of them still weigh too much
    told.allowance.done(RUNNING_LIMIT // 2 + 1)
    assert told.bytes == 300


def test_who_is_awaited_is_not_held_up() -> None:
    told = Told()
    told.allowance.begun(RUNNING_LIMIT + 1)
    told.allowance.arrived(100, awaited=False)
    told.allowance.pay()  # something is asked of the other side now
    told.allowance.arrived(100, awaited=True)
    assert told.bytes == 200


def test_far_too_much() -> None:
    told = Told()
    told.allowance.begun(RUNNING_BOUND + 1)
    with pytest.raises(ProtocolError, match="more calls at once"):
        told.allowance.arrived(1, awaited=True)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit of so many bytes, to have tests quick; less would be within the stream's window."""
    limit = 1024 * 1024
    monkeypatch.setattr("stractory.net.allowance.RUNNING_LIMIT", limit)
    monkeypatch.setattr("stractory.net.allowance.RUNNING_BOUND", 100 * limit)
    return limit


def test_a_call_that_goes_on_holds_up_no_others(small: int, pair) -> None:
    ends = Ends(pair)
    items = ends.call("count", 1000)
    waiting = ends.near.future("wait", (1,), {})
    for _ in range(4):
        ends.call("echo", bytes(small), call_timeout=10)
    ends.room.gate.set()
    assert waiting.get(timeout=10) == 1 and len(list(items)) == 1000


def test_calls_that_call_back_do_not_hold_up_their_answers(small: int, pair) -> None:
    ends = Ends(pair)
    asked = [gevent.spawn(ends.call, "ask", lambda data: len(data), bytes(10_000)) for _ in range(300)]
    assert [each.get(timeout=20) for each in asked] == [10_000] * 300


def test_calls_that_only_wait_are_bounded(small: int, pair) -> None:
    ends = Ends(pair)
    size = 300_000

    def send() -> None:
        for number in range(20):
            ends.near.post("wait_with", (number, bytes(size)), {})

    ends.far.serving.methods["wait_with"] = lambda number, data: ends.room.wait(number)
    sending = gevent.spawn(send)
    green_until(lambda: len(ends.room.seen) * size > small)
    gevent.idle()
    assert len(ends.room.seen) * size < small + 3 * size
    ends.room.gate.set()
    sending.get(timeout=10)
    ends.call("note", -1)
    assert ends.room.seen == [*range(20), -1]
