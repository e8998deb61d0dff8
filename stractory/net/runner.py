"""Work done in the order in which it came, in as few green threads as it takes.

One green thread does piece after piece. Only when a piece waits does another take over the rest, so that what
waits holds nothing up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent

from stractory.net.threads import threads

T = TypeVar("T")

Within = Callable[[Callable[[], None]], None]
"""Calls the function it is given, in the same green thread, in its owner's name; not if that has ended."""


def anywhere(function: Callable[[], None]) -> None:
    """For what has no owner."""
    function()


IN_A_ROW = 200
"""Pieces done before others in the process get a turn."""


class Runner(Generic[T]):
    """``work`` is called with each piece, ``within`` around a number of them.

    ``in_turn``: each piece waits until the one before it is done.
    """

    __slots__ = ("_armed", "_busy", "_hub", "_in_turn", "_pieces", "_start", "_taken", "_within", "_work")

    def __init__(
        self,
        work: Callable[[T], None],
        within: Within = anywhere,
        *,
        in_turn: bool = False,
    ) -> None:
        self._work = work
        self._within = within
        self._in_turn = in_turn
        self._pieces: deque[T] | None = None  # made when there are some: it is large
        self._armed = False  # go() follows by itself
        self._busy = 0  # green threads that do pieces
        self._taken = False
        self._hub: Any = gevent.get_hub()
        self._start = threads().start

    def __len__(self) -> int:
        """How many pieces have not begun."""
        return len(self._pieces or ())

    def add(self, piece: T) -> None:
        """Have ``piece`` done after those before it, once go() is called."""
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(piece)

    def go(self) -> None:
        """Do what was added: from the hub at once, from anywhere else in the loop's next turn."""
        if gevent.getcurrent() is not self._hub:
            self._arm()
            return
        while self._pieces and not (self._armed or (self._in_turn and self._busy)):
            self._taken = False
            self._start(self._within, self._do_pieces)
            if not self._taken:  # whoever they are for has ended
                self._pieces = None

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._hub.loop.run_callback(self._go_on)

    def _go_on(self) -> None:
        self._armed = False
        self.go()

    def _do_pieces(self) -> None:
        self._taken = True
        self._busy += 1
        thread = gevent.getcurrent()
        try:
            for _ in range(IN_A_ROW):
                if self._pieces is None:
                    break
                piece = self._pieces.popleft()
                if not self._pieces:
                    self._pieces = None
                thread.gr_context = None  # what was set for one is not for the next
                self._work(piece)
        finally:
            self._busy -= 1
            if self._pieces:
                self._arm()
