from __future__ import annotations

import gevent
from gevent.event import Event

from stractory.net.runner import IN_A_ROW, Runner


class Spawner:
    """Remembers the green threads."""

    def __init__(self) -> None:
        self.tasks: list[gevent.Greenlet] = []

    @property
    def spawned(self) -> int:
        return len(self.tasks)

    def __call__(self, function, *args):
        self.tasks.append(gevent.spawn(function, *args))
        return self.tasks[-1]


def test_pieces_that_do_not_wait_share_a_green_thread() -> None:
    seen: list[int] = []
    spawn = Spawner()
    runner = Runner(seen.append, spawn)
    for number in range(IN_A_ROW):
        runner.add(number)
    gevent.idle()
    assert seen == list(range(IN_A_ROW))
    assert spawn.spawned == 1
    runner.add(-1)
    gevent.idle()
    assert seen[-1] == -1 and spawn.spawned == 1  # it was still there


def test_at_rest_it_holds_no_green_thread(monkeypatch) -> None:
    monkeypatch.setattr("stractory.net.runner.PARKING", 0.0)
    seen: list[int] = []
    spawn = Spawner()
    runner = Runner(seen.append, spawn)
    for number in range(3):
        runner.add(number)
        spawn.tasks[-1].join(timeout=5)
    assert seen == [0, 1, 2] and spawn.spawned == 3 and all(task.dead for task in spawn.tasks)


def test_one_that_is_killed_while_it_waits_for_more() -> None:
    seen: list[int] = []
    spawn = Spawner()
    runner = Runner(seen.append, spawn)
    runner.add(1)
    gevent.idle()
    runner.add(2)
    spawn.tasks[0].kill()  # what was added meanwhile is not lost
    gevent.idle()
    runner.add(3)
    gevent.idle()
    assert seen == [1, 2, 3]


def test_others_get_their_turn() -> None:
    seen: list[object] = []
    runner = Runner(seen.append)
    for number in range(5 * IN_A_ROW):
        runner.add(number)
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

    runner = Runner(work)
    for number in range(6):
        runner.add(number)
    gevent.idle()
    assert begun == [0, 1, 2, 3, 4, 5] and done == [0, 2, 4]
    gate.set()
    gevent.idle()
    assert sorted(done) == [0, 1, 2, 3, 4, 5]


def test_in_turn() -> None:
    gate, begun = Event(), []

    def work(number: int) -> None:
        begun.append(number)
        gate.wait()

    runner = Runner(work, in_turn=True)
    runner.add(1)
    runner.add(2)
    gevent.idle()
    assert begun == [1]
    gate.set()
    gevent.idle()
    assert begun == [1, 2]


def test_a_piece_that_is_killed_takes_no_other_along() -> None:
    begun: list[int] = []
    spawn = Spawner()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            Event().wait()

    for in_turn in (False, True):
        begun.clear()
        spawn.tasks.clear()
        runner = Runner(work, spawn, in_turn=in_turn)
        runner.add(1)
        runner.add(2)
        gevent.idle()
        spawn.tasks[0].kill()
        gevent.idle()
        assert begun == [1, 2]
        runner.add(3)
        gevent.idle()
        assert begun == [1, 2, 3]
