"""What a registry shows of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stractory.http.metrics import Metrics, counter, counters_by, gauge, gauges
from stractory.http.rows import places
from stractory.net.counters import counters
from stractory.proof.proved import ProvedLinks
from stractory.registry.directory import Directory
from stractory.registry.records import State, Worker
from stractory.registry.service import Registry

if TYPE_CHECKING:
    from prometheus_client import Metric

WORKER_STATES = (State.AWAITED, State.RUNNING, State.LEAVING, State.LOST)


class RegistryMetrics(Metrics):
    def __init__(self, directory: Directory, registry: Registry, links: ProvedLinks) -> None:
        super().__init__(links)
        self._directory = directory
        self._registry = registry

    def own(self) -> Iterator[Metric]:
        yield gauges("actors", "Names that are taken", ("kind", "worker"), self._actors())
        states: Counter[tuple[str, ...]] = Counter({(state.value,): 0 for state in WORKER_STATES})
        states.update((worker.state.value,) for worker in self._directory.workers())
        yield gauges("workers", "Worker processes, those of isolated actors too", ("state",), states)
        yield gauge("registries", "Registries that share the store, this one too", self._registry.peers.count)
        yield gauge("store_failing", "1 while the store cannot be written", self._registry.cannot_keep)
        yield counters_by("outcome", "creates", "Calls of create", counters.creates)
        yield counters_by("outcome", "destroys", "Calls of destroy", counters.destroys)
        yield counter("restarts", "Lives of actors that were begun to follow one before", counters.restarts)

    def _actors(self) -> Counter[tuple[str, ...]]:
        """By kind and worker; an isolated one counts for who started its process: that address is kept."""
        counts: Counter[tuple[str, ...]] = Counter()
        for worker in places(self._directory):
            for kind, count in worker.kinds.items():
                counts[kind, self._place(worker)] += count
        return counts

    def _place(self, worker: Worker) -> str:
        parent = self._directory.find_worker(worker.parent) if worker.parent else None
        return (parent or worker).address
