"""How late the loop is, for as long as somebody wants to know."""

from __future__ import annotations

from time import monotonic

import gevent

STEP = 0.25
"""Seconds between looks."""

TURNS = 20
"""Looks after which nobody wants to know any more. No time: that could pass while the loop stands still."""


class Lateness:
    """``worst()`` begins it; it ends by itself when that is not asked for any more."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._due = 0.0  # when it looks next
        self._left = 0  # looks until it ends

    def worst(self) -> float:
        """By how many seconds the loop was late, at worst, since this was asked last."""
        now = monotonic()
        if not self._left:
            self._due = now + STEP
            gevent.spawn(self._look)
        self._left = TURNS
        worst, self._worst = max(self._worst, now - self._due), 0.0
        self._due = max(self._due, now)  # what is told of now is not told of again
        return worst

    def _look(self) -> None:
        while self._left:
            self._due = monotonic() + STEP
            gevent.sleep(STEP)
            self._worst = max(self._worst, monotonic() - self._due)
            self._left -= 1
        self._worst = 0.0
