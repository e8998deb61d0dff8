"""The registry's state: which name lives where, and which workers there are.

Pure: it knows no socket, clock or green thread. Time is an argument (``now``: seconds of a monotonic clock;
``wall``: seconds since 1970), and what must be done elsewhere is returned.

A name is PENDING from the moment it is promised to one creator until its worker has started it, then
RUNNING. From the order to end it until its worker has ended it, it is ENDING: so long nobody else gets the
name. When the link to its worker ends without proof of death it is LOST: still taken, until the worker
comes back or its lease runs out. Every life of every name has an epoch above all before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from random import Random
from re import compile as compile_pattern
from typing import Any, NamedTuple

from stractory.errors import ActorExists, ActorNotFound, InvalidName, NoCompatibleWorker, NoWorkers
from stractory.registry.placement import less_loaded_of_two
from stractory.registry.records import UNSETTLED, Actor, State, Worker
from stractory.wire.life import NAME_LIMIT, Life, Phase, Report

AWAY_LIMIT = 3600.0
"""Seconds for which it is remembered what a worker had that was given up without proof of its death."""

_DOING = {State.PENDING: "created", State.ENDING: "ended"}
_STATES = {Phase.STARTING: State.PENDING, Phase.RUNNING: State.RUNNING, Phase.ENDING: State.ENDING}


class Registration(NamedTuple):
    """A worker is known from now on; have its ``doomed`` actors ended."""

    worker: Worker
    doomed: list[Actor]


def check_name(name: Any) -> str:
    """Raises InvalidName unless ``name`` is a non-empty str of at most NAME_LIMIT bytes of UTF-8."""
    if not isinstance(name, str) or not name:
        raise InvalidName(f"an actor's name is a non-empty str, not {name!r}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"the name {name!r} has no UTF-8 form") from None
    if size > NAME_LIMIT:
        raise InvalidName(f"the name {name[:20]!r}... has {size} bytes; at most {NAME_LIMIT} are allowed")
    return name


class Directory:
    """All names and workers.

    ``lease``: seconds after its last sign of life at which a worker counts as dead.
    """

    def __init__(
        self,
        lease: float = 15.0,
        place: Callable[[Sequence[Any], Random], Any] = less_loaded_of_two,
        random: Random | None = None,
    ) -> None:
        self.lease = lease
        self._place = place
        self._random = random or Random()
        self._actors: dict[str, Actor] = {}
        self._workers: dict[bytes, Worker] = {}
        self._candidates: dict[str | None, list[Worker]] = {}  # by runtime; emptied when workers change
        self._away: dict[bytes, Worker] = {}  # given up without proof of death: they may come back
        self._last_epoch = 0

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
        public: bool = False,
        wrapped: bool = False,
    ) -> Actor:
        """Promise ``name`` to one creator and pick its worker.

        Raises InvalidName, ActorExists, NoWorkers or NoCompatibleWorker; nothing has changed then.
        """
        if (known := self._actors.get(check_name(name))) is not None:
            spelled = f"being {_DOING[known.state]}" if known.state in UNSETTLED else "taken"
            raise ActorExists(
                f"the name {name!r} is {spelled}; if_exists='get' takes that actor, 'replace' ends it first",
                epoch=known.epoch,
            )
        worker = self._pick_worker(runtime)
        self._last_epoch = max(self._last_epoch + 1, int(wall * 1_000_000))
        actor = Actor(Life(name, kind, self._last_epoch, wall, create_id, public, wrapped), worker)
        self._add(actor)
        return actor

    def confirm(self, actor: Actor) -> bool:
        """The worker has started it. False when it is to end, or was lost meanwhile."""
        if self._actors.get(actor.name) is not actor or actor.state is State.ENDING:
            return False
        actor.state = State.RUNNING
        for away in self._away.values():  # what had the name before does not come back any more
            if life := away.abandoned.pop(actor.name, None):
                away.condemned.add(life)
        return True

    def begin_end(self, actor: Actor) -> bool:
        """It is to end, and holds its name until it has. False when that is so, or it is not there."""
        if self._actors.get(actor.name) is not actor or actor.state is State.ENDING:
            return False
        actor.state = State.ENDING
        return True

    def ended(self, actor: Actor) -> None:
        """Its worker does not have it any more, or never had: its name is free, unless it is another's."""
        actor.worker.condemned.discard(actor.life)
        if self._actors.get(actor.name) is actor:
            self._drop(actor)

    def give_up(self, actor: Actor) -> None:
        """Free its name though its worker is out of reach; it is ended when that comes back."""
        actor.worker.condemned.add(actor.life)
        if self._actors.get(actor.name) is actor:
            self._drop(actor)

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
        matches = compile_pattern(translate(pattern)).match
        return (actor for actor in self._actors.values() if matches(actor.name))

    # ---- workers -------------------------------------------------------------------------------------

    def workers(self) -> Iterable[Worker]:
        return self._workers.values()

    def register(
        self, id: bytes, *, address: str, pid: int, runtime: str, reports: Iterable[Report], now: float
    ) -> Registration:
        """A worker came, or came back, with these actors; some may be copies that must be ended.

        Of two lives of a name the higher epoch stays, and a condemned one never does. What it had and no
        longer reports is gone.
        """
        worker = self._workers.get(id) or self._away.pop(id, None) or Worker(id, address, pid, runtime, now)
        self._workers[id] = worker
        worker.abandoned.clear()
        worker.state, worker.last_beat, worker.address = State.RUNNING, now, address
        self._candidates.clear()
        before = dict(worker.actors)
        doomed = []
        for report in reports:
            before.pop(report.life.name, None)
            if loser := self._adopt(worker, report):
                doomed.append(loser)
        for actor in before.values():
            self._drop(actor)
            if actor.state is State.PENDING:  # the order to start it may still be on its way
                worker.condemned.add(actor.life)
        told = {actor.life for actor in doomed}
        doomed += [Actor(life, worker) for life in worker.condemned - told]
        return Registration(worker, doomed)

    def _adopt(self, worker: Worker, report: Report) -> Actor | None:
        """Take what a worker reports as true, if it is the latest life of its name; returns the loser."""
        life, phase = report
        self._last_epoch = max(self._last_epoch, life.epoch)
        known = self._actors.get(life.name)
        if known is not None and known.worker is worker and known.epoch == life.epoch:
            if known.state is State.ENDING and phase is not Phase.ENDING:
                return known  # the order to end it did not arrive
            known.state = _STATES[phase]
            return None
        reported = Actor(life, worker, _STATES[phase])
        if life in worker.condemned or (known is not None and known.epoch >= life.epoch):
            return reported
        if known is not None:
            self._drop(known)
        self._add(reported)
        return known

    def leave(self, worker: Worker) -> None:
        """It is about to end: nothing new comes to it, and what it has it has until it says goodbye."""
        if worker.state is State.RUNNING:
            worker.state = State.LEAVING
            self._candidates.clear()

    def beat(self, worker: Worker, now: float) -> None:
        """A sign of life."""
        worker.last_beat = now

    def unlink(self, worker: Worker) -> None:
        """Its link ended; whether it lives is not known."""
        worker.state = State.LOST
        self._candidates.clear()
        for actor in worker.actors.values():
            if actor.state is State.RUNNING:
                actor.state = State.LOST

    def bury(self, worker: Worker, *, proved: bool) -> list[Actor]:
        """It is dead, or without proof taken for dead, with all its actors, which are returned."""
        if self._workers.pop(worker.id, None) is None:
            return []
        self._candidates.clear()
        gone = list(worker.actors.values())
        for actor in gone:
            self._drop(actor)
        if not proved:
            worker.abandoned = {actor.name: actor.life for actor in gone if actor.state not in UNSETTLED}
            worker.condemned |= {actor.life for actor in gone if actor.state in UNSETTLED}
            self._away[worker.id] = worker
        return gone

    def expired(self, now: float) -> list[Worker]:
        """The workers whose lease has run out: bury them. Forgets those that have been away for long."""
        for away in [away for away in self._away.values() if now - away.last_beat > AWAY_LIMIT]:
            del self._away[away.id]
        return [worker for worker in self._workers.values() if now - worker.last_beat > self.lease]

    def extend_leases(self, seconds: float) -> None:
        """The registry itself stood still for so long: no worker is to blame for its silence."""
        for worker in self._workers.values():
            worker.last_beat += seconds

    # ---- small parts -----------------------------------------------------------------------------------

    def _pick_worker(self, runtime: str | None) -> Worker:
        candidates = self._candidates.get(runtime)
        if candidates is None:
            alive = [worker for worker in self._workers.values() if worker.state is State.RUNNING]
            if not alive:
                raise NoWorkers("no worker is registered; start some with stractory-workers")
            candidates = [worker for worker in alive if runtime in (None, worker.runtime)]
            if not candidates:
                offered = ", ".join(sorted({worker.runtime for worker in alive}))
                raise NoCompatibleWorker(f"this actor's code needs {runtime}; the workers run {offered}")
            self._candidates[runtime] = candidates
        worker: Worker = self._place(candidates, self._random)
        return worker

    def _add(self, actor: Actor) -> None:
        self._actors[actor.name] = actor
        actor.worker.actors[actor.name] = actor

    def _drop(self, actor: Actor) -> None:
        del self._actors[actor.name]
        actor.worker.actors.pop(actor.name, None)
