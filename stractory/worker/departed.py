"""Actors that are gone of their own accord, for as long as a registry may not have heard of it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from stractory.net.address import Address
from stractory.wire.life import Life


@dataclass(slots=True)
class _End:
    """``since``: when that was. ``heard``: by which registries."""

    status: int
    since: float
    heard: set[Address] = field(default_factory=set)


class Departed:
    """The lives, and how each ended."""

    def __init__(self) -> None:
        self._ends: dict[Life, _End] = {}

    def __contains__(self, life: Life) -> bool:
        return life in self._ends

    def add(self, life: Life, status: int, now: float) -> None:
        """It is gone, and no registry knows."""
        self._ends[life] = _End(status, now)

    def unheard(self, registry: Address) -> list[tuple[Life, int]]:
        """What this registry has not heard of, and the statuses."""
        return [(life, end.status) for life, end in self._ends.items() if registry not in end.heard]

    def heard(self, life: Life, registry: Address) -> None:
        """This registry knows by now."""
        if end := self._ends.get(life):
            end.heard.add(registry)

    def forget(self, registries: Collection[Address], linked: Collection[Address], before: float) -> None:
        """What all the ``registries`` have heard; of what was ``before``, what one and all ``linked`` have.

        One that is away for so long learns of it as it does of all that it missed.
        """
        for life, end in list(self._ends.items()):
            expected = linked if end.since < before else registries
            if end.heard and end.heard.issuperset(expected):
                del self._ends[life]
