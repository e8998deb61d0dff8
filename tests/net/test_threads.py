from __future__ import annotations

from contextvars import ContextVar

import gevent
import pytest
from gevent.event import Event

from stractory.net.threads import SPARE, Threads, threads


@pytest.fixture
def own():
    found = Threads()
    yield found
    found.close()


def in_hub(function) -> None:
    gevent.get_hub().loop.run_callback(function)
    gevent.idle()


def current(own: Threads, seen: list, wait=lambda: None) -> None:
    own.start(lambda: (seen.append(gevent.getcurrent()), wait()))


def test_a_loop_has_its_own() -> None:
    assert threads() is threads()
    assert gevent.get_hub().threadpool.apply(threads) is not threads()


def test_they_are_used_again(own: Threads) -> None:
    seen: list = []
    in_hub(lambda: [current(own, seen) for _ in range(3)])
    assert len(seen) == 3 and len(set(seen)) == 1


def test_start_returns_when_it_waits(own: Threads) -> None:
    seen: list = []
    gate = Event()
    in_hub(lambda: [current(own, seen, gate.wait) for _ in range(3)])
    assert len(set(seen)) == 3
    gate.set()
    gevent.idle()
    in_hub(lambda: current(own, seen))
    assert seen[3] in seen[:3]


def test_only_some_are_kept(own: Threads) -> None:
    seen: list = []
    gate = Event()
    in_hub(lambda: [current(own, seen, gate.wait) for _ in range(SPARE + 5)])
    gate.set()
    gevent.idle()
    assert sum(not task.dead for task in seen) == SPARE
    own.close()
    assert all(task.dead for task in seen)


def test_context_variables_are_not_handed_on(own: Threads) -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    seen: list = []
    for _ in range(2):
        in_hub(lambda: own.start(lambda: (seen.append(variable.get()), variable.set(1))))
    assert seen == [0, 0]


def test_one_that_raises_ends_alone(own: Threads, capsys) -> None:
    seen: list = []
    in_hub(lambda: own.start(lambda: 1 / 0))
    assert "ZeroDivisionError" in capsys.readouterr().err
    in_hub(lambda: current(own, seen))
    assert not seen[0].dead


def test_a_timeout_that_was_left_behind_ends_one_without_work(own: Threads, capsys) -> None:
    seen: list = []
    in_hub(lambda: current(own, seen, lambda: gevent.Timeout(0.001).start()))
    seen[0].join(timeout=10)
    assert seen[0].dead
    in_hub(lambda: current(own, seen))
    assert seen[1] is not seen[0] and not seen[1].dead
    assert "Timeout" in capsys.readouterr().err


def test_one_that_is_told_again_of_what_it_waited_for_before(own: Threads) -> None:
    seen: list = []
    in_hub(lambda: current(own, seen))
    in_hub(seen[0].switch)
    in_hub(lambda: current(own, seen))
    assert seen[1] is seen[0]
