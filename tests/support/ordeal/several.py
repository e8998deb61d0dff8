"""A site of three registries and four workers, on an etcd of three members."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import stractory
from tests.support.cluster import Daemon
from tests.support.etcd import Etcd
from tests.support.ordeal.site import LEASE, Site
from tests.support.registries import WORKERS, Registries


class SeveralRegistries(Site):
    """Whoever comes is told of all registries but workers, which are told of two."""

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd
        self.registries = Registries(etcd, lease=LEASE, told=2)
        super().__init__(self.registries)

    def __enter__(self) -> SeveralRegistries:
        self.registries.start()
        self.log.touch()
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as ending:
            ending.callback(self.registries.close)
            self.etcd.mend()

    @property
    def _pools(self) -> Sequence[Daemon]:
        assert self.registries.pool is not None
        return [self.registries.pool]

    def client(self) -> stractory.Client:
        return self.registries.client()

    def is_whole(self) -> bool:
        return all(self._knows_all(address) for address in self.registries.addresses)

    def _knows_all(self, address: str) -> bool:
        with self.registries.client(address) as strac:
            return [worker.state for worker in strac.workers()] == ["running"] * WORKERS

    def lists(self) -> dict[str, set[tuple[str, int]]]:
        return {
            address: {(name, epoch) for name, (epoch, _, _) in self.registries.names(address).items()}
            for address in self.registries.addresses
        }
