"""The registry's state: which name lives where, and which workers there are.

Pure: it knows no socket, clock or green thread. Time is an argument (``now``: seconds of a monotonic clock;
``wall``: seconds since 1970), and what must be done elsewhere is returned.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from stractory.net.process import Process
from stractory.registry.lives import Lives
from stractory.registry.placement import less_loaded_of_two
from stractory.registry.records import THERE, Actor, Making, Registration, State, Worker
from stractory.wire.changes import DESTROYED, UNKNOWN, WORKER_LOST
from stractory.wire.life import Life, Phase, Report

_STATES = {Phase.STARTING: State.PENDING, Phase.RUNNING: State.RUNNING, Phase.ENDING: State.ENDING}


REMEMBERED = 10_000
"""Names of which it is known when others have freed them: as long as a worker takes to register."""


class Directory(Lives):
    """All names and workers.

    ``lease``: seconds after its last sign of life at which a worker counts as dead.
    """

    def __init__(
        self,
        lease: float = 15.0,
        place: Callable[[Sequence[Any], Random], Any] = less_loaded_of_two,
        random: Random | None = None,
    ) -> None:
        super().__init__(place, random or Random())  # noqa: S311  # no secret
        self.lease = lease
        self._freed: OrderedDict[str, int] = OrderedDict()  # names and epochs, of late

    def __repr__(self) -> str:
        return f"<Directory of {len(self._actors)} actors on {len(self._workers)} workers>"

    # ---- workers -------------------------------------------------------------------------------------

    def recall(
        self,
        life: Life,
        id: bytes,
        process: Process,
        *,
        making: Making | None,
        ending: bool,
        given_up: bool = False,
        now: float,
        by: bytes = b"",
    ) -> Worker:
        """What a registry before this one knew; its worker, which has the length of a lease to come back.

        With ``making`` it may have been about to be made again, and is, if it has not begun. What was
        ``given_up`` has no name any more. ``by``: the registry that has promised it, if that is there.
        """
        worker = self._workers.get(id) or self._await(id, process, now)
        if given_up:
            worker.condemned.add(life)
            return worker
        state = State.ENDING if ending else State.AWAITED
        replaces = life.epoch if making else None
        self._add(Actor(life, worker, state, making, replaces=replaces, promised_by=by))
        return worker

    def learn(
        self, life: Life, id: bytes, process: Process, *, making: Making | None, by: bytes, now: float
    ) -> None:
        """The registry ``by`` has given this life its name, and has the worker with this id start it."""
        self.hear(life.epoch)
        if life.epoch <= self._over.get(life.name, 0):
            return
        known = self._actors.get(life.name)
        promised = known is not None and not known.kept
        before = self._behind.get(life.name) if promised else known
        if before is not None and before.epoch >= life.epoch:
            if before.epoch == life.epoch and before.unlearned:
                self._learn_making(before, making)
            return
        worker = self._workers.get(id) or self._await(id, process, now)
        state = State.AWAITED if worker.state is State.AWAITED else State.PENDING
        replaces = life.epoch if making else None
        actor = Actor(life, worker, state, making, replaces=replaces, awaited=True, given=False)
        actor.promised_by = by
        if promised:
            self._behind[life.name] = actor
        else:
            self._take_over(actor)
        if before is not None:
            self.observers.overtaken(before)

    def _learn_making(self, actor: Actor, making: Making | None) -> None:
        """Its worker has told of it before, and may be dead by now."""
        actor.making, actor.unlearned = making, False
        if actor.state is State.WAITING and making is not None:
            self.observers.set_aside(actor)

    def forget(self, name: str, epoch: int) -> None:
        """Another registry has freed the name: each life of it below this epoch is over."""
        self.hear(epoch)
        self._freed[name] = epoch
        self._freed.move_to_end(name)
        if len(self._freed) > REMEMBERED:
            self._freed.popitem(last=False)
        if (behind := self._behind.get(name)) and behind.epoch < epoch:
            del self._behind[name]
            self.observers.overtaken(behind)
        known = self._actors.get(name)
        if known is not None and not known.kept:
            known.freed = epoch
        elif known is not None and known.epoch < epoch:
            self._free(known, DESTROYED)
            self.observers.overtaken(known)
        self.away.condemn(name)
        self.all_told(name, epoch)

    def names(self) -> set[str]:
        """Those of all actors, and of those which are over and of which others may tell yet."""
        return {*self._actors, *self._over}

    def all_told(self, name: str, epoch: int) -> None:
        """Nobody tells any more of lives up to this epoch."""
        if self._over.get(name, epoch + 1) <= epoch:
            del self._over[name]

    def heard_own(self, life: Life) -> None:
        """The store has a life of this registry's, which was not sure of that if it waits for the next.

        Or makes that already: it follows this one then.
        """
        self.hear(life.epoch)
        known = self._actors.get(life.name)
        if known is None:
            return
        if known.worker is self.nowhere and known.epoch < life.epoch:
            known.life = life
            self._set_aside(known, 0.0)
        elif not known.kept and known.replaces is not None:
            known.replaces = max(known.replaces, life.epoch)

    def hear(self, epoch: int) -> None:
        """What other registries have done before it is known."""
        self.epochs.given(epoch)
        self.heard = max(self.heard, epoch)

    def promised_by(self, registry: bytes) -> list[Actor]:
        """Those of which only that registry knows whether their workers were told to start them."""
        return [actor for actor in self._actors.values() if actor.promised_by == registry]

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
        worker = self.hear_of(id, now) or self._workers.get(id)
        if worker is None:
            worker = self._workers[id] = Worker(id, address, process, runtime, now)
        worker.state, worker.parent = State.RUNNING, parent
        worker.last_beat = worker.registered = now
        worker.address, worker.process, worker.runtime = address, process, runtime
        self._candidates.forget()
        before = dict(worker.actors)
        doomed = []
        for report in reports:
            before.pop(report.life.name, None)
            over = report.life.epoch < self._freed.get(report.life.name, 0)  # since it was reported
            if loser := Actor(report.life, worker) if over else self._adopt(worker, report, now):
                doomed.append(loser)
        for actor in before.values():
            actor.lost_with = b""
            if actor.promised_by:  # the order to start it may still be on its way
                self._expect(actor)
                continue
            self._lose(actor, now, UNKNOWN)
            if actor.state in (State.AWAITED, State.PENDING):  # the order to start it may still be on its way
                worker.condemned.add(actor.life)
        untold = worker.condemned - {actor.life for actor in doomed}
        return Registration(worker, [*doomed, *(Actor(life, worker) for life in untold)])

    def report(self, worker: Worker, report: Report, now: float) -> Actor | None:
        """What another registry has ordered of a worker runs there, or ends; returns what must be ended.

        Either the worker or the other registry tells of a life first; but not the worker of one that is over.
        """
        known = self._actors.get(report.life.name)
        if known is None and report.life.epoch <= self.heard:
            return None
        return self._adopt(worker, report, now, kept=True)

    def _await(self, id: bytes, process: Process, now: float) -> Worker:
        """One of which this registry was told; if it was given up here, with what it has to end."""
        worker = self.hear_of(id, now)
        if worker is None:
            worker = self._workers[id] = Worker(id, "", process, "", now)
        worker.state = State.AWAITED
        return worker

    def _expect(self, actor: Actor) -> None:
        """Its worker is here, and may be told to start it."""
        if actor.state is State.AWAITED:
            actor.state = State.PENDING
            self.observers.changed(actor)

    def _adopt(self, worker: Worker, report: Report, now: float, kept: bool = False) -> Actor | None:
        """Take what a worker reports as true, if it is the latest life of its name; returns the loser.

        ``kept``: the store has it.
        """
        life, phase = report
        self.epochs.reported(life.epoch)
        known = self._actors.get(life.name)
        if self.shared and known is not None and not known.kept:
            return self._adopt_behind(worker, report, now)
        if known is not None and known.worker is worker and known.epoch == life.epoch:
            if known.state is State.ENDING and phase is not Phase.ENDING:
                return known  # the order to end it did not arrive
            begun = phase is Phase.RUNNING and known.state in (State.AWAITED, State.PENDING)
            _note(known, phase, now)
            self.observers.changed(known)
            if begun:
                self.observers.began(known)
            return None
        reported = Actor(life, worker, _STATES[phase], began=0.0 if phase is Phase.STARTING else now)
        last = (
            known is None
            # A later one would have been given here, too, where nobody else gives any.
            or (known.epoch < life.epoch and (self.shared or not known.given))
            or (known.worker is self.nowhere and known.life == life)
        )
        if life in worker.condemned or not last:
            return reported
        reported.unlearned = self.shared and life.terms.comes_back
        reported.given = known is not None and known.given
        if known is not None:
            self._drop(known)
            reported.failures = known.failures
            if not self.shared or known.life == life:
                reported.making, reported.unlearned = known.making, known.unlearned
        self._add(reported)
        if not kept:
            self.observers.adopted(reported)
        if phase is Phase.RUNNING:
            self.observers.began(reported)
        return None if known is None or known.worker is self.nowhere else known

    def _adopt_behind(self, worker: Worker, report: Report, now: float) -> Actor | None:
        """As _adopt(), where the name is promised here: it comes to light if that is withdrawn."""
        life, phase = report
        behind = self._behind.get(life.name)
        if life in worker.condemned or (behind is not None and behind.epoch > life.epoch):
            return Actor(life, worker)
        if behind is None or behind.epoch < life.epoch:
            behind = self._behind[life.name] = Actor(life, worker, unlearned=life.terms.comes_back)
        _note(behind, phase, now)
        return None

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
            if self.shared and not proved and actor.kept:
                actor.lost_with = worker.id
            self._lose(actor, now, reason)

    def expired(self, now: float) -> list[Worker]:
        """The workers whose lease has run out: bury them."""
        for life in self.away.forget(now):
            self.observers.gone(life)
        return [worker for worker in self._workers.values() if now - worker.last_beat > self.lease]

    def extend_leases(self, seconds: float) -> None:
        """The registry itself stood still for so long: no worker is to blame for its silence."""
        for worker in self._workers.values():
            worker.last_beat += seconds

    # ---- small parts -----------------------------------------------------------------------------------

    def _lose(self, actor: Actor, now: float, reason: str) -> None:
        """Its worker does not have it any more, and has not said why."""
        if actor.unlearned or (actor.making and actor.state in THERE):
            self._set_aside(actor, now, reason)
        else:
            self._end(actor, DESTROYED if actor.is_ending else reason)


def _note(actor: Actor, phase: Phase, now: float) -> None:
    """Its worker has told of it."""
    actor.state = _STATES[phase]
    if actor.promised_by:
        actor.promised_by, actor.awaited = b"", False
    if phase is not Phase.STARTING:
        actor.began = actor.began or now
