"""The numbers of lives: each of a name is above all before it. Pure."""

from __future__ import annotations


class Epochs:
    """Microseconds since 1970 as a rule, so that they grow even when all memory of the last one is lost."""

    def __init__(self) -> None:
        self.last = 0

    def next(self, wall: float) -> int:
        """For the next life, at so many seconds since 1970."""
        self.last = max(self.last + 1, int(wall * 1_000_000))
        return self.last

    def given(self, epoch: int) -> None:
        """Somebody else has given this one: none from now on is as low."""
        self.last = max(self.last, epoch)

    def reported(self, epoch: int) -> None:
        """A worker has a life with this one."""
        self.given(epoch)


class Drafts(Epochs):
    """What stands for a number until a store that numbers lives itself has kept the life.

    It is above all that the store has given as far as is known, and below all that it will give.
    """

    def next(self, wall: float) -> int:
        return self.last + 1

    def reported(self, epoch: int) -> None:
        """The store knows better."""
