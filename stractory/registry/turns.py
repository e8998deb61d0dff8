"""What any of several registries may do about a name, and one is to: each leaves it to those before it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import gevent

from stractory.wire.life import Life

TURN = 2.0
"""Seconds in which a registry does what is its to do, and the next hears of it."""

STEP = 0.25
"""Seconds between looks at whose turn it is."""


class _Task(NamedTuple):
    epoch: int
    due: float
    do: Callable[[], object]


class Turns:
    """Tasks by the names that they are about. None of them may wait."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._looking: gevent.Greenlet[[], None] | None = None

    def leave(self, life: Life, turns: int, do: Callable[[], object]) -> None:
        """Do this about a life unless another registry has, when so many had their turn; with 0 at once."""
        if not turns:
            do()
            return
        self._tasks[life.name] = _Task(life.epoch, time.monotonic() + turns * TURN, do)
        if self._looking is None:
            self._looking = gevent.spawn(self._look)

    def done(self, name: str, epoch: int) -> None:
        """Another has done what there was to do about lives up to this epoch."""
        if (task := self._tasks.get(name)) and task.epoch <= epoch:
            del self._tasks[name]

    def hurry(self, name: str) -> None:
        """What there is to do about this name is to be done before something else."""
        if task := self._tasks.pop(name, None):
            task.do()

    def close(self) -> None:
        """Do all that is left."""
        for name in list(self._tasks):
            self.hurry(name)
        if self._looking is not None:
            self._looking.kill()

    def _look(self) -> None:
        while self._tasks:
            gevent.sleep(STEP)
            now = time.monotonic()
            for name in [name for name, task in self._tasks.items() if task.due <= now]:
                self.hurry(name)
        self._looking = None
