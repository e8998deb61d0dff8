"""What the registry does: the directory's decisions carried out over the links to the workers.

Every public method of :class:`Registry` may be called by several green threads at once; the directory
changes only between waits, so each decision is atomic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from stractory.errors import ActorExists, ActorNotFound, CallTimeout
from stractory.net.process import is_gone
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory, check_name
from stractory.registry.orders import Node, Orders
from stractory.registry.records import UNSETTLED, Actor, Worker
from stractory.wire.definitions import Definitions
from stractory.wire.info import ActorInfo, WorkerInfo
from stractory.wire.life import Report

log = logging.getLogger(__name__)

DEATH_CHECKS = (0.0, 0.05, 0.2, 0.75, 2.0)
"""Seconds between looks at a process whose link ended: sockets close a little before a process is gone."""

SETTLING = 1.5
"""Seconds after its start in which a registry does not judge names it does not know.

Workers of a registry before it try every half a second to reach it, and bring their actors.
"""


class Registry:
    """Places actors, remembers where they are, and notices when workers go. Never in the data path."""

    def __init__(self, directory: Directory, settling: float = SETTLING) -> None:
        self._directory = directory
        self._changes = Changes()
        self._orders = Orders(directory, self._changes)
        self._definitions = Definitions()
        self._settled = Event()
        gevent.spawn_later(settling, self._settled.set)

    @property
    def lease(self) -> float:
        """Seconds without a sign of life after which a worker is given up."""
        return self._directory.lease

    # ---- for clients ---------------------------------------------------------------------------------

    def define(self, packed: bytes) -> None:
        """Know a definition, from now on, by its digest."""
        self._definitions.add(packed)

    def create(
        self,
        name: str,
        digest: bytes,
        options: dict[str, Any],
        if_exists: str,
        create_id: bytes,
        public: bool,
        timeout: float,
    ) -> ActorInfo:
        """Start an actor on a worker; returns where it is. ``digest`` is of a definition sent before.

        ``if_exists``: "error" raises ActorExists at once, "get" returns the one there is, or raises that if
        it is of another kind, "replace" ends it first. Both wait for one that is being created or ended. A
        repeated ``create_id`` is the same creation.
        """
        check_name(name)
        if if_exists not in ("error", "get", "replace"):
            raise ValueError(f"if_exists is 'error', 'get' or 'replace', not {if_exists!r}")
        deadline = time.monotonic() + timeout
        definition = self._definitions.find(digest)
        self._settle([name], timeout)
        while True:
            if found := self._make_room(name, if_exists, create_id, deadline):
                if found.life.kind != definition.kind:
                    raise ActorExists(
                        f"the name {name!r} is taken by an actor of another kind: "
                        f"{found.life.kind}, not {definition.kind}",
                        epoch=found.epoch,
                    )
                return _info(found)
            if not left(deadline):
                raise CallTimeout(f"no time was left to start {name!r}")
            actor = self._directory.reserve(
                name,
                kind=definition.kind,
                runtime=definition.init.runtime,
                create_id=create_id,
                wall=time.time(),
                public=public,
                wrapped=definition.wrapper is not None,
            )
            if self._orders.start(actor, definition, options, deadline):
                return _info(actor)

    def _make_room(self, name: str, if_exists: str, create_id: bytes, deadline: float) -> Actor | None:
        """The actor that create() is to return; None when the name is free, or taken and that is an error."""
        while (known := self._directory.find(name)) is not None:
            own = known.life.create_id == create_id
            if if_exists == "error" and not own:
                return None
            if known.state in UNSETTLED:
                try:
                    self._changes.wait(name, deadline, f"{name!r} was still {known.state.value}")
                except CallTimeout:
                    if own:  # a registry before this one gave the order, and nobody else gives it up
                        self._orders.begin_end(known)
                    raise
            elif own or if_exists == "get":
                return known
            else:
                late = f"the {name!r} that was to be replaced did not end in time"
                self._orders.end(known, deadline, late)
        return None

    def destroy(self, name: str, timeout: float) -> None:
        """End an actor, also one that is being started; returns when its destroy() has run.

        Where its worker is out of reach it returns too: the actor is ended when the worker comes back.
        Raises ActorNotFound, and CallTimeout when destroy() takes longer; it goes on.
        """
        deadline = time.monotonic() + timeout
        self._settle([name], timeout)
        actor = self._directory.find(name)
        if actor is None:
            raise ActorNotFound(f"no actor is named {name!r}")
        late = f"the destroy() of {name!r} did not return in {timeout:g} s; it goes on"
        self._orders.end(actor, deadline, late)

    def lookup(self, names: list[str]) -> list[ActorInfo | None]:
        """Where each name is, None where there is no such actor."""
        self._settle(names)
        found: list[ActorInfo | None] = []
        for name in names:
            try:
                found.append(_info(self._directory.lookup(name)))
            except ActorNotFound:
                found.append(None)
        return found

    def wait(self, name: str, timeout: float | None, cancelled: Callable[[], bool]) -> ActorInfo:
        """Where ``name`` is, as soon as it runs. Raises CallTimeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not cancelled():
            try:
                return _info(self._directory.lookup(name))
            except ActorNotFound:
                self._changes.wait(name, deadline, f"{name!r} was not there in time")
        raise ActorNotFound(f"nobody waits for {name!r} any more")

    def list_actors(self, pattern: str) -> list[ActorInfo]:
        """Each actor whose name matches the shell-style ``pattern``."""
        return [_info(actor) for actor in self._directory.actors(pattern)]

    def list_workers(self) -> list[WorkerInfo]:
        """Each worker, lost ones too."""
        return [
            WorkerInfo(worker.address, worker.pid, worker.runtime, worker.load, worker.state.value)
            for worker in self._directory.workers()
        ]

    # ---- for workers ---------------------------------------------------------------------------------

    def register(
        self,
        node: Node,
        id: bytes,
        address: str,
        runtime: str,
        reports: list[Report],
    ) -> Worker:
        """A worker came, or came back, and serves ``create`` and ``destroy`` over ``node.calls``."""
        if before := self._orders.nodes.get(id):
            before.disconnect()
        pid = node.process.pid
        worker, doomed = self._directory.register(
            id, address=address, pid=pid, runtime=runtime, reports=reports, now=time.monotonic()
        )
        self._orders.nodes[id] = node
        log.info("worker %s (pid %d, %s) registered with %d actors", address, pid, runtime, worker.load)
        for actor in doomed:
            log.warning(
                "an actor named %r on %s was given up or has a successor: it is ended",
                actor.name,
                actor.worker.address,
            )
            self._orders.end_there(actor)
        self._changes.notify_all()  # names came, and names went
        return worker

    def started(self, worker: Worker, name: str, epoch: int) -> None:
        """What a worker reported as starting runs. Who ordered it may have asked another registry."""
        if (actor := worker.find(name, epoch)) and self._directory.confirm(actor):
            self._changes.notify(name)

    def ended(self, worker: Worker, name: str, epoch: int) -> None:
        """What a worker reported as starting or ending is not there any more."""
        if actor := worker.find(name, epoch):
            self._orders.ended(actor)

    def leaving(self, worker: Worker) -> None:
        """A worker is about to end its actors and say goodbye: it gets no new ones."""
        self._directory.leave(worker)

    def beat(self, worker: Worker) -> None:
        """A worker's sign of life."""
        self._directory.beat(worker, time.monotonic())

    def goodbye(self, worker: Worker) -> None:
        """A worker leaves of its own accord; its names are free."""
        log.info("worker %s said goodbye", worker.address)
        self._bury(worker, proved=True)

    def exited(self, worker: Worker, name: str, epoch: int, status: int) -> None:
        """An actor came to an end of its own accord, as a child process does."""
        if actor := worker.find(name, epoch):
            log.info("actor %r on %s exited with status %d", name, worker.address, status)
            self._orders.ended(actor)

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
                log.warning("worker %s (pid %d) died with %d actors", worker.address, worker.pid, worker.load)
                self._bury(worker, proved=True)
                return
        log.warning("worker %s is lost; its %d actors are given up unless it comes back within %g s",
                    worker.address, worker.load, self.lease)  # fmt: skip

    def expire_leases(self) -> None:
        """For ever, bury the workers that showed no sign of life for the length of a lease."""
        step = min(1.0, self.lease / 4)
        while True:
            began = time.monotonic()
            gevent.sleep(step)
            now = time.monotonic()
            if now - began > 2 * step:
                self._directory.extend_leases(now - began)
            for worker in self._directory.expired(now):
                log.warning("worker %s gave no sign of life for %g s; its %d actors are given up",
                            worker.address, self.lease, worker.load)  # fmt: skip
                self._bury(worker, proved=False)

    # ---- small parts -----------------------------------------------------------------------------------

    def _settle(self, names: list[str], timeout: float | None = None) -> None:
        """Wait, when this registry is young and does not know a name, for workers that may have it."""
        if not self._settled.is_set() and any(self._directory.find(name) is None for name in names):
            self._settled.wait(timeout)

    def _bury(self, worker: Worker, *, proved: bool) -> None:
        self._directory.bury(worker, proved=proved)
        node = self._orders.nodes.pop(worker.id, None)
        if node is not None:
            node.disconnect()
        self._changes.notify_all()

    def wake_waiters(self) -> None:
        """Let every wait() look again, at whether it is cancelled too."""
        self._changes.notify_all()


def _info(actor: Actor) -> ActorInfo:
    life = actor.life
    return ActorInfo(
        life.name,
        life.kind,
        actor.worker.address,
        life.epoch,
        actor.state.value,
        life.since,
        life.public,
        life.wrapped,
    )
