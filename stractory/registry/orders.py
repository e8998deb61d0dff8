"""The registry's orders to workers: start this actor, end that one; and what becomes of the name meanwhile.

An order to end goes on though nobody waits for it. The name is held until it is known to be over, because an
actor whose destroy() still runs may hold what the next one of its name needs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import gevent

from stractory.errors import (
    ActorLost,
    ActorNotPublic,
    ActorNotShippable,
    ActorStartFailed,
    CallTimeout,
    PlacementError,
    PortUnavailable,
    StoreError,
    StractoryError,
    UnknownDefinition,
    WorkerFull,
)
from stractory.net.calls import Calls
from stractory.net.process import Process
from stractory.proof.keys import Key
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory
from stractory.registry.isolation import Isolation
from stractory.registry.ledger import Ledger, NameTaken
from stractory.registry.records import Actor, State
from stractory.wire.changes import DESTROYED
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)


HEARSAY = 1.0
"""Seconds in which it is known what another registry has done; else the store is asked again."""

REFUSALS = (StoreError, ActorNotShippable, ActorStartFailed, ActorNotPublic, PortUnavailable, WorkerFull)
"""With these an actor does not start, for certain."""


class Node(NamedTuple):
    """A worker's link, as the registry uses it. ``disconnect`` ends it: the worker will register anew.

    ``defined``: the digests of the definitions that it was told. ``key``: by which it proved itself.
    """

    calls: Calls
    process: Process
    disconnect: Callable[[], None]
    defined: set[bytes]
    key: Key | None = None


class Orders:
    """``nodes`` are the links of the workers, by id; whoever registers workers keeps them.

    ``isolation``: what is different about actors with a process of their own. ``has_peers``: whether another
    registry may have a link to a worker that this one cannot reach.
    """

    def __init__(self, directory: Directory, ledger: Ledger, changes: Changes) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.has_peers: Callable[[], bool] = lambda: False
        self.isolation = Isolation(directory, changes, self._calls, lambda: self.has_peers())
        self._directory = directory
        self._ledger = ledger
        self._changes = changes

    def _calls(self, id: bytes) -> Calls | None:
        node = self.nodes.get(id)
        return None if node is None else node.calls

    # ---- starting --------------------------------------------------------------------------------------

    def _order(
        self,
        node: Node,
        life: Life,
        definition: Definition,
        options: dict[str, Any],
        state: bytes | None,
        deadline: float,
    ) -> None:
        for last in (False, True):
            if definition.digest not in node.defined:
                node.calls.post("define", (definition.packed,), {})
                node.defined.add(definition.digest)
            try:
                order = life, definition.digest, options, state
                node.calls.call("create", *order, call_timeout=left(deadline))
                return
            except UnknownDefinition:  # it has had many others since
                if last:
                    raise
                node.defined.discard(definition.digest)

    def start(self, actor: Actor, definition: Definition, options: dict[str, Any], deadline: float) -> bool:
        """Whether it runs. False when its worker is about to end: try another, once the name is free; or when
        another registry was first to give it away.

        One that is kept already was promised by another registry, which may not have come to order it. A
        worker that was told twice starts it once.

        Raises StoreError when it cannot be kept, and its worker has heard nothing of it; the other REFUSALS
        (with WorkerFull try another), CallTimeout, and ActorLost for the rest.
        """
        try:
            state = None if actor.kept else self._keep(actor, deadline)
            actor.promised_by = b""
            if actor.is_ending:
                raise ActorLost(f"{actor.name!r} was destroyed before it was started")
            if self._directory.find(actor.name) is not actor:  # its worker has gone meanwhile
                return False
            self._order(self.nodes[actor.worker.id], actor.life, definition, options, state, deadline)
        except REFUSALS:
            actor.ended_here = True
            self.ended(actor)
            raise
        except NameTaken:
            self._withdraw(actor, deadline)
            return False
        except PlacementError:
            self._directory.leave(actor.worker)
            actor.ended_here = True
            self.ended(actor)
            return False
        except BaseException as error:
            destroyed = actor.is_ending
            actor.ended_here = True
            if actor.replaces is None:  # nor may the next registry have it made again
                self._directory.let_go(actor)
            self.begin_end(actor)  # it may run there, now or later
            if isinstance(error, CallTimeout):
                raise CallTimeout(f"the init of {actor.name!r} did not return in time") from None
            if not isinstance(error, Exception):
                raise
            if destroyed:
                raise ActorLost(f"{actor.name!r} was destroyed before it was started") from None
            if actor.worker.state is State.LEAVING:
                return False
            worker = f"worker {actor.worker.address}"
            why = str(error).removeprefix(f"{worker}: ")  # as errors of its link say too
            raise ActorLost(f"{worker} did not start {actor.name!r}: {why}") from None
        if not self._directory.confirm(actor, time.monotonic()):
            if actor.worker.id in self.nodes and not actor.worker.find(actor.name, actor.epoch):
                self.end_there(actor)  # who has freed its name found nothing there to end
            raise ActorLost(f"{actor.name!r} was destroyed, or its worker given up, while it was started")
        self._changes.notify(actor.name)
        return True

    def _keep(self, actor: Actor, deadline: float) -> bytes | None:
        """As Ledger.write(), with a worker of its own if it is to have one."""
        if actor.life.terms.isolate:
            self.isolation.begin(actor, deadline)
        return self._ledger.write(actor)

    def _withdraw(self, actor: Actor, deadline: float) -> None:
        """Another registry was first; returns when it is known with what."""
        self._directory.withdraw(actor)
        self.isolation.end_if_idle(actor.worker)
        self._changes.notify(actor.name)
        known = self._directory.find(actor.name)
        if known is None or known.state is State.WAITING:
            with suppress(CallTimeout):
                self._changes.wait(actor.name, min(deadline, time.monotonic() + HEARSAY), "")
        if known is not None and self._directory.find(actor.name) is known and known.state is State.WAITING:
            self._directory.observers.set_aside(known)

    def can_take_over(self, actor: Actor) -> bool:
        """Whether another registry has promised it, and it can be started from here."""
        promised = actor.state is State.PENDING and bool(actor.promised_by)
        linked = actor.worker.id in self.nodes and actor.worker.state is not State.LOST
        return promised and linked

    # ---- ending ----------------------------------------------------------------------------------------

    def end(self, actor: Actor, deadline: float, late: str) -> None:
        """Have it ended and wait until its name is free. Raises CallTimeout, with the text ``late``."""
        self.end_for_good(actor)
        while self._directory.find(actor.name) is actor:
            self._changes.wait(actor.name, deadline, late)

    def end_for_good(self, actor: Actor) -> None:
        """Have it ended, and not made again; where it cannot run, its name is free at once."""
        actor.ended_here = True
        self._directory.let_go(actor)
        # Of one that comes back there are no two: it may serve until its lease is over, and holds its name.
        # Nor is it given up where another registry may reach it.
        held = actor.life.terms.comes_back or self.has_peers()
        lost = actor.state is State.LOST and not held
        if lost or actor.state is State.WAITING:
            self._directory.give_up(actor)
            self._changes.notify(actor.name)
        else:
            self.begin_end(actor)

    def begin_end(self, actor: Actor) -> None:
        """Have it ended, unless that is under way."""
        if self._directory.begin_end(actor):
            self.end_there(actor)

    def end_there(self, actor: Actor) -> None:
        """Have its worker end it, the holder of its name or a mere copy, if that can be reached."""
        if node := self.nodes.get(actor.worker.id):
            gevent.spawn(self._end_over, node, actor)
        elif self.has_peers():
            self._ledger.tell_end(actor)  # whichever has its link sees to it
        self.isolation.end(actor.worker)

    def _end_over(self, node: Node, actor: Actor) -> None:
        """Without a limit: the worker has its own, and until it answers nobody knows."""
        try:
            node.calls.call("destroy", actor.name, actor.epoch, call_timeout=None)
        except (StractoryError, OSError) as error:  # the worker says what became of it when it is back
            log.warning("actor %r on %s: %s", actor.name, actor.worker.address, error, extra=actor.fields)
            if self.has_peers():  # or another sees to it
                self._ledger.tell_end(actor)
        else:
            self.ended(actor)

    def ended(self, actor: Actor, reason: str = DESTROYED) -> None:
        """It is not on its worker any more."""
        self._directory.ended(actor, reason)
        self.isolation.end_if_idle(actor.worker)
        self._changes.notify(actor.name)
