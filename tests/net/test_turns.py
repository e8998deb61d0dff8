from __future__ import annotations

import gevent
from gevent.event import Event

from stractory.net.turns import Turns


def test_no_more_than_so_many_in_the_order_of_their_coming() -> None:
    turns, seen, gates = Turns(2), [], [Event() for _ in range(6)]

    def work(number: int) -> None:
        with turns:
            seen.append(number)
            gates[number].wait()

    tasks = [gevent.spawn(work, number) for number in range(6)]
    gevent.idle()
    assert seen == [0, 1]
    gates[1].set()
    gevent.idle()
    assert seen == [0, 1, 2]
    tasks[3].kill()  # who gives up keeps no place
    for gate in gates:
        gate.set()
    gevent.joinall(tasks, timeout=5)
    assert seen == [0, 1, 2, 4, 5]


def test_nobody_overtakes() -> None:
    turns, seen = Turns(1), []

    def work(number: int) -> None:
        with turns:
            seen.append(number)

    with turns:
        first = gevent.spawn(work, 1)
        gevent.idle()
    work(2)  # the turn is free, but not for the newcomer
    first.get(timeout=5)
    assert seen == [1, 2]
