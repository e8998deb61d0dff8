"""Three registries on one etcd, with a pool whose workers are linked to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import stractory
from stractory.store.etcd import operations
from stractory.store.etcd.layout import Layout
from tests.support.cluster import ALL_IN_TLS, POOL_READY, Cluster, Daemon, until
from tests.support.etcd import Etcd
from tests.support.stores import settings_for

SIZE = 3
WORKERS = 4


class Registries(Cluster):
    """``addresses``: where they are. ``running``: those that are there now.

    The workers are told of the first ``told`` of them, and learn of the others from those.
    """

    def __init__(self, etcd: Etcd, *, lease: float = 3.0, told: int = 1, tls: bool = ALL_IN_TLS) -> None:
        self.prefix = etcd.new_prefix()
        settings = [*settings_for(etcd, self.prefix), f"--heartbeat-timeout={lease}", "--data-dir=none"]
        super().__init__(workers=WORKERS, tls=tls, registry_arguments=settings)
        self.addresses: list[str] = []
        self.running: dict[str, Daemon] = {}
        self._etcd = etcd
        self._told = told
        self._all: list[Daemon] = []

    def start(self) -> None:
        try:
            for _ in range(SIZE):
                self._start_registry("127.0.0.1:0")
                self.addresses.append(self.address)
            self.address = self.addresses[0]
            self.pool = self._start_pool()
            until(lambda: all(len(self.running_workers(where)) == WORKERS for where in self.addresses))
        except BaseException:
            self._abandon()
            raise

    def _start_registry(self, listen: str) -> None:
        super()._start_registry(listen)
        assert self.registry is not None
        self.running[self.address] = self.registry
        self.registry = None  # one of several

    def _start_pool(self) -> Daemon:
        registries = ",".join(self.addresses[: self._told])
        where = f"--workers={WORKERS}", f"--registry={registries}"
        pool = self.daemon("stractory-workers", *where, *self._arguments["stractory-workers"])
        pool.wait_line(POOL_READY)
        return pool

    def kill(self, address: str) -> None:
        """kill -9, of the registry there."""
        self.running.pop(address).kill()

    def start_again(self, address: str) -> None:
        """A registry that was killed."""
        self._start_registry(address)

    def _daemons(self) -> list[Daemon]:
        self._all = [*self.running.values(), *super()._daemons()]
        self.running.clear()
        return self._all

    def _end(self) -> dict[str, int]:
        statuses = super()._end()
        assert not any(daemon.process.returncode for daemon in self._all), self.errors()
        return statuses

    # ---- what they know ------------------------------------------------------------------------------

    def client(self, where: str | Sequence[str] | None = None, **options: Any) -> stractory.Client:
        """Of any of them, or of the one ``where``."""
        return stractory.client(where or self.addresses, key_file=self.key_file, **options)

    def running_workers(self, address: str) -> list[int]:
        """Their pids."""
        with self.client(address) as strac:
            return [worker.pid for worker in strac.workers() if worker.state == "running"]

    def names(self, address: str) -> dict[str, tuple[int, str, str]]:
        """What a registry has of each: epoch, worker, state."""
        with self.client(address) as strac:
            return {actor.name: (actor.epoch, actor.worker, actor.state) for actor in strac.list()}

    def agree(self) -> bool:
        """Whether all registries that are there have the same, and everything runs."""
        first, *others = [self.names(address) for address in self.running]
        return all(other == first for other in others) and {state for _, _, state in first.values()} <= {
            "running"
        }

    # ---- what etcd has -------------------------------------------------------------------------------

    def seats(self) -> int:
        """How many registries have one."""
        seats = self._seats()
        return len(self._etcd.client.range(operations.range_of(seats, operations.end_of(seats))).entries)

    def take_seats(self) -> None:
        """Those of all registries, as if their leases had ended."""
        seats = self._seats()
        for seat in self._etcd.client.range(operations.range_of(seats, operations.end_of(seats))).entries:
            self._etcd.client.transact([], [operations.delete(seat.key)])

    def _seats(self) -> bytes:
        return Layout(self.prefix, []).registries
