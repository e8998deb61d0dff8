"""The registry's answers to programs: what there is, as JSON, at paths under /api."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import gevent

from stractory.errors import InvalidName, ProtocolError
from stractory.http.answers import UNKNOWN, Answer, problem, value
from stractory.http.request import Request
from stractory.http.rows import Row, actor_row, kinds, total, worker_rows
from stractory.registry.directory import Directory
from stractory.registry.names import matcher
from stractory.registry.records import Actor
from stractory.registry.survey import Survey

SLICE = 2000
"""Actors that are looked at before others have their turn."""

LENGTH, MOST = 100, 1000
"""Actors in an answer: unless ``limit`` says otherwise, and at most."""

PARAMETERS = frozenset({"match", "worker", "kind", "limit", "after"})
"""Of /api/actors."""

About = Callable[[], Row]
"""What is told of a registry besides its workers and actors."""


class Api:
    """Of one registry. ``survey`` asks its workers."""

    names = "/api/cluster, /api/workers, /api/workers/ADDRESS, /api/actors and /api/actors/NAME"

    def __init__(self, directory: Directory, survey: Survey, about: About) -> None:
        self._directory = directory
        self._survey = survey
        self._about = about

    def answer(self, request: Request) -> Answer | None:
        """As a part of pages. Raises ProtocolError."""
        match request.path.split("/", 3)[1:]:
            case ["api", "cluster"]:
                return value(self._cluster())
            case ["api", "workers"]:
                return value({"workers": [*self._workers().values()]})
            case ["api", "workers", address]:
                if worker := self._workers().get(address):
                    return value(worker)
                return problem(request, UNKNOWN, f"no worker has the address {address!r}")
            case ["api", "actors"]:
                return value(self._actors(request.parameters))
            case ["api", "actors", name]:
                if actor := self._directory.find(name):
                    return value(self._with_facts(actor))
                return problem(request, UNKNOWN, f"no actor is named {name!r}")
        return None

    def _cluster(self) -> Row:
        return {
            **self._about(),
            "actors": total(self._directory),
            "kinds": kinds(self._directory),
            "workers": len(worker_rows(self._directory, {})),
        }

    def _workers(self) -> dict[str, Row]:
        return worker_rows(self._directory, self._survey.look())

    def _with_facts(self, actor: Actor) -> Row:
        facts = self._survey.facts(actor.name)
        return {**actor_row(actor), "facts": None if facts is None else facts._asdict()}

    def _actors(self, asked: Mapping[str, str]) -> Row:
        """A page of them, by name, after the one that is named."""
        for name in asked.keys() - PARAMETERS:
            raise ProtocolError(f"there is no parameter {name!r}; there are {', '.join(sorted(PARAMETERS))}")
        limit, after = _limit(asked.get("limit", str(LENGTH))), asked.get("after", "")
        found = 0
        page: list[str] = []
        for some in self._matching(asked):
            found += len(some)
            page = sorted([*page, *(name for name in some if name > after)])[: limit + 1]
        actors = [actor for name in page[:limit] if (actor := self._directory.find(name))]
        return {"actors": [*map(actor_row, actors)], "total": found, "more": len(page) > limit}

    def _matching(self, asked: Mapping[str, str]) -> Iterable[list[str]]:
        """The names of those that are asked for, a slice at a time."""
        matches, worker, kind = _matcher(asked.get("match", "*")), asked.get("worker"), asked.get("kind")
        actors = [*self._directory.actors()]
        for start in range(0, len(actors), SLICE):
            yield [
                actor.name
                for actor in actors[start : start + SLICE]
                if (worker is None or actor.worker.address == worker)
                and (kind is None or actor.life.kind == kind)
                and matches(actor.name)
            ]
            gevent.sleep(0)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MOST):
        raise ProtocolError(f"limit is a number from 1 to {MOST}")
    return int(text)


def _matcher(pattern: str) -> Callable[[str], object]:
    """Of names: shell-style, or what they have in them where there is no wildcard."""
    if not any(wildcard in pattern for wildcard in "*?["):
        return lambda name: pattern in name
    try:
        return matcher(pattern)
    except InvalidName as error:
        raise ProtocolError(str(error)) from None
