"""Who harms a factory: one thing after another goes wrong, and each time it has to recover."""

from __future__ import annotations

import threading
import time
from abc import ABC
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

from tests.support.cluster import until
from tests.support.faults import standing_still
from tests.support.ordeal.site import LEASE, Site

RECOVERY = 20.0
"""Seconds in which all workers have to be back after a fault."""

_Site = TypeVar("_Site", bound=Site)


class Harms(ABC, Generic[_Site]):
    """What may go wrong at a site: a method each, which returns when nothing harms it any more."""

    def __init__(self, site: _Site, random: Random) -> None:
        self._site = site
        self._random = random

    def _pass(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))

    def _worker(self) -> int:
        return self._random.choice(until(lambda: [*{*self._site.worker_pids()} - self._site.spared]))

    def kill(self) -> None:
        self._site.kill(self._worker())
        self._pass(0, 0.5)

    def stop_for_a_moment(self) -> None:
        with standing_still(self._worker()):
            self._pass(0, LEASE / 4)

    def stop_for_long(self) -> None:
        with standing_still(self._worker()):
            self._pass(LEASE, 2 * LEASE)


class Nemesis(threading.Thread):
    """Does one of the ``chosen`` harms after another, in a thread of its own.

    ``error`` is what went wrong.
    """

    def __init__(
        self, site: Site, harms: Harms[_Site], chosen: Sequence[str], random: Random, seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.done: Counter[str] = Counter()
        self._site = site
        self._do = harms
        self._chosen = chosen
        self._random = random
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        try:
            until(self._site.is_whole, RECOVERY)
            while time.monotonic() < self._end:
                harm = self._random.choice(self._chosen)
                self.done[harm] += 1
                getattr(self._do, harm)()
                until(self._site.is_whole, RECOVERY)
                time.sleep(self._random.uniform(0, 0.3))
        except BaseException as error:
            self.error = error
