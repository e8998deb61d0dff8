"""Registries of one worker that do not know of each other: each gives names away for itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations

from stractory.net.address import Address

Pair = tuple[Address, Address]


class Strangers:
    """Those that stayed so: one that has just come is not known yet."""

    def __init__(self) -> None:
        self._since: dict[Pair, float] = {}
        self._found: set[Pair] = set()

    def find(self, told: Mapping[Address, Collection[Address]], now: float, patience: float) -> list[Pair]:
        """Pairs that have been strangers for longer than the patience, each once.

        ``told``: of which registries each tells. ``now``: seconds of any clock.
        """
        strangers = {
            (one, other)
            for one, other in combinations(sorted(told), 2)
            if one not in told[other] and other not in told[one]
        }
        self._since = {pair: self._since.get(pair, now) for pair in strangers}
        self._found &= strangers
        found = [pair for pair, since in self._since.items() if now - since > patience]
        fresh = sorted(set(found) - self._found)
        self._found.update(fresh)
        return fresh
