"""Definitions that are not started for a while, because their actors ended one worker after another. Pure.

A definition is known here by the first six bytes of its digest: that is what the stack of a worker tells that
could not be asked any more.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from stractory.errors import ActorQuarantined
from stractory.wire.life import Terms
from stractory.wire.shipping import Definition

DEATHS = 3
"""So many workers that one definition has ended,"""

WITHIN = 300.0
"""in so many seconds, keep it from being started"""

LENGTH = 600.0
"""for so many."""

MARK = 6
"""Bytes of a digest."""

KEPT = 1024
"""Most definitions whose deaths are counted at a time."""


class Quarantine:
    """``until``: what holds already, seconds since 1970; what ``keep(mark, until)`` is given holds later."""

    def __init__(self, until: Mapping[bytes, float], keep: Callable[[bytes, float], object]) -> None:
        self._until = dict(until)
        self._keep = keep
        self._deaths: defaultdict[bytes, deque[float]] = defaultdict(lambda: deque(maxlen=DEATHS))

    def blame(self, mark: bytes, wall: float) -> bool:
        """An actor of this definition has ended its worker. Whether that was once too often."""
        for old in [old for old, deaths in self._deaths.items() if wall - deaths[-1] > WITHIN]:
            del self._deaths[old]  # they do not count any more, and are not to gather
        if len(self._deaths) >= KEPT and mark not in self._deaths:
            del self._deaths[next(iter(self._deaths))]
        deaths = self._deaths[mark]
        deaths.append(wall)
        if len(deaths) < DEATHS or wall - deaths[0] > WITHIN:
            return False
        del self._deaths[mark]
        self._until[mark] = wall + LENGTH
        self._keep(mark, wall + LENGTH)
        return True

    def hear(self, mark: bytes, until: float) -> None:
        """Another registry keeps it from being started until then; with 0 it has lifted that."""
        if until:
            self._until[mark] = until
        else:
            self._until.pop(mark, None)

    def hear_all(self, until: Mapping[bytes, float]) -> None:
        """What all registries keep from being started."""
        self._until = dict(until)

    def left(self, definition: Definition, terms: Terms, wall: float) -> float:
        """Seconds for which it is not started.

        0 for an actor with a process of its own, which ends nobody else's worker.
        """
        if terms.isolate:
            return 0.0
        mark = definition.digest[:MARK]
        left = min(self._until.get(mark, wall) - wall, LENGTH)  # whatever became of the clock
        if left > 0:
            return left
        if self._until.pop(mark, None):
            self._keep(mark, 0)
        return 0.0

    def check(self, name: str, definition: Definition, terms: Terms, wall: float) -> None:
        """Raises ActorQuarantined."""
        if left := self.left(definition, terms, wall):
            raise ActorQuarantined(
                f"{name!r} is not started: actors of its {definition.kind} definition "
                f"{definition.digest[:MARK].hex()} have ended {DEATHS} workers by code that never gave way; "
                f"their logs tell where. It is started again in {left:.0f} s, changed code at once"
            )
