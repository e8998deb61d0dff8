"""What the registry does: the directory's decisions carried out over the links to the workers.

Every public method of :class:`Registry` may be called by several green threads at once; the directory
changes only between waits, so each decision is atomic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import gevent
from gevent.event import Event

from stractory.errors import ActorLost, ActorNotFound, CallError, CallTimeout, LinkError
from stractory.net.calls import Calls
from stractory.net.process import Process, is_gone
from stractory.registry.directory import Actor, Directory, State, Worker, check_name
from stractory.wire.info import ActorInfo, WorkerInfo
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

DEATH_CHECKS = (0.0, 0.05, 0.2, 0.75, 2.0)
"""Seconds between looks at a process whose link ended: sockets close a little before a process is gone."""

END_LIMIT = 15.0
"""Seconds that a worker has to end an actor, whose destroy() may take ten of them."""

SETTLING = 1.5
"""Seconds after its start in which a registry does not judge names it does not know.

Workers of a registry before it try every half a second to reach it, and bring their actors.
"""


class Node(NamedTuple):
    """A worker's link, as the registry uses it. ``disconnect`` ends it: the worker will register anew."""

    calls: Calls
    process: Process
    disconnect: Callable[[], None]


class Registry:
    """Places actors, remembers where they are, and notices when workers go. Never in the data path."""

    def __init__(self, directory: Directory, settling: float = SETTLING) -> None:
        self._directory = directory
        self._nodes: dict[bytes, Node] = {}
        self._changed: WeakValueDictionary[str, Event] = WeakValueDictionary()  # of names somebody waits for
        self._settled = Event()
        gevent.spawn_later(settling, self._settled.set)

    @property
    def lease(self) -> float:
        """Seconds without a sign of life after which a worker is given up."""
        return self._directory.lease

    # ---- for clients ---------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        packed: bytes,
        options: dict[str, Any],
        if_exists: str,
        create_id: bytes,
        public: bool,
        timeout: float,
    ) -> ActorInfo:
        """Start an actor on a worker; returns where it is.

        ``if_exists``: "error" raises ActorExists at once, "get" returns (waiting for a creation under way)
        the one there is, "replace" ends it first, waiting likewise. A repeated ``create_id`` is the same
        creation.
        """
        check_name(name)
        if if_exists not in ("error", "get", "replace"):
            raise ValueError(f"if_exists is 'error', 'get' or 'replace', not {if_exists!r}")
        deadline = time.monotonic() + timeout
        definition = Definition.unpack(packed)
        self._settle([name], timeout)
        while (known := self._directory.find(name)) is not None:
            wanted = if_exists == "get" or known.life.create_id == create_id
            if known.state is State.PENDING and (wanted or if_exists == "replace"):
                self._await_change(name, deadline - time.monotonic())
            elif wanted:
                return _info(known)
            else:
                break
        actor, replaced = self._directory.reserve(
            name,
            kind=definition.kind,
            runtime=definition.init.runtime,
            create_id=create_id,
            wall=time.time(),
            replace=if_exists == "replace",
            public=public,
            wrapped=definition.wrapper is not None,
        )
        if replaced is not None and not self._end(replaced, deadline - time.monotonic()):
            self._directory.remove(actor)
            self._notify(name)
            raise CallTimeout(f"the {name!r} that was to be replaced did not end in {timeout:g} s")
        if self._directory.find(name) is not actor:
            raise ActorLost(f"{name!r} was destroyed, or its worker left, before it was started")
        self._start(actor, packed, options, deadline - time.monotonic())
        return _info(actor)

    def _start(self, actor: Actor, packed: bytes, options: dict[str, Any], timeout: float) -> None:
        calls = self._nodes[actor.worker.id].calls
        try:
            calls.call("create", actor.life, packed, options, call_timeout=timeout)
        except BaseException as error:
            # Over a link that is well, an error is the worker's answer: nothing runs there.
            answered = isinstance(error, Exception) and not isinstance(error, CallTimeout)
            answered = answered and not calls.stream.closed
            self._directory.remove(actor, ended=answered)
            self._notify(actor.name)
            if not answered:
                self._end_copy(actor)
            if calls.stream.closed and isinstance(error, LinkError):
                raise ActorLost(
                    f"worker {actor.worker.address} went away while starting {actor.name!r}"
                ) from None
            if isinstance(error, CallTimeout):
                raise CallTimeout(f"the init of {actor.name!r} did not return in time") from None
            raise
        if not self._directory.confirm(actor):
            self._end_copy(actor)
            raise ActorLost(f"{actor.name!r} was destroyed, or its worker given up, while it was started")
        self._notify(actor.name)

    def destroy(self, name: str, timeout: float) -> None:
        """End an actor, also one that is being started; returns when its destroy() has run.

        Where its worker is out of reach it returns too: the actor is ended when the worker comes back.
        Raises ActorNotFound, and CallTimeout when destroy() takes longer; it goes on.
        """
        self._settle([name], timeout)
        actor = self._directory.find(name)
        if actor is None:
            raise ActorNotFound(f"no actor is named {name!r}")
        if not self._end(actor, timeout):
            raise CallTimeout(f"the destroy() of {name!r} did not return in {timeout:g} s; it goes on")

    def _end(self, actor: Actor, timeout: float) -> bool:
        """Have its worker end it, then free its name; whether in time. It is done in any case."""
        ending = gevent.spawn(self._end_in_order, actor)
        ending.join(timeout)
        return ending.ready()

    def _end_in_order(self, actor: Actor) -> None:
        node = self._nodes.get(actor.worker.id)
        ended = False
        try:
            if node is not None and actor.state is not State.LOST:
                node.calls.call("destroy", actor.name, actor.epoch, call_timeout=END_LIMIT)
                ended = True
        except (CallError, LinkError) as error:
            log.warning("actor %r on %s: %s", actor.name, actor.worker.address, error)
        finally:
            self._directory.remove(actor, ended=ended)
            self._notify(actor.name)

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
                self._await_change(name, None if deadline is None else deadline - time.monotonic())
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
        lives: list[Life],
    ) -> Worker:
        """A worker came, or came back, and serves ``create`` and ``destroy`` over ``node.calls``."""
        if before := self._nodes.get(id):
            before.disconnect()
        pid = node.process.pid
        worker, doomed = self._directory.register(
            id, address=address, pid=pid, runtime=runtime, lives=lives, now=time.monotonic()
        )
        self._nodes[id] = node
        log.info("worker %s (pid %d, %s) registered with %d actors", address, pid, runtime, worker.load)
        for actor in doomed:
            log.warning(
                "an actor named %r on %s was given up or has a successor: it is ended",
                actor.name,
                actor.worker.address,
            )
            self._end_copy(actor)
        for life in lives:
            self._notify(life.name)
        return worker

    def beat(self, worker: Worker) -> None:
        """A worker's sign of life."""
        self._directory.beat(worker, time.monotonic())

    def goodbye(self, worker: Worker) -> None:
        """A worker leaves of its own accord; its names are free."""
        log.info("worker %s said goodbye", worker.address)
        self._bury(worker, proved=True)

    def link_ended(self, worker: Worker, node: Node) -> None:
        """A worker's link is gone: it is dead if its process is, else lost until its lease runs out."""
        if self._nodes.get(worker.id) is not node:
            return  # it said goodbye, was given up, or came back by another link
        self._directory.unlink(worker)
        for delay in DEATH_CHECKS:
            gevent.sleep(delay)
            if self._nodes.get(worker.id) is not node:
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
        gone = self._directory.bury(worker, proved=proved)
        node = self._nodes.pop(worker.id, None)
        if node is not None:
            node.disconnect()
        for actor in gone:
            self._notify(actor.name)

    def _end_copy(self, actor: Actor) -> None:
        """Have a copy that is not the name's any more ended, as soon as its worker can be reached."""
        if node := self._nodes.get(actor.worker.id):
            gevent.spawn(self._end_over, node, actor)

    def _end_over(self, node: Node, actor: Actor) -> None:
        try:
            node.calls.call("destroy", actor.name, actor.epoch, call_timeout=END_LIMIT)
        except (CallError, LinkError) as error:
            log.warning("actor %r on %s: %s", actor.name, actor.worker.address, error)
        else:
            self._directory.ended(actor)

    def _notify(self, name: str) -> None:
        if event := self._changed.pop(name, None):
            event.set()

    def _await_change(self, name: str, timeout: float | None) -> None:
        event = self._changed.get(name)
        if event is None:
            event = self._changed[name] = Event()
        if not event.wait(timeout) and timeout is not None:
            raise CallTimeout(f"{name!r} was not there in time")

    def wake_waiters(self) -> None:
        """Let every wait() look again, at whether it is cancelled too."""
        for event in list(self._changed.values()):
            event.set()
        self._changed.clear()


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
