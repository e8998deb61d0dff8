"""When a worker that is cut off must stop serving what the registry may make again elsewhere.

A worker is taken for dead when a lease has passed since a registry last heard of it. What the worker knows
is when it sent the last sign of life that was acknowledged, which is earlier; at two thirds of a lease after
that it stops. So no two copies serve at once, however long this process or machine stood still.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent

log = logging.getLogger(__name__)

SHARE = 2 / 3
"""Of a lease: the rest is for a loop that is late, and clocks that do not run alike."""

STEPS = 20
"""Looks at the clock in that time."""


def boot_time() -> float:
    """Seconds by a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fence:
    """Calls ``suspend`` when too long nothing was acknowledged, until there was something to suspend.

    ``suspend`` tells whether there was, and must not wait. ``vouched``: when the last sign of life was sent
    that somebody else gave for this worker, and that was acknowledged.
    """

    def __init__(self, suspend: Callable[[], bool], vouched: Callable[[], float] = lambda: 0.0) -> None:
        self._suspend = suspend
        self._vouched = vouched
        self._limit = 0.0
        self._last = 0.0  # when the last sign of life was sent that was acknowledged
        self._timer: Any = None

    def hold(self, lease: float, sent: float) -> None:
        """Registered, for so long a lease, by what was sent then."""
        self._limit = lease * SHARE
        self.acknowledged(sent)
        if self._timer is None:
            loop: Any = gevent.get_hub().loop
            # Before whatever else has become due: after a standstill nothing that was queued may be served.
            self._timer = loop.timer(self._limit / STEPS, self._limit / STEPS, priority=loop.MAXPRI)
            self._timer.start(self.look)

    @property
    def silence(self) -> float:
        """Seconds since the last sign of life was sent that was acknowledged."""
        return boot_time() - self._last

    def acknowledged(self, sent: float) -> None:
        """A registry has heard the sign of life that was sent then."""
        self._last = max(self._last, sent)

    def look(self) -> None:
        """Suspend, if it is time. It does not wait, and may be called at any moment."""
        if self._timer is None or not self._is_over():
            return
        timer, self._timer = self._timer, None
        if not self._suspend():
            self._timer = timer
        else:
            timer.close()
            log.warning(
                "no registry acknowledged anything for %g s: actors that come back elsewhere are suspended",
                self._limit,
            )

    def _is_over(self) -> bool:
        now = boot_time()
        return now - self._last > self._limit and now - self._vouched() > self._limit
