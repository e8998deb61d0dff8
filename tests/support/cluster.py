"""A whole cluster for tests: a registry and a pool of workers, real processes with a key of their own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stractory import testing
from stractory.testing import PATIENCE, POOL, POOL_READY, REGISTRY, REGISTRY_READY, Daemon

BIN = Path(__file__).resolve().parents[2] / "bin"
ALL_IN_TLS = bool(os.environ.get("TESTS_IN_TLS"))
"""Whether clusters use TLS of which it is not said: for a run of all tests over it."""
__all__ = ["ALL_IN_TLS", "BIN", "PATIENCE", "POOL_READY", "REGISTRY_READY", "Cluster", "Daemon"]
__all__ += ["alive", "stop_for", "until"]


def until(predicate: Callable[[], Any], timeout: float = PATIENCE, step: float = 0.02) -> Any:
    """The first true value of ``predicate``; AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < deadline, f"not so within {timeout:g} s: {predicate}"
        time.sleep(step)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop_for(pid: int, seconds: float, meanwhile: Callable[[], Any]) -> None:
    """SIGSTOP, and SIGCONT so much later; then, but before it goes on, do ``meanwhile``."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    meanwhile()
    os.kill(pid, signal.SIGCONT)


class Cluster(testing.Cluster):
    """``workers`` of 0 is a registry only, with ``tls`` all is encrypted.

    Entering starts it; leaving ends it and checks the statuses.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        respawn_delay: float = 0.2,
        tls: bool = ALL_IN_TLS,
        registry_arguments: Sequence[str] = (),
        pool_arguments: Sequence[str] = (),
    ) -> None:
        both = ["--tls=auto"] if tls else []
        pool = [*both, f"--respawn-delay={respawn_delay}", *pool_arguments]
        super().__init__(workers, arguments={REGISTRY: [*both, *registry_arguments], POOL: pool})
        pool.insert(0, f"--working-dir={self.folder}")

    def kill_registry(self) -> None:
        assert self.registry is not None
        self.registry.kill()
        self.registry = None

    def restart_registry(self) -> None:
        """kill -9, then a new one on the same port."""
        if self.registry is not None:
            self.kill_registry()
        self._start_registry(self.address)

    def _end(self) -> dict[str, int]:
        statuses = super()._end()
        assert not any(statuses.values()), f"{statuses}\n{self.errors()}"
        return statuses

    def __enter__(self) -> Cluster:
        self.start()
        return self
