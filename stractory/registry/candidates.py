"""Which workers may get a new actor. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

from stractory.errors import NoCompatibleWorker, NoWorkers, WorkerFull
from stractory.registry.records import Worker

NOBODY: Mapping[Worker, str] = MappingProxyType({})


class Candidates:
    """Remembered until ``forget()``, which is due whenever a worker may have changed."""

    def __init__(self, policy: Callable[[Sequence[Any], Random], Any], random: Random) -> None:
        self._policy = policy
        self._random = random
        self._candidates: dict[str | None, list[Worker]] = {}  # by runtime

    def forget(self) -> None:
        self._candidates.clear()

    def set_full(self, worker: Worker, full: bool) -> None:
        """Whether it has no room for more."""
        if worker.full is not full:
            worker.full = full
            self.forget()

    def pick(
        self, workers: Iterable[Worker], runtime: str | None, refusals: Mapping[Worker, str] = NOBODY
    ) -> Worker:
        """One that runs code of this runtime, None being for any, and has room.

        ``refusals`` are those that have no room for this actor, and why. Raises NoWorkers,
        NoCompatibleWorker, and WorkerFull.
        """
        candidates = self._candidates.get(runtime)
        if candidates is None:
            alive = [worker for worker in workers if worker.takes_actors]
            if not alive:
                raise NoWorkers("no worker is registered; start some with stractory-workers")
            candidates = [worker for worker in alive if runtime in (None, worker.runtime)]
            if not candidates:
                offered = ", ".join(sorted({worker.runtime for worker in alive}))
                raise NoCompatibleWorker(
                    f"this actor's code travels and needs {runtime}; the workers are {offered}: start one "
                    "that takes it, or give init as 'package.module:function', which any imports"
                )
            candidates = [worker for worker in candidates if not worker.full]
            self._candidates[runtime] = candidates
        if refusals:
            candidates = [worker for worker in candidates if worker not in refusals]
        if not candidates:
            told = "".join(f" ({why})" for why in [*refusals.values()][-1:])
            raise WorkerFull(
                f"no worker has room for this actor{told}: "
                "start more workers, or raise their max-actors or their limit of descriptors (ulimit -n)"
            )
        worker: Worker = self._policy(candidates, self._random)
        return worker
