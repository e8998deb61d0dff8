"""Who is told of what happens in the directory."""

from __future__ import annotations

from stractory.registry.records import Actor
from stractory.wire.life import Life


class Observer:
    """Told at once of what it has a method for; it must not wait."""

    def changed(self, actor: Actor) -> None:
        """It has its name from now on, or another state or worker. What else is told comes after this."""

    def adopted(self, actor: Actor) -> None:
        """A worker has reported this one, and it has its name."""

    def began(self, actor: Actor) -> None:
        """It runs, for all that was known not before."""

    def set_aside(self, waiting: Actor) -> None:
        """Its life is over, and it waits for the next."""

    def let_go(self, actor: Actor) -> None:
        """It does not come back any more."""

    def overtaken(self, actor: Actor) -> None:
        """Another registry has freed its name, or given it to a later life; its worker may have it yet."""

    def gone(self, life: Life) -> None:
        """What was given up while it could not be told to end is over for certain."""

    def freed(self, actor: Actor, reason: str) -> None:
        """It is over, for a reason of wire/changes, and nobody has its name."""


class Observers(Observer):
    """Any number of them, told one after another."""

    def __init__(self) -> None:
        self._all: list[Observer] = []

    def append(self, observer: Observer) -> None:
        """It is told of what happens from now on."""
        self._all.append(observer)

    def remove(self, observer: Observer) -> None:
        """And of no more."""
        self._all.remove(observer)

    def changed(self, actor: Actor) -> None:
        for observer in self._all:
            observer.changed(actor)

    def adopted(self, actor: Actor) -> None:
        for observer in self._all:
            observer.adopted(actor)

    def began(self, actor: Actor) -> None:
        for observer in self._all:
            observer.began(actor)

    def set_aside(self, waiting: Actor) -> None:
        for observer in self._all:
            observer.set_aside(waiting)

    def let_go(self, actor: Actor) -> None:
        for observer in self._all:
            observer.let_go(actor)

    def overtaken(self, actor: Actor) -> None:
        for observer in self._all:
            observer.overtaken(actor)

    def gone(self, life: Life) -> None:
        for observer in self._all:
            observer.gone(life)

    def freed(self, actor: Actor, reason: str) -> None:
        for observer in self._all:
            observer.freed(actor, reason)
