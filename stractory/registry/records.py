"""What the registry remembers of an actor and of a worker. Pure.

Only the directory changes it, and for isolated actors :mod:`stractory.registry.isolation`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from stractory.net.process import Process
from stractory.proof.keys import Key
from stractory.wire.info import ActorInfo
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

PROBLEM_LIMIT = 1000
"""Most characters of what is remembered of an actor's trouble."""


UNKNOWN_MAKING = (
    "comes back no more: the store does not know what it is made of; create it anew to replace it"
)
"""What is told of an actor that was brought by its worker."""


class State(str, Enum):
    """Of an actor: all but LEAVING. Of a worker: AWAITED, RUNNING, LEAVING or LOST."""

    AWAITED = "awaited"
    WAITING = "waiting"
    PENDING = "pending"
    RUNNING = "running"
    ENDING = "ending"
    LEAVING = "leaving"
    LOST = "lost"


UNSETTLED = frozenset({State.AWAITED, State.WAITING, State.PENDING, State.ENDING})
"""Those of an actor that is not there yet or no more, and holds its name."""


THERE = frozenset({State.AWAITED, State.RUNNING, State.LOST})
"""Those of an actor that is at work, for all that is known."""


_DOING = {
    State.AWAITED: "waited for",
    State.WAITING: "made again",
    State.PENDING: "created",
    State.ENDING: "ended",
}


class Making(NamedTuple):
    """What an actor is made of."""

    definition: Definition
    options: dict[str, Any]


@dataclass(slots=True, eq=False)
class Actor:
    """One life of a name, and where it is: on no worker while it waits to be made again.

    ``making`` is kept of one that comes back, until it is to end for good; ``replaces`` is the epoch of the
    life before, of one that has come back, or may have under a registry before this one. ``failures``: how
    many lives in a row before it were short; ``began``: when it ran, by the monotonic clock. ``awaited``: it
    makes room for another of its name, or is that one: look-ups wait for it. ``problem``: why its state
    cannot be kept, or why it still waits. ``given``: it has its name from this registry or its store, and
    not by the word of a worker or of another registry. ``kept``: the store has it; until then another may
    prove to have the name. ``promised_by``: the id of another registry, which alone knows whether the worker
    was told to start it. ``ended_here``: this registry was asked to end it, or could not start it.
    ``unlearned``: its worker has told of it, and the store has not said yet what it is made of. ``freed``: of
    one that is not kept, an epoch below which each life of its name is over. ``lost_with``: the id of the
    worker that the life before was given up with, without proof: the next one may begin if that is dead.
    """

    life: Life
    worker: Worker
    state: State = State.PENDING
    making: Making | None = None
    failures: int = 0
    began: float = 0.0
    replaces: int | None = None
    awaited: bool = False
    problem: str = ""
    given: bool = True
    kept: bool = True
    promised_by: bytes = b""
    ended_here: bool = False
    unlearned: bool = False
    freed: int = 0
    lost_with: bytes = b""

    @property
    def name(self) -> str:
        return self.life.name

    @property
    def epoch(self) -> int:
        return self.life.epoch

    @property
    def fields(self) -> dict[str, Any]:
        """For what is logged about it: ``extra=``."""
        return self.life.fields | self.worker.fields

    def move_to(self, worker: Worker) -> None:
        """It is to be started there instead."""
        self.worker.remove(self.name)
        self.worker = worker
        worker.add(self)

    @property
    def doing(self) -> str:
        """What its name is: taken, or "being" something that ends soon."""
        return f"being {_DOING[self.state]}" if self.state in _DOING else "taken"

    @property
    def is_ending(self) -> bool:
        """Whether it is to end."""
        return self.state is State.ENDING

    @property
    def to_be_made_again(self) -> bool:
        """Whether its beginning, if that fails, is to be tried again: nobody else waits for it."""
        return self.making is not None and self.replaces is not None and not self.began

    @property
    def returns(self) -> bool:
        """Whether another life is to follow when this one is over."""
        return self.making is not None or self.unlearned

    def follows(self, life: Actor) -> bool:
        """Whether it waits for the next life of its name, or is that, after this one or the one before it."""
        lasts = {life.epoch, life.replaces} - {None}
        return self.returns and not lasts.isdisjoint({self.epoch, self.replaces})

    @property
    def coming(self) -> bool:
        """Whether it is about to be there again: it is worth waiting for."""
        if self.life.terms.comes_back and self.worker.state is State.LEAVING:
            return True
        if self.state is State.PENDING:
            return self.awaited or self.replaces is not None
        return self.state is State.WAITING or (self.awaited and self.is_ending)

    @property
    def _lack(self) -> str:
        """Of one that was to come back, and cannot: the store has lost that, or never had it."""
        lacks = self.life.terms.comes_back and not self.returns and self.state in THERE
        return UNKNOWN_MAKING if lacks else ""

    @property
    def info(self) -> ActorInfo:
        """What clients are told of it."""
        life = self.life
        return ActorInfo(
            life.name,
            life.kind,
            self.worker.address,
            life.epoch,
            self.state.value,
            life.since,
            life.terms.public,
            life.wrapped,
            life.terms.restart,
            self.problem or self._lack,
            life.terms.isolate,
            life.creator,
        )


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process. ``id`` is random, made anew by each process; an address is used again.

    ``condemned``: lives given up while it could not be told to end them; it may still report them.
    ``full``: it said that it has no room for more actors.
    ``abandoned``: what it had when its lease ran out, each taken back if it is the last of its name.
    ``parent``: the id of the worker that started it for one isolated actor, ``asked_here`` by this registry;
    of any other empty. ``registered``: when it did last, by the monotonic clock. ``key``: by which it proved
    itself, and its clients' tickets are made; there is none as long as it never did.
    ``kinds``: how many of its actors are of each.
    """

    id: bytes
    address: str
    process: Process
    runtime: str
    last_beat: float
    state: State = State.RUNNING
    full: bool = False
    actors: dict[str, Actor] = field(default_factory=dict)
    condemned: set[Life] = field(default_factory=set)
    abandoned: dict[str, Life] = field(default_factory=dict)
    parent: bytes = b""
    asked_here: bool = False
    registered: float = 0.0
    key: Key | None = None
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, actor: Actor) -> None:
        """It is here."""
        self.remove(actor.name)
        self.actors[actor.name] = actor
        self.kinds[actor.life.kind] += 1

    def remove(self, name: str) -> None:
        """What has this name is not here any more, if it was."""
        if actor := self.actors.pop(name, None):
            self.kinds[actor.life.kind] -= 1
            if not self.kinds[actor.life.kind]:
                del self.kinds[actor.life.kind]

    @property
    def fields(self) -> dict[str, Any]:
        """For what is logged about it: ``extra=``."""
        return {"worker": self.address} if self.address else {}

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def takes_actors(self) -> bool:
        """Whether new actors may be placed here."""
        return self.state is State.RUNNING and not self.parent

    @property
    def load(self) -> int:
        return len(self.actors)

    def find(self, name: str, epoch: int) -> Actor | None:
        """The actor with this very life, if it is here."""
        actor = self.actors.get(name)
        return actor if actor is not None and actor.epoch == epoch else None


class Registration(NamedTuple):
    """A worker is known from now on; have its ``doomed`` actors ended."""

    worker: Worker
    doomed: list[Actor]
