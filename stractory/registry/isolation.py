"""Actors with a process of their own: how the registry comes to a worker for one, and is rid of it.

A worker, the parent, starts the process. It registers as a worker that nothing is placed on, under an id that
only this registry, its parent and it itself know, and gets its one actor. While that blocks it can neither
give signs of life nor be told anything, so its parent vouches for it, ends it, and tells of its end.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

from stractory.errors import (
    ActorLost,
    ActorStartFailed,
    CallTimeout,
    StractoryError,
)
from stractory.net.calls import Calls
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory
from stractory.registry.records import Actor, State, Worker

UNUSED = 10.0
"""Seconds in which a registry uses a process that it has asked for, and the others hear of that."""


class Isolation:
    """``calls(id)``: those over the link of a worker, if there is one. ``has_peers``: whether another
    registry may have asked for a process.
    """

    def __init__(
        self,
        directory: Directory,
        changes: Changes,
        calls: Callable[[bytes], Calls | None],
        has_peers: Callable[[], bool],
    ) -> None:
        self._directory = directory
        self._changes = changes
        self._calls = calls
        self._has_peers = has_peers
        self._awaited: dict[bytes, str] = {}  # ids of processes that are to register, and for which name

    # ---- beginning -------------------------------------------------------------------------------------

    def begin(self, actor: Actor, deadline: float) -> None:
        """Have its worker start a process for it, and move it there.

        Raises WorkerFull when it takes no more of them, PlacementError when its worker is about to end,
        ActorStartFailed when the process does not come, and ActorLost when the actor is to start no more.
        """
        id = os.urandom(16)
        self._awaited[id] = actor.name
        try:
            if (calls := self._calls(actor.worker.id)) is None:
                raise ActorLost(f"worker {actor.worker.address} has no link to the registry")
            calls.call("isolate", id, call_timeout=left(deadline))
            while (child := self._directory.find_worker(id)) is None:
                self._check(id, actor)
                self._changes.wait(actor.name, deadline, "")
            child.asked_here = True
            self._check(id, actor)
            actor.move_to(child)
            self._directory.observers.changed(actor)
        except BaseException as error:
            self._end(actor.worker.id, id)
            if isinstance(error, CallTimeout):
                raise ActorStartFailed(f"the process for {actor.name!r} did not come in time") from None
            raise
        finally:
            self._awaited.pop(id, None)

    def _check(self, id: bytes, actor: Actor) -> None:
        if not self._pending(actor):
            raise ActorLost(f"{actor.name!r} was destroyed, or its worker given up, before it was started")
        if id not in self._awaited:
            raise ActorStartFailed(
                f"the process for {actor.name!r} ended at once; its worker's log tells why"
            )

    def _pending(self, actor: Actor) -> bool:
        return self._directory.find(actor.name) is actor and actor.state is State.PENDING

    # ---- while it lives --------------------------------------------------------------------------------

    def vouch(self, parent: Worker, ids: Iterable[bytes], now: float) -> list[bytes]:
        """These processes of its are alive. Returns those that are known."""
        children = [self._directory.find_worker(id) for id in ids]
        known = [child for child in children if child is not None and child.parent == parent.id]
        for child in known:
            self._directory.beat(child, now)
            self.end_if_idle(child)
        return [child.id for child in known]

    # ---- ending ----------------------------------------------------------------------------------------

    def end(self, worker: Worker) -> None:
        """If it was started for one actor, have its parent end it: in order, or else by force."""
        if worker.parent:
            self._end(worker.parent, worker.id)

    def end_if_idle(self, worker: Worker) -> None:
        """As end(), if nothing is left to do for it, or it is to end what it has: the order may be lost."""
        idle = all(actor.is_ending for actor in worker.actors.values())
        is_new = time.monotonic() - worker.registered < UNUSED
        others = is_new and not worker.asked_here and self._has_peers()  # who may be about to use it
        if worker.parent and idle and worker.id not in self._awaited and not others:
            self._end(worker.parent, worker.id)

    def _end(self, parent: bytes, id: bytes) -> None:
        if calls := self._calls(parent):
            with contextlib.suppress(StractoryError, OSError):  # over the next link it is vouched for again
                calls.post("end_child", (id,), {})

    def child_ended(self, id: bytes) -> None:
        """A process has ended, which may be one that is waited for."""
        if name := self._awaited.pop(id, None):
            self._changes.notify(name)
