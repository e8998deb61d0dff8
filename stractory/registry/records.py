"""What the registry remembers of an actor and of a worker. Pure: only the directory changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from stractory.wire.life import Life


class State(str, Enum):
    """Of an actor: all but LEAVING. Of a worker: RUNNING, LEAVING or LOST."""

    PENDING = "pending"
    RUNNING = "running"
    ENDING = "ending"
    LEAVING = "leaving"
    LOST = "lost"


UNSETTLED = frozenset({State.PENDING, State.ENDING})
"""Those of an actor that is not there yet or no more, and holds its name."""


@dataclass(slots=True, eq=False)
class Actor:
    """One life of a name, and where it is."""

    life: Life
    worker: Worker
    state: State = State.PENDING

    @property
    def name(self) -> str:
        return self.life.name

    @property
    def epoch(self) -> int:
        return self.life.epoch


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process. ``id`` is random, made anew by each process; an address is used again.

    ``condemned``: lives given up while it could not be told to end them; it may still report them.
    ``abandoned``: what it had when its lease ran out, each taken back if it is the last of its name.
    """

    id: bytes
    address: str
    pid: int
    runtime: str
    last_beat: float
    state: State = State.RUNNING
    actors: dict[str, Actor] = field(default_factory=dict)
    condemned: set[Life] = field(default_factory=set)
    abandoned: dict[str, Life] = field(default_factory=dict)

    @property
    def load(self) -> int:
        return len(self.actors)

    def find(self, name: str, epoch: int) -> Actor | None:
        """The actor with this very life, if it is here."""
        actor = self.actors.get(name)
        return actor if actor is not None and actor.epoch == epoch else None
