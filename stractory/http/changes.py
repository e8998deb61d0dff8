"""What has become of actors since somebody was told last, gathered. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from stractory.http.rows import short_row
from stractory.registry.observer import Observer
from stractory.registry.records import Actor

KEPT = 2000
"""Most actors that are kept apart until they are told of; beyond, only how many changes there were."""

LISTED = 200
"""Most actors that are told of by name."""


class News(NamedTuple):
    """``born``: who came, moved or has another state; ``births``: how many, about if not all are listed."""

    born: list[list[Any]]
    births: int
    died: list[list[Any]]
    deaths: int

    @property
    def is_whole(self) -> bool:
        """Whether all are listed."""
        return len(self.born) == self.births and len(self.died) == self.deaths


class Changes(Observer):
    """Since it was made, or taken from. Of an actor that changed several times the last counts.

    Who died stays among those born: the epoch tells whether a death is that of the life that is there.
    """

    def __init__(self) -> None:
        self._changed: dict[str, Actor] = {}
        self._more = 0
        self._died: list[list[Any]] = []
        self._deaths = 0

    def changed(self, actor: Actor) -> None:
        if len(self._changed) < KEPT or actor.name in self._changed:
            self._changed[actor.name] = actor
        else:
            self._more += 1

    def freed(self, actor: Actor, reason: str) -> None:
        self._deaths += 1
        if len(self._died) < LISTED:
            self._died.append([actor.name, actor.epoch, reason])

    def take(self) -> News:
        """What there was; from now on there is none."""
        changed = [*self._changed.values()]
        news = News(
            [short_row(actor) for actor in changed[:LISTED]],
            len(changed) + self._more,
            self._died,
            self._deaths,
        )
        self._changed, self._more, self._died, self._deaths = {}, 0, [], 0
        return news
