"""How late the event loop is."""

from __future__ import annotations

from time import monotonic

import gevent

from stractory.net.counters import Durations

STEP = 0.25
"""Seconds between looks."""


class LoopLag:
    """``durations``: of each look, how much later it came than it should."""

    def __init__(self) -> None:
        self.durations = Durations()
        gevent.spawn(self._look)

    def _look(self) -> None:
        while True:
            began = monotonic()
            gevent.sleep(STEP)
            self.durations.add(max(0.0, monotonic() - began - STEP))
