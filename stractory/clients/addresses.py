"""Which of several registries is dialled next. Pure, but for the first: chance spreads clients over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from stractory.net.address import Address


class Addresses:
    """Of all registries of a cluster, in the order in which they take each other's place."""

    def __init__(self, addresses: Sequence[Address], random: Random | None = None) -> None:
        self.all = tuple(addresses)
        self._next = (random or Random()).randrange(len(self.all))  # noqa: S311  # no secret

    def __str__(self) -> str:
        return ", ".join(map(str, self.all))

    @property
    def next(self) -> Address:
        """The one that a round begins with."""
        return self.all[self._next]

    def round(self) -> Iterator[Address]:
        """Each of them, once.

        The next round begins behind the last that this one came to, whatever became of it: who answered is
        gone when somebody asks again, and who held up its caller for too long is not to do so twice.
        """
        for _ in self.all:
            address = self.next
            self._next = (self._next + 1) % len(self.all)
            yield address
