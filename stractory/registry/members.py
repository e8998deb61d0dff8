"""The registry's workers: they come, give signs of life, tell what became of their actors, and go."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

import gevent

from stractory.net.process import Process, in_words, is_gone
from stractory.registry.changes import Changes
from stractory.registry.directory import Directory
from stractory.registry.ledger import Ledger
from stractory.registry.orders import Node, Orders
from stractory.registry.quarantine import DEATHS, LENGTH, MARK, WITHIN, Quarantine
from stractory.registry.records import PROBLEM_LIMIT, Actor, Registration, State, Worker
from stractory.registry.renewals import Renewals
from stractory.store.interface import Sharing
from stractory.wire.changes import CRASHED, DRAINED, EXITED, WORKER_LOST
from stractory.wire.life import ALWAYS, Life, Phase, Report

log = logging.getLogger(__name__)

DEATH_CHECKS = (0.0, 0.05, 0.2, 0.75, 2.0)
"""Seconds between looks at a process whose link ended: sockets close a little before a process is gone."""


class Members:
    """What workers tell, and what follows when they fall silent."""

    def __init__(
        self,
        directory: Directory,
        ledger: Ledger,
        orders: Orders,
        renewals: Renewals,
        quarantine: Quarantine,
        changes: Changes,
        sharing: Sharing | None,
    ) -> None:
        self._directory = directory
        self._ledger = ledger
        self._orders = orders
        self._renewals = renewals
        self._quarantine = quarantine
        self._changes = changes
        self._sharing = sharing
        self._looked = math.inf  # at the time
        self.lives: Callable[[Worker], bool] = lambda worker: False  # for all that other registries tell

    @property
    def lease(self) -> float:
        """Seconds without a sign of life after which a worker is given up."""
        return self._directory.lease

    def register(
        self,
        node: Node,
        id: bytes,
        address: str,
        runtime: str,
        reports: list[Report],
        parent: bytes = b"",
    ) -> Registration:
        """A worker came, or came back, and serves ``create`` and ``destroy`` over ``node.calls``.

        ``parent``: the id of the worker that started it for an isolated actor.
        """
        if self._sharing is not None:
            self._sharing.worker_came(id)
        if before := self._orders.nodes.get(id):
            before.disconnect()
        registration = self._directory.register(
            id,
            address=address,
            process=node.process,
            runtime=runtime,
            reports=reports,
            now=time.monotonic(),
            parent=parent,
        )
        worker, doomed = registration
        worker.key = node.key
        self._orders.nodes[id] = node
        self._renewals.worker_came()
        log.info(
            "worker %s (pid %d, %s) registered with %d actors",
            address,
            worker.pid,
            runtime,
            worker.load,
            extra=worker.fields,
        )
        for actor in doomed:
            self._end_copy(actor)
        for actor in list(worker.actors.values()):
            if actor.is_ending and actor.promised_by:  # it is not sure that the order has reached the worker
                self._orders.end_there(actor)
        self._orders.isolation.end_if_idle(worker)
        self._changes.notify_all()  # names came, and names went
        return registration

    def _end_copy(self, actor: Actor) -> None:
        log.warning(
            "an actor named %r on %s was given up or has a successor: it is ended",
            actor.name,
            actor.worker.address,
            extra=actor.fields,
        )
        self._orders.end_there(actor)

    def reported(self, worker: Worker, report: Report) -> None:
        """What another registry of this cluster has had started, or has ended, on a worker of both."""
        if self._directory.find_worker(worker.id) is not worker:  # given up, and its link about to end
            return
        if loser := self._directory.report(worker, report, time.monotonic()):
            self._end_copy(loser)
        self._changes.notify(report.life.name)

    def started(self, worker: Worker, name: str, epoch: int) -> None:
        """What a worker reported as starting runs. Who ordered it may have asked another registry."""
        if (actor := worker.find(name, epoch)) and self._directory.confirm(actor, time.monotonic()):
            self._changes.notify(name)

    def ended(self, worker: Worker, name: str, epoch: int) -> None:
        """What a worker reported as starting or ending is not there any more.

        It is made again if that was not for good: its worker ends all it has when it leaves.
        """
        if actor := worker.find(name, epoch):
            self._renewals.follow(actor)
            self._orders.ended(actor)

    def leaving(self, worker: Worker) -> None:
        """A worker is about to end its actors and say goodbye: it gets no new ones."""
        self._directory.leave(worker)

    def beat(
        self, worker: Worker, full: bool = False, children: Sequence[bytes] = ()
    ) -> tuple[float, list[bytes]]:
        """A worker's sign of life, whether it has no room for more actors, and which children it vouches for.

        Returns the time by which tickets are made, and those of these that are known.
        """
        now = time.monotonic()
        self._directory.beat(worker, now, full)
        self._heard(worker.id)
        known = self._orders.isolation.vouch(worker, children, now) if children else []
        for child in known:
            self._heard(child)
        return time.time(), known

    def _heard(self, id: bytes) -> None:
        if self._sharing is not None:
            self._sharing.worker_heard(id)

    def child_silent(self, worker: Worker, id: bytes, address: str, process: Process, life: Life) -> None:
        """A child that this registry does not know, for it cannot register while its actor blocks.

        It counts as lost, with its actor, until it does.
        """
        known = self._directory.find_worker(id)
        if known is None or known.state is State.AWAITED:
            child, _ = self._directory.register(
                id,
                address=address,
                process=process,
                runtime=worker.runtime,
                reports=[Report(life, Phase.RUNNING)],
                now=time.monotonic(),
                parent=worker.id,
            )
            child.key = worker.key
            self._directory.unlink(child)
            self._changes.notify_all()

    def child_ended(self, worker: Worker, id: bytes, status: int) -> None:
        """A process that a worker had started for an isolated actor has ended."""
        self._orders.isolation.child_ended(id)
        child = self._directory.find_worker(id)
        if child is not None and child.parent == worker.id:
            log.warning("worker %s (pid %d) of an isolated actor %s",
                        child.address, child.pid, in_words(status), extra=child.fields)  # fmt: skip
            self._bury(child, proved=True)

    def goodbye(self, worker: Worker) -> None:
        """A worker leaves of its own accord; its names are free."""
        log.info("worker %s said goodbye", worker.address, extra=worker.fields)
        self._bury(worker, proved=True, reason=DRAINED)

    def exited(self, worker: Worker, name: str, epoch: int, status: int) -> None:
        """An actor came to an end of its own accord, as a child process does.

        Raises StoreError: then the worker has to tell it to the next registry too, which may not know.
        """
        if not isinstance(status, int):
            raise ValueError("the status of a process is an int")
        if actor := worker.find(name, epoch):
            log.info("actor %r on %s exited with status %d", name, worker.address, status, extra=actor.fields)
            if status or actor.life.terms.restart == ALWAYS:
                self._renewals.follow(actor)
            self._orders.ended(actor, CRASHED if status else EXITED)
            self._ledger.settle(actor.life)

    def blame(self, mark: bytes) -> None:
        """A worker had to be ended because an actor of this definition never gave way."""
        if not isinstance(mark, bytes) or len(mark) != MARK:
            raise ValueError(f"the mark of a definition has {MARK} bytes")
        log.warning("an actor of the definition %s has ended its worker", mark.hex())
        if self._quarantine.blame(mark, time.time()):
            self._ledger.flush()
            log.error("the definition %s is in quarantine for %g s: its actors ended %d workers within %g s",
                      mark.hex(), LENGTH, DEATHS, WITHIN)  # fmt: skip

    def snapshot(self, worker: Worker, name: str, epoch: int, sequence: int, state: bytes) -> bool:
        """Keep an actor's state for its next life; whether it is durable now. False: it is not its name's.

        Raises StoreError, and ValueError for one that is too large or malformed.
        """
        if not (isinstance(sequence, int) and isinstance(state, bytes)):
            raise ValueError("a state is bytes, and has a number")
        actor = worker.find(name, epoch)
        return actor is not None and self._ledger.keep_state(actor, sequence, state)

    def problem(self, worker: Worker, name: str, epoch: int, text: str) -> None:
        """Why the state of an actor cannot be kept, "" when it can."""
        if actor := worker.find(name, epoch):
            actor.problem = str(text)[:PROBLEM_LIMIT]

    def bury_dead(self, workers: list[Worker]) -> None:
        """Those of before this registry are dead for certain."""
        for worker in workers:
            log.info(
                "a worker of before this registry (pid %d) is dead, with %d actors", worker.pid, worker.load
            )
            self._bury(worker, proved=True)

    def link_ended(self, worker: Worker, node: Node) -> None:
        """A worker's link is gone: it is dead if its process is, else lost until its lease runs out."""
        if self._orders.nodes.get(worker.id) is not node:
            return  # it said goodbye, was given up, or came back by another link
        self._directory.unlink(worker)
        for delay in DEATH_CHECKS:
            gevent.sleep(delay)
            if self._orders.nodes.get(worker.id) is not node:
                return
            if is_gone(node.process):
                log.warning("worker %s (pid %d) died with %d actors",
                            worker.address, worker.pid, worker.load, extra=worker.fields)  # fmt: skip
                self._bury(worker, proved=True)
                return
        log.warning("worker %s is lost; its %d actors are given up unless it comes back within %g s",
                    worker.address, worker.load, self.lease, extra=worker.fields)  # fmt: skip

    def expire_leases(self) -> None:
        """For ever, bury the workers that showed no sign of life for the length of a lease."""
        step = min(1.0, self.lease / 4)
        self._look(step)
        while True:
            gevent.sleep(step)
            now = self._look(step)
            for worker in self._directory.expired(now):
                if self.lives(worker):
                    continue
                who = worker.address or f"of before this registry (pid {worker.pid})"
                log.warning("worker %s gave no sign of life for %g s; its %d actors are given up",
                            who, self.lease, worker.load, extra=worker.fields)  # fmt: skip
                self._bury(worker, proved=False)

    def silence(self, worker: Worker) -> float:
        """Seconds since its last sign of life, but for those in which this registry itself stood still."""
        return self._look(min(1.0, self.lease / 4)) - worker.last_beat

    def _look(self, step: float) -> float:
        """The time. Where that is looked at twice a ``step``, it tells of standstills."""
        now = time.monotonic()
        if now - self._looked > 2 * step:
            self._directory.extend_leases(now - self._looked)
        self._looked = now
        return now

    def given_up(self, worker: Worker, proved: bool) -> None:
        """No registry has heard it for the length of a lease; ``proved``: or one knows that it is dead."""
        log.warning("worker %s is dead or unheard of, by all registries; its %d actors are given up",
                    worker.address, worker.load, extra=worker.fields)  # fmt: skip
        self._bury_here(worker, proved=proved)

    def _bury(self, worker: Worker, *, proved: bool, reason: str = WORKER_LOST) -> None:
        if proved and self._sharing is not None:
            self._sharing.worker_gone(worker.id)
        self._bury_here(worker, proved=proved, reason=reason)

    def _bury_here(self, worker: Worker, *, proved: bool, reason: str = WORKER_LOST) -> None:
        self._directory.bury(worker, proved=proved, now=time.monotonic(), reason=reason)
        if self._sharing is not None:
            self._sharing.worker_forgotten(worker.id)
        node = self._orders.nodes.pop(worker.id, None)
        if node is not None:
            node.disconnect()
        self._changes.notify_all()
