"""Which workers live, where several registries hear them: one is dead when none does any more.

What it had is then freed or made again by whichever registry is first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import gevent

from stractory.registry.changes import Changes
from stractory.registry.directory import Directory
from stractory.registry.orders import Orders
from stractory.registry.records import State, Worker
from stractory.store.interface import Sharing

OBJECTION = 1 / 3
"""Of a lease: in so long a registry that hears a worker tells so, though it is said to be dead."""

SILENT, LATELY = 0.75, 2.0
"""Of a lease: who was silent for so long has suspended what comes back, and is dead if the store says so.

Who was not heard for twice a lease may be heard by others alone.
"""

LINKED = frozenset({State.RUNNING, State.LEAVING})
"""States of a worker that is heard."""


class Living:
    """For the registry ``sharing``. ``ids``: the workers that the store has at the start.

    ``bury`` is told of workers that are dead, and whether that is proved. ``silence``: seconds since one was
    heard.
    """

    def __init__(
        self,
        directory: Directory,
        orders: Orders,
        changes: Changes,
        sharing: Sharing | None,
        ids: Collection[bytes],
        bury: Callable[[Worker, bool], None],
        silence: Callable[[Worker], float],
    ) -> None:
        self._directory = directory
        self._orders = orders
        self._changes = changes
        self._sharing = sharing
        self._ids = set(ids)
        self._doubted: set[bytes] = set()  # said to be dead: others may object
        self._bury = bury
        self._silence = silence

    def lives(self, worker: Worker) -> bool:
        """Whether some registry may hear it, though this one does not."""
        return worker.id in self._ids or worker.id in self._doubted

    def hear_there(self, id: bytes) -> None:
        """The store has it: a registry has heard it."""
        self._ids.add(id)
        if self._directory.hear_of(id, time.monotonic()):
            self._changes.notify_all()

    def hear_gone(self, id: bytes, proved: bool = False) -> None:
        """The store has it no more. One that stood still says that of workers which live.

        Who hears such a one objects, and the others wait for that.
        """
        self._ids.discard(id)
        worker = self._directory.find_worker(id)
        if worker is None:
            return
        leases = self._silence(worker) / self._directory.lease
        linked = bool(worker.parent) or worker.state in LINKED
        if proved or SILENT < leases < LATELY:
            self._bury(worker, proved)
        elif self._sharing is not None and linked and leases <= SILENT:
            gevent.spawn(self._sharing.worker_came, id)
        else:
            self._doubted.add(id)
            gevent.spawn(self._bury_unless_it_lives, worker)

    def hear_all(self, ids: Collection[bytes]) -> None:
        """The store has these, and no others."""
        for id in self._ids.difference(ids):
            self.hear_gone(id)
        for id in set(ids) - self._ids:
            self.hear_there(id)

    def _bury_unless_it_lives(self, worker: Worker) -> None:
        gevent.sleep(OBJECTION * self._directory.lease)
        self._doubted.discard(worker.id)
        heard = worker.id in self._orders.nodes and self._silence(worker) <= SILENT * self._directory.lease
        if not (heard or worker.id in self._ids) and self._directory.find_worker(worker.id) is worker:
            self._bury(worker, False)
