"""Who is told of what happens in the directory."""

from __future__ import annotations

from stractory.registry.records import Actor
from stractory.wire.life import Life


class Observer:
    """Told at once of what it has a method for; it must not wait."""

    def adopted(self, actor: Actor) -> None:
        """A worker has reported this one, and it has its name."""

    def began(self, actor: Actor) -> None:
        """It runs, for all that was known not before."""

    def set_aside(self, waiting: Actor) -> None:
        """Its life is over, and it waits for the next."""

    def let_go(self, actor: Actor) -> None:
        """It does not come back any more."""

    def gone(self, life: Life) -> None:
        """What was given up while it could not be told to end is over for certain."""

    def freed(self, actor: Actor, reason: str) -> None:
        """It is over, for a reason of wire/changes, and nobody has its name."""
