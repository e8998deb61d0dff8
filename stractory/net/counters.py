"""What this process counts, for whoever asks how it does: plain numbers, grown where things happen anyway.

They only grow, but for ``callbacks``. Who shows them is :mod:`stractory.http`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, by which durations are told apart."""


class Durations:
    """How long things took. ``counts``: how many up to each of BOUNDS, then beyond; ``total``: in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Tally:
    """Calls: how long they took, and how many failed."""

    __slots__ = ("durations", "errors")

    def __init__(self) -> None:
        self.durations = Durations()
        self.errors = 0

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``function`` returns or raises, counted."""
        began = monotonic()
        try:
            return function(*args, **kwargs)
        except BaseException:
            self.errors += 1
            raise
        finally:
            self.durations.add(monotonic() - began)


OK = "ok"


class Outcomes(Counter[str]):
    """How often something went well, OK, or raised, by the name of the error."""

    def __init__(self) -> None:
        super().__init__({OK: 0})

    def counted(self, function: Callable[..., T]) -> Callable[..., T]:
        """``function``, each call of which counts."""

        def call(*args: Any) -> T:
            try:
                value = function(*args)
            except BaseException as error:
                self[type(error).__name__] += 1
                raise
            self[OK] += 1
            return value

        return call


class Counters:
    """All there are."""

    def __init__(self) -> None:
        self.creates = Outcomes()
        self.destroys = Outcomes()
        self.restarts = 0  # lives that were made again
        self.calls = Tally()  # of rpc actors
        self.events = 0  # that came to emitters
        self.event_errors = 0  # functions for them that raised
        self.callbacks = 0  # functions of other processes that live here
        self.window_stalls = 0  # times at which a stream had to wait for its peer
        self.slow_consumers = 0  # peers that were given up because they took nothing
        self.refused_proofs = 0


counters = Counters()
