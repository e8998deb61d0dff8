"""The registry's state: which name lives where, and which workers there are.

Pure: it knows no socket, clock or green thread. Time is an argument (``now``: seconds of a monotonic clock;
``wall``: seconds since 1970), and what must be done elsewhere is returned.

A name is PENDING from the moment it is promised to one creator until its worker has started it, then
RUNNING. From the order to end it until its worker has ended it, it is ENDING: so long nobody else gets the
name. When the link to its worker ends without proof of death it is LOST: still taken, until the worker
comes back or its lease runs out. One that comes back elsewhere (``restart=``) is WAITING from the end of one
life to the beginning of the next. What a registry before this one knew is AWAITED until its worker reports
it, for a lease at most. Every life of every name has an epoch above all before it.
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
from stractory.registry.placement import less_loaded_of_two
from stractory.registry.records import THERE, UNSETTLED, Actor, Making, Registration, State, Worker
from stractory.wire.changes import DESTROYED, UNKNOWN, WORKER_LOST
from stractory.wire.life import PLAIN, Life, Phase, Report, Terms, check_name

_STATES = {Phase.STARTING: State.PENDING, Phase.RUNNING: State.RUNNING, Phase.ENDING: State.ENDING}


class Directory:
    """All names and workers.

    ``lease``: seconds after its last sign of life at which a worker counts as dead. ``observers`` are
    told of what happens; ``nowhere`` has the actors that wait to be made again.
    """

    def __init__(
        self,
        lease: float = 15.0,
        place: Callable[[Sequence[Any], Random], Any] = less_loaded_of_two,
        random: Random | None = None,
    ) -> None:
        self.lease = lease
        self.observers = Observers()
        self._candidates = Candidates(place, random or Random())  # noqa: S311  # no secret
        self._actors: dict[str, Actor] = {}
        self._workers: dict[bytes, Worker] = {}
        self.away = Away()
        self.nowhere = Worker(b"", "", Process("", 0, 0), "", 0.0, State.LOST)
        self.epochs = Epochs()

    def __repr__(self) -> str:
        return f"<Directory of {len(self._actors)} actors on {len(self._workers)} workers>"

    # ---- names ---------------------------------------------------------------------------------------

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
        actor = Actor(life, worker, making=making)
        self._add(actor)
        return actor

    def number(self, actor: Actor, epoch: int) -> None:
        """The store has given its life this number, before anybody was told of it."""
        self.epochs.given(epoch)
        actor.life = actor.life._replace(epoch=epoch)

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
        waiting = Actor(actor.life, self.nowhere, State.WAITING, actor.making, failures)
        waiting.problem = "" if actor.began else actor.problem
        self._add(waiting)
        self.observers.set_aside(waiting)

    def renew(self, waiting: Actor, wall: float) -> Actor:
        """The next life of what waits, on a worker. Raises NoWorkers or NoCompatibleWorker."""
        assert waiting.making is not None  # noqa: S101  # for the type checker
        worker = self._candidates.pick(self._workers.values(), waiting.making.definition.init.runtime)
        self._drop(waiting)
        life = waiting.life._replace(epoch=self.epochs.next(wall), since=wall)
        actor = Actor(life, worker, making=waiting.making, failures=waiting.failures, replaces=waiting.epoch)
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
        if actor.making is not None:
            actor.making = None
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

    # ---- workers -------------------------------------------------------------------------------------

    def recall(
        self,
        life: Life,
        id: bytes,
        process: Process,
        *,
        making: Making | None,
        ending: bool,
        now: float,
    ) -> Worker:
        """What a registry before this one knew; its worker, which has the length of a lease to come back.

        With ``making`` it may have been about to be made again, and is, if it has not begun.
        """
        worker = self._workers.setdefault(id, Worker(id, "", process, "", now, State.AWAITED))
        state = State.ENDING if ending else State.AWAITED
        self._add(Actor(life, worker, state, making, replaces=life.epoch if making else None))
        return worker

    def workers(self) -> Iterable[Worker]:
        return self._workers.values()

    def find_worker(self, id: bytes) -> Worker | None:
        """The worker with this id, lost ones too."""
        return self._workers.get(id)

    def register(
        self,
        id: bytes,
        *,
        address: str,
        process: Process,
        runtime: str,
        reports: Iterable[Report],
        now: float,
        parent: bytes = b"",
    ) -> Registration:
        """A worker came, or came back, with these actors; some may be copies that must be ended.

        Of two lives of a name the higher epoch stays, and a condemned one never does. What it had and no
        longer reports is gone, or waits to be made again.
        """
        worker = self._workers.get(id) or self.away.take(id) or Worker(id, address, process, runtime, now)
        self._workers[id] = worker
        worker.state, worker.last_beat, worker.parent = State.RUNNING, now, parent
        worker.address, worker.process, worker.runtime = address, process, runtime
        self._candidates.forget()
        before = dict(worker.actors)
        doomed = []
        for report in reports:
            before.pop(report.life.name, None)
            if loser := self.report(worker, report, now):
                doomed.append(loser)
        for actor in before.values():
            self._lose(actor, now, UNKNOWN)
            if actor.state in (State.AWAITED, State.PENDING):  # the order to start it may still be on its way
                worker.condemned.add(actor.life)
        untold = worker.condemned - {actor.life for actor in doomed}
        return Registration(worker, [*doomed, *(Actor(life, worker) for life in untold)])

    def report(self, worker: Worker, report: Report, now: float) -> Actor | None:
        """Take what a worker reports as true, if it is the latest life of its name; returns the loser."""
        life, phase = report
        self.epochs.reported(life.epoch)
        known = self._actors.get(life.name)
        if known is not None and known.worker is worker and known.epoch == life.epoch:
            if known.state is State.ENDING and phase is not Phase.ENDING:
                return known  # the order to end it did not arrive
            begun = phase is Phase.RUNNING and known.state in (State.AWAITED, State.PENDING)
            known.state = _STATES[phase]
            if phase is not Phase.STARTING:
                known.began = known.began or now
            self.observers.changed(known)
            if begun:
                self.observers.began(known)
            return None
        reported = Actor(life, worker, _STATES[phase], began=0.0 if phase is Phase.STARTING else now)
        last = (
            known is None
            or (known.epoch < life.epoch and not known.given)  # a later one would have been given here, too
            or (known.worker is self.nowhere and known.life == life)
        )
        if life in worker.condemned or not last:
            return reported
        reported.given = known is not None and known.given
        if known is not None:
            self._drop(known)
            reported.making, reported.failures = known.making, known.failures
        self._add(reported)
        self.observers.adopted(reported)
        if phase is Phase.RUNNING:
            self.observers.began(reported)
        return None if known is None or known.worker is self.nowhere else known

    def leave(self, worker: Worker) -> None:
        """It is about to end: nothing new comes to it, and what it has it has until it says goodbye."""
        if worker.state is State.RUNNING:
            worker.state = State.LEAVING
            self._candidates.forget()

    def beat(self, worker: Worker, now: float, full: bool = False) -> None:
        """A sign of life. ``full``: new actors are to go elsewhere."""
        worker.last_beat = now
        self._candidates.set_full(worker, full)

    def unlink(self, worker: Worker) -> None:
        """Its link ended; whether it lives is not known."""
        worker.state = State.LOST
        self._candidates.forget()
        for actor in worker.actors.values():
            if actor.state is State.RUNNING:
                actor.state = State.LOST
                self.observers.changed(actor)

    def bury(self, worker: Worker, *, proved: bool, now: float, reason: str = WORKER_LOST) -> None:
        """It is dead, or without proof taken for dead, with all its actors, which are so for ``reason``."""
        if self._workers.pop(worker.id, None) is None:
            return
        self._candidates.forget()
        self._gone(worker, worker.condemned if proved else ())
        if not proved:
            self.away.add(worker)
        for actor in list(worker.actors.values()):
            self._lose(actor, now, reason)

    def expired(self, now: float) -> list[Worker]:
        """The workers whose lease has run out: bury them."""
        self.away.forget(now)
        return [worker for worker in self._workers.values() if now - worker.last_beat > self.lease]

    def extend_leases(self, seconds: float) -> None:
        """The registry itself stood still for so long: no worker is to blame for its silence."""
        for worker in self._workers.values():
            worker.last_beat += seconds

    # ---- small parts -----------------------------------------------------------------------------------

    def _lose(self, actor: Actor, now: float, reason: str) -> None:
        """Its worker does not have it any more, and has not said why."""
        if actor.making and actor.state in THERE:
            self._set_aside(actor, now, reason)
        else:
            self._end(actor, DESTROYED if actor.is_ending else reason)

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
        self.observers.freed(actor, reason)

    def _add(self, actor: Actor) -> None:
        self._actors[actor.name] = actor
        actor.worker.add(actor)
        self.observers.changed(actor)

    def _drop(self, actor: Actor) -> None:
        del self._actors[actor.name]
        actor.worker.remove(actor.name)
        self._candidates.set_full(actor.worker, False)  # else it says so again
