"""A directory with something in it, and what its workers would tell."""

from __future__ import annotations

from collections.abc import Mapping

from stractory.net.process import Process
from stractory.registry.directory import Directory
from stractory.registry.records import Actor, Making, State, Worker
from stractory.wire.facts import ActorFacts, Busy, Load
from stractory.wire.life import PLAIN, Report, Terms
from stractory.wire.shipping import Code, Definition
from tests.support.chance import chance

MAKING = Making(Definition("stream", Code.imported("module:init"), None, {}), {})
LASTING = Terms(restart="on-failure")


def a_load(*busiest: tuple[str, int, int], calls: int = 0, at: float = 1.0) -> Load:
    """Of a worker."""
    return Load(at, calls, 0, 1, 2, 0.5, 1000, 0.001, 0, [Busy(*row) for row in busiest])


class FakeSurvey:
    """Tells what it is told to."""

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.known: dict[str, ActorFacts] = {}
        self.looks = 0

    def look(self) -> Mapping[str, Load]:
        self.looks += 1
        return dict(self.loads)

    def facts(self, name: str) -> ActorFacts | None:
        return self.known.get(name)


class Model:
    """A directory, and whatever may happen in it."""

    def __init__(self) -> None:
        self.directory = Directory(random=chance())
        self.survey = FakeSurvey()

    def worker(self, number: int, *reports: Report, parent: bytes = b"") -> Worker:
        """It registers."""
        return self.directory.register(
            b"%d" % number,
            address=f"127.0.0.1:{number}",
            process=Process("elsewhere", number, 0),
            runtime="any",
            reports=reports,
            now=0.0,
            parent=parent,
        ).worker

    def reserve(self, name: str, kind: str = "stream", terms: Terms = PLAIN) -> Actor:
        """It is being created."""
        making = MAKING if terms.comes_back else None
        return self.directory.reserve(
            name,
            kind=kind,
            runtime=None,
            create_id=b"",
            wall=1.0,
            terms=terms,
            making=making,
            creator="alice at 127.0.0.1",
        )

    def create(self, name: str, kind: str = "stream", terms: Terms = PLAIN) -> Actor:
        """It runs."""
        actor = self.reserve(name, kind, terms)
        assert self.directory.confirm(actor, 0.0) and actor.state is State.RUNNING
        return actor

    def end(self, name: str) -> None:
        """It was there."""
        actor = self.directory.find(name)
        assert actor is not None
        self.directory.begin_end(actor)
        self.directory.ended(actor)
