"""How late the loop is, for as long as somebody wants to know."""

from __future__ import annotations

from time import monotonic

import gevent

STEP = 0.25
"""Seconds between looks."""

FORGOTTEN = 5.0
"""Seconds after which nobody wants to know any more."""


class Lateness:
    """``worst()`` begins it; it ends by itself when that is not asked for any more."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._due = 0.0  # when it looks next; 0 while it does not
        self._asked = 0.0

    def worst(self) -> float:
        """By how many seconds the loop was late, at worst, since this was asked last."""
        now = self._asked = monotonic()
        if not self._due:
            self._due = now + STEP
            gevent.spawn(self._look)
        worst, self._worst = max(self._worst, now - self._due), 0.0
        return worst

    def _look(self) -> None:
        while monotonic() - self._asked < FORGOTTEN:
            self._due = monotonic() + STEP
            gevent.sleep(STEP)
            self._worst = max(self._worst, monotonic() - self._due)
        self._due = self._worst = 0.0
