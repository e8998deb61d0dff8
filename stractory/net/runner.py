"""Work done in the order in which it came, in as few green threads as it takes.

One green thread does piece after piece, for a new one costs more than most pieces do. Only when a piece waits
does another take over the rest, so that what waits holds nothing up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from gevent.hub import Waiter

T = TypeVar("T")

IN_A_ROW = 200
"""Pieces done before others in the process get a turn."""


PARKING = 0.05
"""Seconds for which a green thread waits for more pieces before it ends."""


class Runner(Generic[T]):
    """``work`` is called with each piece; ``spawn`` starts green threads, as gevent.spawn does.

    ``in_turn``: each piece waits until the one before it is done. At rest it holds no green thread,
    from a moment after the last piece on.
    """

    __slots__ = ("_current", "_in_turn", "_loop", "_parked", "_pieces", "_spawn", "_work")

    def __init__(
        self, work: Callable[[T], None], spawn: Callable[..., Any] = gevent.spawn, *, in_turn: bool = False
    ) -> None:
        self._work = work
        self._spawn = spawn
        self._in_turn = in_turn
        self._pieces: deque[T] = deque()
        self._parked: Any = None  # by which the current one waits for more pieces
        self._current: Any = None  # the green thread that takes the next piece
        self._loop = gevent.get_hub().loop

    def add(self, piece: T) -> None:
        """Have ``piece`` done after those before it."""
        self._pieces.append(piece)
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self._loop.run_callback(parked.switch, True)
        elif self._current is None:
            self._current = self._spawn(self._run)

    def _run(self) -> None:
        me = gevent.getcurrent()
        try:
            while self._work_on(me) and self._park():
                pass
        finally:
            self._overtake(me)

    def _work_on(self, me: Any) -> bool:
        """Do pieces; whether none is left, and no other green thread has taken over."""
        # The loop comes to this only if a piece waits: then it is still armed.
        overtaking = None if self._in_turn else self._loop.run_callback(self._overtake, me)
        try:
            for _ in range(IN_A_ROW):
                if self._current is not me or not self._pieces:
                    break
                self._work(self._pieces.popleft())
        finally:
            if overtaking is not None:
                overtaking.stop()
        return self._current is me and not self._pieces

    def _park(self) -> bool:
        """Wait a moment for more pieces, as one call often follows another; whether they came."""
        waiter = self._parked = Waiter()
        timer = self._loop.timer(PARKING)
        timer.start(waiter.switch, False)
        try:
            came: bool = waiter.get()
            return came
        finally:
            timer.close()
            if self._parked is waiter:
                self._parked = None

    def _overtake(self, current: Any) -> None:
        if self._current is current:
            self._current = self._spawn(self._run) if self._pieces else None
