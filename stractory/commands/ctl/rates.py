"""What two looks at the workers tell: how busy each is, and which actors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from stractory.wire.facts import Busy, Load


class _Seen(NamedTuple):
    """One worker, as it was seen last. ``cpu``, ``calls``, ``errors`` and ``busy``: so much a second."""

    load: Load
    at: float
    cpu: float | None = None
    calls: float | None = None
    errors: float | None = None
    busy: tuple[tuple[float, Busy], ...] = ()


class Rates:
    """``see()`` each look; this tells of the time between the last two. None is what is not known yet."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def see(self, loads: Mapping[str, Load], now: float) -> None:
        """How the workers do, at a time in seconds."""
        self._seen = {address: self._next(address, load, now) for address, load in loads.items()}

    def worker(self, address: str) -> dict[str, Any]:
        """Its row. ``cpu`` in percent of one core; ``calls`` and ``errors`` a second."""
        seen = self._seen.get(address)
        if seen is None:
            return dict.fromkeys(("cpu", "memory", "calls", "errors", "links", "lag"))
        return {
            "cpu": None if seen.cpu is None else 100 * seen.cpu,
            "memory": seen.load.memory,
            "calls": seen.calls,
            "errors": seen.errors,
            "links": seen.load.links,
            "lag": seen.load.lag,
        }

    def busiest(self, most: int) -> list[dict[str, Any]]:
        """A row for each of the actors that were called most, the busiest first; ``calls`` a second."""
        found = [(rate, address, busy) for address, seen in self._seen.items() for rate, busy in seen.busy]
        found.sort(key=lambda one: (-one[0], one[2].name))
        return [
            {"name": busy.name, "worker": address, "epoch": busy.epoch, "calls": rate}
            for rate, address, busy in found[:most]
        ]

    def _next(self, address: str, load: Load, now: float) -> _Seen:
        before = self._seen.get(address)
        if before is None or load.calls < before.load.calls or load.cpu < before.load.cpu:  # another process
            return _Seen(load, now)
        if load == before.load:  # it was not asked again
            return before
        passed = now - before.at
        known = {(row.name, row.epoch): row.calls for row in before.load.busiest}
        busy = [
            ((row.calls - known[row.name, row.epoch]) / passed, row)
            for row in load.busiest
            if row.calls > known.get((row.name, row.epoch), row.calls)
        ]
        return _Seen(
            load,
            now,
            (load.cpu - before.load.cpu) / passed,
            (load.calls - before.load.calls) / passed,
            (load.errors - before.load.errors) / passed,
            tuple(busy),
        )
