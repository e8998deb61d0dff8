"""How busy workers are, followed while somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gevent

from stractory.registry.survey import Survey
from stractory.wire.facts import Load
from stractory.wire.rates import Rates

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
        self._rates = Rates()

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
            self.seen(self._survey.look())
            gevent.sleep(STEP)

    def seen(self, latest: Mapping[str, Load]) -> None:
        """This is so now. It may be what was seen before, if others look too."""
        self.latest = latest
        self._rates.see(latest)
        self.busy = [[rate.name, rate.epoch, round(rate.calls, 1)] for rate in self._rates.busiest(BUSY)]
