"""How busy workers are, followed while somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import gevent

from stractory.registry.survey import Survey
from stractory.wire.facts import Load

STEP = 1.0
"""Seconds between looks."""

BUSY = 256
"""Most actors that are told of as busy."""

Rate = list[Any]
"""Of an actor: its name, its epoch, and its calls a second."""


class Loads:
    """``latest``: what each worker told last, by its address; ``busy``: the busiest actors first."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._following: Any = None
        self._forget()

    def _forget(self) -> None:
        self.latest: Mapping[str, Load] = {}
        self.busy: list[Rate] = []
        self._seen = 0.0

    def begin(self) -> None:
        """Look, from now on."""
        self._following = gevent.spawn(self._follow)

    def end(self) -> None:
        """Look no more, and forget it all."""
        if self._following is not None:
            self._following.kill(block=False)
        self._forget()

    def _follow(self) -> None:
        while True:
            self.seen(self._survey.look(), monotonic())
            gevent.sleep(STEP)

    def seen(self, latest: Mapping[str, Load], now: float) -> None:
        """This is so now, at a time in seconds. It may be what was seen before, if others look too."""
        known = self.latest
        if latest.keys() == known.keys() and all(load is known[address] for address, load in latest.items()):
            return
        rates = [rate for address, load in latest.items() for rate in self._rates(address, load, now)]
        rates.sort(key=lambda rate: -rate[2])
        self.latest, self.busy, self._seen = latest, rates[:BUSY], now

    def _rates(self, address: str, load: Load, now: float) -> list[Rate]:
        """Of those whose calls were told of in two looks."""
        before = self.latest.get(address)
        if before is None:
            return []
        known = {(name, epoch): calls for name, epoch, calls in before.busiest}
        passed = now - self._seen
        return [
            [name, epoch, round((calls - known[name, epoch]) / passed, 1)]
            for name, epoch, calls in load.busiest
            if calls > known.get((name, epoch), calls)
        ]
