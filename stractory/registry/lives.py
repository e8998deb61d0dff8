"""Which name lives where: the half of the directory that gives names away and takes them back. Pure.

A name is PENDING from the moment it is promised to one creator until its worker has started it, then
RUNNING. From the order to end it until its worker has ended it, it is ENDING: so long nobody else gets the
name. When the link to its worker ends without proof of death it is LOST: still taken, until the worker
comes back or its lease runs out. One that comes back elsewhere (``restart=``) is WAITING from the end of one
life to the beginning of the next. What a registry before this one knew is AWAITED until its worker reports
it, for a lease at most. Every life of every name has an epoch above all before it.

Where several registries share a store, that decides who has a name. So a promise is one until it is **kept**
there; what another registry has kept meanwhile stands behind it, and comes to light when it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from stractory.errors import ActorExists, ActorNotFound
from stractory.net.process import Process
from stractory.registry.away import Away
from stractory.registry.back_off import failures_with
from stractory.registry.candidates import NOBODY, Candidates
from stractory.registry.epochs import Epochs
from stractory.registry.names import matcher
from stractory.registry.observer import Observers
from stractory.registry.records import UNSETTLED, Actor, Making, State, Worker
from stractory.wire.changes import DESTROYED
from stractory.wire.life import PLAIN, Life, Terms, check_name


class Lives:
    """All names.

    ``observers`` are told of what happens; ``nowhere`` has the actors that wait to be made again. ``shared``:
    whether other registries give names away, too; of all lives up to the epoch ``heard`` theirs are known.
    """

    def __init__(self, place: Callable[[Sequence[Any], Random], Any], random: Random) -> None:
        self.observers = Observers()
        self._candidates = Candidates(place, random)
        self._actors: dict[str, Actor] = {}
        self._workers: dict[bytes, Worker] = {}
        self._behind: dict[str, Actor] = {}  # others' lives, of names that are promised here
        self.shared = False
        self.heard = 0
        self._over: dict[str, int] = {}  # epochs of lives that are, of which others may tell yet
        self.away = Away()
        self.nowhere = Worker(b"", "", Process("", 0, 0), "", 0.0, State.LOST)
        self.epochs = Epochs()

    def reserve(
        self,
        name: str,
        *,
        kind: str,
        runtime: str | None,
        create_id: bytes,
        wall: float,
        wrapped: bool = False,
        terms: Terms = PLAIN,
        creator: str = "",
        making: Making | None = None,
        refusals: Mapping[Worker, str] = NOBODY,
    ) -> Actor:
        """Promise ``name`` to one creator and pick its worker. ``making``: for one that comes back.

        ``refusals``: of which workers it is none, and why. Raises InvalidName, ActorExists, NoWorkers,
        NoCompatibleWorker or WorkerFull; nothing has changed then.
        """
        if (known := self._actors.get(check_name(name))) is not None:
            ways = "if_exists='get' takes that actor, 'replace' ends it first"
            raise ActorExists(f"the name {name!r} is {known.doing}; {ways}", epoch=known.epoch)
        worker = self._candidates.pick(self._workers.values(), runtime, refusals)
        life = Life(name, kind, self.epochs.next(wall), wall, create_id, wrapped, terms, creator)
        actor = Actor(life, worker, making=making, kept=False)
        self._add(actor)
        return actor

    def keep(self, actor: Actor, epoch: int) -> None:
        """The store has its life, with this number, before anybody was told of it."""
        self.epochs.given(epoch)
        actor.life = actor.life._replace(epoch=epoch)
        actor.kept, actor.lost_with = True, b""
        if self._actors.get(actor.name) is actor:
            behind = self._behind.pop(actor.name, None)
            if behind is not None and behind.epoch > epoch:  # another's by now
                self._take_over(behind)
                return
            if behind is not None:
                self.observers.overtaken(behind)
            if actor.freed > epoch:  # another registry was quick to end it
                self._free(actor, DESTROYED)

    def withdraw(self, actor: Actor) -> None:
        """What was promised never was: another registry has the name, or this will hear that nobody has.

        One that was to be made again waits, as before; nobody is told to try. Or it is where it was, if the
        worker that it was lost with lives.
        """
        if self._actors.get(actor.name) is not actor:
            return
        if actor.replaces is not None and actor.freed > actor.replaces:  # what it was to follow is over
            self._free(actor, DESTROYED)
            return
        self._drop(actor)
        if actor.replaces is not None:
            life = actor.life._replace(epoch=actor.replaces)
            waiting = Actor(life, self.nowhere, State.WAITING, actor.making, actor.failures)
            waiting.problem = "another registry makes it again"
            waiting.lost_with = actor.lost_with
            self._add(waiting)
            self._put_back(waiting)
        self._reveal(actor.name)

    def confirm(self, actor: Actor, now: float) -> bool:
        """The worker has started it. False when it is to end, or was lost meanwhile."""
        if self._actors.get(actor.name) is not actor or actor.state is State.ENDING:
            return False
        actor.state = State.RUNNING
        actor.began = now
        self.away.condemn(actor.name)
        self.observers.changed(actor)
        self.observers.began(actor)
        return True

    def set_aside(self, actor: Actor, now: float) -> None:
        """A life is over that another is to follow: the name waits for it, unless it is another's."""
        if self._actors.get(actor.name) is actor:
            self._set_aside(actor, now)

    def _set_aside(self, actor: Actor, now: float, reason: str = "") -> None:
        self._drop(actor)
        failures = failures_with(actor, now, reason)
        life = actor.life
        if (
            self.shared and not actor.kept and actor.replaces is not None
        ):  # else another's may be taken for it
            life = life._replace(epoch=actor.replaces)
        waiting = Actor(life, self.nowhere, State.WAITING, actor.making, failures)
        waiting.unlearned, waiting.lost_with = actor.unlearned, actor.lost_with
        waiting.problem = "" if actor.began else actor.problem
        self._add(waiting)
        self.observers.set_aside(waiting)
        self._reveal(actor.name)

    def renew(self, waiting: Actor, wall: float) -> Actor:
        """The next life of what waits, on a worker. Raises NoWorkers or NoCompatibleWorker."""
        assert waiting.making is not None  # noqa: S101  # for the type checker
        worker = self._candidates.pick(self._workers.values(), waiting.making.definition.init.runtime)
        self._drop(waiting)
        life = waiting.life._replace(epoch=self.epochs.next(wall), since=wall)
        actor = Actor(life, worker, making=waiting.making, failures=waiting.failures, replaces=waiting.epoch)
        actor.kept, actor.lost_with = False, waiting.lost_with
        self._add(actor)
        return actor

    def begin_end(self, actor: Actor) -> bool:
        """It is to end, and holds its name until it has. False when that is so, or it is not there."""
        if self._actors.get(actor.name) is not actor or actor.state is State.ENDING:
            return False
        actor.state = State.ENDING
        self.observers.changed(actor)
        return True

    def let_go(self, actor: Actor) -> None:
        """It is to end for good, whatever comes first: its end or its worker's."""
        if actor.returns:
            actor.making, actor.unlearned = None, False
            self.observers.let_go(actor)

    def ended(self, actor: Actor, reason: str = DESTROYED) -> None:
        """Its worker does not have it any more, or never had: its name is free, unless it is another's.

        One that could not be made again holds its name, and waits.
        """
        self._gone(actor.worker, [actor.life])
        if self._actors.get(actor.name) is actor:
            self._end(actor, reason)

    def give_up(self, actor: Actor) -> None:
        """Free its name though its worker is out of reach; it is ended when that comes back."""
        if actor.worker is self.nowhere:
            self.away.condemn(actor.name)
        else:
            actor.worker.condemned.add(actor.life)
        if self._actors.get(actor.name) is actor:
            self._free(actor, DESTROYED)

    def hear_of(self, id: bytes, now: float) -> Worker | None:
        """A worker lives that was given up: what it had is there yet, for all that is known.

        None for a worker that was not given up.
        """
        worker, lives = self.away.take(id)
        if worker is None:
            return None
        worker.state, worker.last_beat = State.LOST, now
        self._workers[id] = worker
        for life in lives:
            known = self._actors.get(life.name)
            if known is None and self.shared:  # the store frees no name of a worker that lives
                self._over.pop(life.name, None)
                self._add(Actor(life, worker, State.LOST))
            elif known is not None and known.lost_with == id and known.state is State.WAITING:
                self._put_back(known)
        for life in worker.condemned:  # which it is told to end
            if (actor := self._actors.get(life.name)) and actor.lost_with == id:
                actor.lost_with = b""
        return worker

    def find(self, name: str) -> Actor | None:
        """The actor of this name in any state, or None."""
        return self._actors.get(name)

    def lookup(self, name: str) -> Actor:
        """The actor of this name, running or lost. Raises ActorNotFound."""
        actor = self._actors.get(name)
        if actor is None or actor.state in UNSETTLED:
            raise ActorNotFound(f"no actor is named {name!r}")
        return actor

    def actors(self, pattern: str = "*") -> Iterator[Actor]:
        """Those whose name matches the shell-style ``pattern`` (``*``, ``?``, ``[...]``, case counts)."""
        if pattern == "*":
            return iter(self._actors.values())
        matches = matcher(pattern)
        return (actor for actor in self._actors.values() if matches(actor.name))

    # ---- small parts -----------------------------------------------------------------------------------

    def _gone(self, worker: Worker, lives: Iterable[Life]) -> None:
        for life in worker.condemned.intersection(lives):
            worker.condemned.remove(life)
            self.observers.gone(life)

    def _end(self, actor: Actor, reason: str) -> None:
        if actor.to_be_made_again:
            self._set_aside(actor, 0.0, reason)
        else:
            self._free(actor, reason)

    def _free(self, actor: Actor, reason: str) -> None:
        self._drop(actor)
        kept = actor.epoch if actor.kept else actor.replaces
        if self.shared and kept is not None:
            self._over[actor.name] = kept
        self.observers.freed(actor, reason)
        self._reveal(actor.name)

    def _reveal(self, name: str) -> None:
        """What was promised here is so no more: the name is that life's which another registry has kept."""
        if behind := self._behind.pop(name, None):
            self._take_over(behind)

    def _put_back(self, waiting: Actor) -> None:
        """The worker that it was lost with lives, and has it yet unless that has told all it has."""
        worker = self._workers.get(waiting.lost_with)
        if worker is None:
            return
        waiting.lost_with = b""
        if worker.state in (State.LOST, State.AWAITED):
            self._drop(waiting)
            there = Actor(waiting.life, worker, State.LOST, waiting.making, waiting.failures)
            there.unlearned = waiting.unlearned
            self._add(there)

    def _take_over(self, actor: Actor) -> None:
        """It has its name, whatever had that before."""
        if (known := self._actors.get(actor.name)) is not None:
            self._drop(known)
            actor.failures = known.failures
        self._add(actor)

    def _add(self, actor: Actor) -> None:
        self._actors[actor.name] = actor
        actor.worker.add(actor)
        self.observers.changed(actor)

    def _drop(self, actor: Actor) -> None:
        del self._actors[actor.name]
        actor.worker.remove(actor.name)
        self._candidates.set_full(actor.worker, False)  # else it says so again
