"""What this process counts, for whoever asks how it does: plain numbers, grown where things happen anyway.

They only grow, but for ``callbacks``. Who shows them is :mod:`stractory.http`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from time import monotonic, time
from typing import Any, TypeVar

from stractory.wire.failures import in_a_line

T = TypeVar("T")

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, by which durations are told apart."""


class Durations:
    """How long things took. ``counts``: how many up to each of BOUNDS, then beyond; ``total``: in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


NO_ERROR = "", 0.0


class Tally:
    """What came to one actor, calls or events, and what of that failed.

    ``seen``: how many there were when somebody last looked. ``last_error``: in a line, and when that was, in
    seconds since 1970. There is one for each of 100,000 actors: it is small.
    """

    __slots__ = ("calls", "errors", "last_error", "seen")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.seen = 0
        self.last_error = NO_ERROR

    def failed(self, error: BaseException) -> None:
        """One of them did."""
        self.errors += 1
        self.last_error = in_a_line(error), time()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``function`` returns or raises, counted here and for the process."""
        began = monotonic()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            counters.call_errors += 1
            self.failed(error)
            raise
        finally:
            self.calls += 1
            counters.calls.add(monotonic() - began)


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
        self.calls = Durations()  # of rpc actors
        self.call_errors = 0
        self.events = 0  # that came to emitters of actors
        self.event_errors = 0  # functions for them that raised
        self.received = 0  # bytes that came over links
        self.callbacks = 0  # functions of other processes that live here
        self.window_stalls = 0  # times at which a stream had to wait for its peer
        self.slow_consumers = 0  # peers that were given up because they took nothing
        self.refused_proofs = 0


counters = Counters()
