"""The cluster as a page draws it: the whole state, and what is different from the last look. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stractory.http.changes import Changes
from stractory.http.loads import Loads, Rate
from stractory.http.rows import Row, short_row, total, worker_rows
from stractory.registry.directory import Directory

LIMIT = 2000
"""Most actors of which each is told of; when there are more only their numbers are, by worker and kind."""


class Step(NamedTuple):
    """``tick``: what is new. ``changed``: whether anything is. ``afresh``: that does not tell all of it."""

    tick: Row
    changed: bool
    afresh: bool


class Picture:
    """Of ``directory``. ``about``: what else is told of the registry; ``registries``: where all are."""

    def __init__(
        self, directory: Directory, loads: Loads, about: Row, registries: Callable[[], list[str]] = list
    ) -> None:
        self._directory = directory
        self._loads = loads
        self._about = about
        self._ask_registries = registries
        self._registries: list[str] = []
        self._changes = Changes()
        self._workers: dict[str, Row] = {}
        self._busy: list[Rate] = []
        self._named = True

    def begin(self) -> None:
        """From now on changes are gathered."""
        self._changes = Changes()
        self._directory.observers.append(self._changes)
        self._workers = worker_rows(self._directory, self._loads.latest)
        self._named = total(self._directory) <= LIMIT
        self._registries = self._ask_registries()

    def end(self) -> None:
        """From now on they are not, and nothing is kept."""
        self._directory.observers.remove(self._changes)
        self._changes, self._workers, self._busy = Changes(), {}, []

    def state(self, now: float) -> Row:
        """All there is, but for workers as they were at the last step: the next tells what became of them."""
        actors = total(self._directory)
        named = [short_row(actor) for actor in self._directory.actors()] if actors <= LIMIT else None
        return {
            "now": now,
            **self._about,
            "registries": self._registries,
            "actors": actors,
            "limit": LIMIT,
            "workers": [*self._workers.values()],
            "names": named,
        }

    def step(self, now: float) -> Step:
        """What is different from the last step, or from the beginning."""
        before, busy, named, registries = self._workers, self._busy, self._named, self._registries
        actors, news = total(self._directory), self._changes.take()
        self._workers = worker_rows(self._directory, self._loads.latest)
        self._busy, self._named = self._loads.busy, actors <= LIMIT
        self._registries = self._ask_registries()
        workers = [row for address, row in self._workers.items() if before.get(address) != row]
        gone = [address for address in before if address not in self._workers]
        tick = {"now": now, "actors": actors, "workers": workers, "gone": gone, **news._asdict()}
        tick |= {"busy": self._busy, "registries": self._registries}
        others = self._busy != busy or self._registries != registries
        changed = bool(workers or gone or news.births or news.deaths or others)
        return Step(tick, changed, named != self._named or (self._named and not news.is_whole))
