"""What is left to other registries, and done all the same if they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest

from stractory.registry import turns
from stractory.registry.turns import Turns
from stractory.wire.life import Life
from tests.support.green import green_until


def life(name: str, epoch: int = 5) -> Life:
    return Life(name, "stream", epoch, 1.0, b"", False)


class Done(list[str]):
    """The names about which something was done."""

    def about(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)


@pytest.fixture
def done() -> Done:
    return Done()


@pytest.fixture
def tasks() -> Iterator[Turns]:
    tasks = Turns()
    yield tasks
    tasks.close()


def test_the_first_does_it_at_once(tasks: Turns, done: Done) -> None:
    tasks.leave(life("room"), 0, done.about("room"))
    assert done == ["room"]


def test_the_others_do_it_when_it_is_their_turn(
    tasks: Turns, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN", 0.01)
    tasks.leave(life("room"), 1, done.about("room"))
    tasks.leave(life("hall"), 2, done.about("hall"))
    assert done == []
    green_until(lambda: done == ["room", "hall"])
    tasks.leave(life("yard"), 1, done.about("yard"))
    green_until(lambda: done == ["room", "hall", "yard"])


def test_it_is_not_done_twice(tasks: Turns, done: Done) -> None:
    for name in ("room", "hall", "yard"):
        tasks.leave(life(name), 1, done.about(name))
    tasks.done("room", 5)
    tasks.done("hall", 4)  # a life before
    tasks.done("garden", 5)
    tasks.hurry("yard")
    tasks.hurry("yard")
    tasks.hurry("room")
    tasks.close()
    tasks.close()
    gevent.idle()
    assert done == ["yard", "hall"]
