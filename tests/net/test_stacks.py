"""Where all green threads are, in a process of the test's own."""

from __future__ import annotations

import sys
from typing import Any

import gevent
import pytest
from gevent.event import Event

from stractory.net import stacks


def wait_here(gate: Event) -> None:
    gate.wait()


def told(whose: stacks.Whose = stacks.nobodys) -> list[tuple[str, Any]]:
    return list(stacks.stacks(sys._getframe(), whose))


def about(function: str, found: list[tuple[str, Any]]) -> tuple[str, Any]:
    (one,) = [(text, fields) for text, fields in found if f"in {function}\n" in text]
    return one


def test_those_that_are_alike_are_told_once() -> None:
    gate = Event()
    waiting = [gevent.spawn(wait_here, gate) for _ in range(3)]
    gevent.idle()
    text, fields = about("wait_here", told())
    assert text.startswith("3 green threads:\n") and "gate.wait()" in text and not fields
    text, _ = about("told", told())
    assert text.startswith("a green thread, running:\n")
    gate.set()
    gevent.joinall(waiting)
    assert not [text for text, _ in told() if "in wait_here\n" in text]


def test_actors_are_named() -> None:
    gate = Event()
    waiting = [gevent.spawn(wait_here, gate) for _ in range(20)]
    gevent.idle()
    numbers = {thread: number for number, thread in enumerate(waiting)}

    def whose(thread: Any) -> dict[str, Any]:
        return {"actor": f"a{numbers[thread]:02}", "epoch": 1} if thread in numbers else {}

    text, fields = about("wait_here", told(whose))
    assert "20 green threads of actors 'a" in text and " and 10 more:" in text and not fields
    gevent.killall(waiting[1:])
    text, fields = about("wait_here", told(whose))
    assert text.startswith("a green thread of actor 'a00':")
    assert fields == {"actor": "a00", "epoch": 1}
    gate.set()
    gevent.joinall(waiting)


def deep(left: int, gate: Event) -> None:
    if left:
        deep(left - 1, gate)
    else:
        gate.wait()


def test_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST", 20)
    gate = Event()
    waiting = [gevent.spawn(deep, stacks.DEEP + 50, gate)]
    gevent.idle()
    text, _ = about("deep", told())
    assert text.count("\n  File") <= stacks.DEEP
    waiting += [gevent.spawn(deep, number, gate) for number in range(stacks.DEEP)]
    gevent.idle()
    found = told()
    native = len(sys._current_frames())
    assert len(found) <= stacks.MOST + native + 3
    assert found[-1][0].startswith("and ") and found[-1][0].endswith(" more stacks")
    gate.set()
    gevent.joinall(waiting)
