"""Having a worker leave: it ends its actors in order, and those that come back do so elsewhere."""

from __future__ import annotations

import time

from stractory.errors import StractoryError, WorkerNotFound, WorkerUnavailable
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory
from stractory.registry.orders import Orders
from stractory.registry.records import Actor, State, Worker
from stractory.registry.renewals import PATIENCE, Renewals
from stractory.wire.info import ActorInfo

NO_NAME = ""
"""Of no actor: who waits for it is woken by what wakes everybody, as a worker's end does."""


class Draining:
    """What an operator asks for; the worker does as at SIGTERM."""

    def __init__(self, directory: Directory, orders: Orders, renewals: Renewals, changes: Changes) -> None:
        self._directory = directory
        self._orders = orders
        self._renewals = renewals
        self._changes = changes

    def drain(self, address: str, timeout: float) -> list[tuple[str, ActorInfo | None]]:
        """Have the worker at ``address`` end; returns when it has said goodbye.

        That is the name of each actor it had, and what has become of it: it comes back, and mostly is back
        by then, or None: it has ended. Raises WorkerNotFound, WorkerUnavailable, and CallTimeout when the
        worker takes longer; it goes on ending.
        """
        deadline = time.monotonic() + timeout
        worker = self._find(address)
        had = self._actors_of(worker)
        self._tell(worker, deadline)
        while self._directory.find_worker(worker.id) is worker:
            self._changes.wait(NO_NAME, deadline, f"worker {address} still ends its actors; it goes on")
        self._renewals.wait_for([actor.name for actor in had], min(PATIENCE, left(deadline)))
        return [(actor.name, self._next_life(actor)) for actor in had]

    def _find(self, address: str) -> Worker:
        found = [
            worker
            for worker in self._directory.workers()
            if worker.address == address and worker.state is not State.AWAITED
        ]
        if not found:
            raise WorkerNotFound(f"no worker has the address {address!r}")
        # One that is lost may have a successor at its address.
        worker = min(found, key=lambda worker: worker.state is State.LOST)
        if worker.parent:
            raise WorkerNotFound(f"{address} is the process of one isolated actor: destroy that")
        return worker

    def _actors_of(self, worker: Worker) -> list[Actor]:
        """Its own, and those in processes that it has started for them."""
        processes = [other for other in self._directory.workers() if other.parent == worker.id]
        return [actor for each in (worker, *processes) for actor in each.actors.values()]

    def _tell(self, worker: Worker, deadline: float) -> None:
        node = self._orders.nodes.get(worker.id)
        if node is None or worker.state is State.LOST:
            raise WorkerUnavailable(f"worker {worker.address} is lost: it cannot be told anything now")
        try:
            node.calls.call("leave", call_timeout=left(deadline))
        except (StractoryError, OSError) as error:
            raise WorkerUnavailable(f"worker {worker.address} was not told to leave: {error}") from None

    def _next_life(self, actor: Actor) -> ActorInfo | None:
        """Of one that comes back; else its name may have been taken by somebody else."""
        found = self._directory.find(actor.name) if actor.life.terms.comes_back else None
        return None if found is None else found.info
