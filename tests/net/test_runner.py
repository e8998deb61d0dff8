from __future__ import annotations

from contextvars import ContextVar

import gevent
import pytest
from gevent.event import Event

from stractory.net.runner import IN_A_ROW, Runner


class Owner:
    """Remembers the green threads in which pieces were done."""

    def __init__(self) -> None:
        self.threads: list[gevent.Greenlet] = []
        self.ended = False

    def within(self, function) -> None:
        if not self.ended:
            if gevent.getcurrent() not in self.threads:
                self.threads.append(gevent.getcurrent())
            function()


def add(runner: Runner, *pieces: object) -> None:
    for piece in pieces:
        runner.add(piece)
    runner.go()


def in_hub(function, *args) -> None:
    gevent.get_hub().loop.run_callback(function, *args)
    gevent.idle()


def test_pieces_that_do_not_wait_share_a_green_thread() -> None:
    seen: list[int] = []
    owner = Owner()
    runner = Runner(seen.append, owner.within)
    add(runner, *range(IN_A_ROW))
    assert seen == [] and len(runner) == IN_A_ROW
    gevent.idle()
    assert seen == list(range(IN_A_ROW)) and len(runner) == 0
    add(runner, -1)
    gevent.idle()
    assert seen[-1] == -1 and len(owner.threads) == 1


def test_context_variables_are_not_handed_on() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    seen: list[int] = []

    def work(piece: int) -> None:
        seen.append(variable.get())
        variable.set(piece)

    add(Runner(work), 1, 2, 3)
    gevent.idle()
    assert seen == [0, 0, 0]


def test_in_the_hub_they_are_done_at_once() -> None:
    seen: list[object] = []
    runner = Runner(seen.append)

    def twice() -> None:
        add(runner, 1, 2)
        seen.append("back")

    in_hub(twice)
    assert seen == [1, 2, "back"]


def test_others_get_their_turn() -> None:
    seen: list[object] = []
    runner = Runner(seen.append)
    add(runner, *range(5 * IN_A_ROW))
    gevent.spawn(seen.append, "other")
    gevent.idle()
    gevent.idle()
    assert seen.index("other") <= 2 * IN_A_ROW
    assert [each for each in seen if each != "other"] == list(range(5 * IN_A_ROW))


def test_what_waits_holds_nothing_up() -> None:
    gate, begun, done = Event(), [], []

    def work(number: int) -> None:
        begun.append(number)
        if number % 2:
            gate.wait()
        done.append(number)

    add(Runner(work), *range(6))
    gevent.idle()
    assert begun == [0, 1, 2, 3, 4, 5] and done == [0, 2, 4]
    gate.set()
    gevent.idle()
    assert sorted(done) == [0, 1, 2, 3, 4, 5]


def test_one_that_waited_goes_on_with_what_came_meanwhile() -> None:
    gates, begun = [Event(), Event()], []

    def work(number: int) -> None:
        begun.append(number)
        if number < 2:
            gates[number].wait()

    runner = Runner(work)
    add(runner, 0, 1)
    gevent.idle()
    in_hub(lambda: (gates[0].set(), runner.add(2)))
    assert begun == [0, 1, 2]


def test_in_turn() -> None:
    gate, begun = Event(), []

    def work(number: int) -> None:
        begun.append(number)
        gate.wait()

    runner = Runner(work, in_turn=True)
    add(runner, 1, 2)
    gevent.idle()
    assert begun == [1]
    gate.set()
    gevent.idle()
    assert begun == [1, 2]


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_piece_that_is_killed_takes_no_other_along(in_turn: bool) -> None:
    begun: list[int] = []
    owner = Owner()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            Event().wait()

    runner = Runner(work, owner.within, in_turn=in_turn)
    add(runner, 1, 2)
    gevent.idle()
    owner.threads[0].kill()
    gevent.idle()
    assert begun == [1, 2]
    add(runner, 3)
    gevent.idle()
    assert begun == [1, 2, 3]


def test_nothing_is_done_for_who_has_ended() -> None:
    seen: list[int] = []
    owner = Owner()
    runner = Runner(seen.append, owner.within)
    owner.ended = True
    add(runner, 1, 2)
    gevent.idle()
    assert seen == [] and len(runner) == 0
