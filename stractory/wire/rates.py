"""What two looks at workers tell: how busy each is, and which actors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nsmallest
from typing import NamedTuple

from stractory.wire.facts import Load

SOONEST = 0.001
"""Seconds between two looks, at least, of which rates can be made."""


class ActorRate(NamedTuple):
    """How often one actor is called a second, and where it is."""

    calls: float
    name: str
    epoch: int
    worker: str


class WorkerRates(NamedTuple):
    """Of one worker, so much a second. ``cpu``: seconds of its processor time, 1.0 is one core.

    ``busiest``: those of its actors of which two looks told.
    """

    cpu: float
    calls: float
    errors: float
    busiest: tuple[ActorRate, ...]


class Rates:
    """Of the time between the last two looks at each worker; ``see()`` each."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Load, WorkerRates | None]] = {}

    def see(self, loads: Mapping[str, Load]) -> None:
        """How the workers do, by their addresses. What was seen before tells nothing new."""
        self._seen = {address: self._next(address, load) for address, load in loads.items()}

    def worker(self, address: str) -> WorkerRates | None:
        """None where they are not known, or not yet."""
        _, rates = self._seen.get(address, (None, None))
        return rates

    def busiest(self, most: int) -> list[ActorRate]:
        """The actors that were called most, on all workers, the busiest first."""
        found = (rate for _, rates in self._seen.values() if rates is not None for rate in rates.busiest)
        return nsmallest(most, found, key=lambda rate: (-rate.calls, rate.name))

    def _next(self, address: str, load: Load) -> tuple[Load, WorkerRates | None]:
        before, rates = self._seen.get(address, (None, None))
        if before is None:
            return load, None
        if load.at == before.at:  # it was not asked again
            return before, rates
        return load, between(before, load, address)


def between(before: Load, load: Load, address: str) -> WorkerRates | None:
    """Of the worker there, by two looks. None where they are not of one process, in this order."""
    seconds = load.at - before.at
    if seconds < SOONEST or load.calls < before.calls or load.cpu < before.cpu:
        return None
    known = {(row.name, row.epoch): row.calls for row in before.busiest}
    busiest = tuple(
        ActorRate((row.calls - known[row.name, row.epoch]) / seconds, row.name, row.epoch, address)
        for row in load.busiest
        if row.calls > known.get((row.name, row.epoch), row.calls)
    )
    return WorkerRates(
        (load.cpu - before.cpu) / seconds,
        (load.calls - before.calls) / seconds,
        (load.errors - before.errors) / seconds,
        busiest,
    )
