"""What an ordeal is held at: a factory whose processes can be killed, and that knows what ran in them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import stractory
from tests.support.cluster import POOL_READY, Cluster, Daemon
from tests.support.faults import Wire, descriptors, green_threads, look_inside, resident
from tests.support.history import Copy

LEASE = 2.0


class Gauge(NamedTuple):
    """What a daemon needs: memory in MiB, descriptors, green threads."""

    memory: float
    descriptors: int
    green_threads: int

    def __str__(self) -> str:
        return f"{self.memory:.1f}/{self.descriptors}/{self.green_threads}"


class Site(ABC):
    """``log``: where actors write down when they begin and end. ``spared``: workers that are not harmed."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.log = cluster.folder / "copies.log"
        self.spared: frozenset[int] = frozenset()
        self._deaths: dict[int, float] = {}  # when a pid was killed

    @property
    @abstractmethod
    def _pools(self) -> Sequence[Daemon]:
        """Whose children are the workers."""

    @abstractmethod
    def client(self) -> stractory.Client:
        """Of the factory, by whichever registry."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Whether all workers that there should be are registered, and no others known."""

    @abstractmethod
    def lists(self) -> dict[str, set[tuple[str, int]]]:
        """Names and epochs of what each registry has, by its address."""

    def worker_pids(self) -> list[int]:
        """Those of the workers that run now."""
        found = [Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text() for pool in self._pools]
        return [int(pid) for pids in found for pid in pids.split()]

    def kill(self, pid: int) -> None:
        """kill -9, of a worker."""
        self._deaths[pid] = time.monotonic()
        os.kill(pid, signal.SIGKILL)

    def copies(self) -> list[Copy]:
        """All lives of actors so far. One whose process was killed has stopped with it."""
        copies: dict[tuple[str, int, int], Copy] = {}
        for line in self.log.read_text().splitlines():
            what, name, epoch, pid, when = json.loads(line)
            key = (name, epoch, pid)
            if what == "start":
                copies[key] = Copy(name, epoch, when, self._deaths.get(pid, math.inf))
            else:
                copies[key] = copies[key]._replace(stop=when)
        return list(copies.values())


class OneRegistry(Site):
    """And pools of one worker that each have a wire of their own to it."""

    def __init__(self, workers: int) -> None:
        super().__init__(Cluster(workers=0, registry_arguments=[f"--heartbeat-timeout={LEASE}"]))
        self.cluster.env |= look_inside(self.cluster.folder)
        self.wires: list[Wire] = []
        self.pools: list[Daemon] = []
        self._workers = workers

    def __enter__(self) -> OneRegistry:
        self.cluster.start()
        self.log.touch()
        for _ in range(self._workers):
            wire = Wire(self.cluster.address, self.cluster.key_file)
            self.wires.append(wire)
            arguments = ["--workers=1", f"--registry={wire.address}", "--respawn-delay=0.1"]
            self.pools.append(self.cluster.daemon("stractory-workers", *arguments))
        for pool in self.pools:
            pool.wait_line(POOL_READY)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.closing(self.cluster):
            statuses = [pool.end() for pool in self.pools]
            for wire in self.wires:
                wire.close()
        assert not any(statuses), statuses

    @property
    def _pools(self) -> Sequence[Daemon]:
        return self.pools

    @property
    def registry_pid(self) -> int:
        assert self.cluster.registry is not None
        return self.cluster.registry.pid

    def client(self) -> stractory.Client:
        return self.cluster.client()

    def is_whole(self) -> bool:
        with self.client() as strac:
            return [worker.state for worker in strac.workers()] == ["running"] * self._workers

    def lists(self) -> dict[str, set[tuple[str, int]]]:
        with self.client() as strac:
            return {self.cluster.address: {(info.name, info.epoch) for info in strac.list()}}

    def gauge(self, pid: int) -> Gauge:
        """What a daemon needs now."""
        return Gauge(resident(pid) / (1 << 20), descriptors(pid), green_threads(self.cluster.folder, pid))
