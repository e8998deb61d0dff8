"""What measurements are made of: rates, work by many green threads, daemons of their own, memory."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gevent

import stractory
from stractory.clients.deadline import Deadline
from stractory.clients.registry import RegistryLink
from stractory.net.address import address
from stractory.net.trust import Trust
from stractory.proof import keys

HERE = Path(__file__).resolve().parent
BIN = HERE.parent / "bin"
PAYLOAD = b"x" * 64
"""What goes there and back in every call and echo, ours and everybody else's."""

PATIENCE = 60.0
"""Seconds after which anything awaited has failed."""

GREEN_THREADS = 200


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second, if ``work`` does ``count``."""
    return count / seconds(work)


def each(work: Callable[[str], object], names: Sequence[str]) -> float:
    """The rate of ``work`` for each name, one after another."""

    def run() -> None:
        for name in names:
            work(name)

    return rate(len(names), run)


def repeated(work: Callable[..., object], count: int, *arguments: Any) -> float:
    """The rate of ``work(*arguments)``, one after another."""

    def run() -> None:
        for _ in range(count):
            work(*arguments)

    return rate(count, run)


def round_trips(stream: Any, count: int) -> float:
    """The rate at which PAYLOAD goes through an echo, one after another."""

    def run() -> None:
        for _ in range(count):
            stream.sendall(PAYLOAD)
            stream.recv(len(PAYLOAD))

    return rate(count, run)


def by_green_threads(work: Callable[[Any], object], items: Sequence[Any]) -> None:
    """Do it for each item: GREEN_THREADS of them take one after another from the same list.

    Raises the first error; the items after that are left out.
    """
    left = iter(items)
    failed: list[Exception] = []

    def pull() -> None:
        try:
            for item in left:
                if failed:
                    break
                work(item)
        except Exception as error:
            failed.append(error)

    gevent.joinall([gevent.spawn(pull) for _ in range(GREEN_THREADS)])
    if failed:
        raise failed[0]


def look_ups(registry: str, key_file: str, names: Sequence[str]) -> float:
    """The rate at which many green threads ask the registry for each of them, over one link."""
    key = keys.load(Path(key_file))
    deadline = Deadline(600)
    link = RegistryLink([address(registry)], lambda: key, lambda link: None, Trust())

    def look_up(name: str) -> None:
        link.call("lookup", [name], deadline=deadline)

    by_green_threads(look_up, names[:100])
    figure = rate(len(names), lambda: by_green_threads(look_up, names))
    link.close()
    return figure


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def resident(pid: int) -> int:
    """The bytes of memory that the process occupies."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """The processor time that the process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Running(NamedTuple):
    """A daemon: its ready line and its process."""

    line: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def daemon(ready: str, *command: str) -> Iterator[Running]:
    """A running program of bin/, from its ready line on. Raises RuntimeError when it ends before."""
    process = subprocess.Popen(  # noqa: S603  # a program of ours
        [sys.executable, str(BIN / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = next((line.strip() for line in process.stdout if ready in line), None)
        if line is None:
            raise RuntimeError(f"{command[0]} ended before it was ready")
        yield Running(line, process)
    finally:
        process.terminate()
        process.wait()


class Factory:
    """A registry of its own, with a key of its own; pools and workers as they are asked for.

    ``lasting``: its registry keeps its names on disk, as by default; ``keeping``: more arguments of how.
    ``tls``: all is encrypted.
    """

    def __init__(self, lasting: bool = True, tls: bool = False, keeping: Sequence[str] = ()) -> None:
        self._lasting = lasting
        self._keeping = keeping
        self._tls = f"--tls={'auto' if tls else 'no'}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Factory:
        with self._stack:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            self.key_file = f"{folder}/cluster.key"
            data = f"{folder}/registry" if self._lasting else "none"
            command = (
                "stractory",
                "--listen=0",
                f"--key-file={self.key_file}",
                f"--data-dir={data}",
                self._tls,
                *self._keeping,
            )
            line, self.registry = self._stack.enter_context(daemon("ready", *command))
            self.address = line.split()[-1]
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def pool(self, workers: int) -> None:
        """Returns when all are registered."""
        command = ("stractory-workers", f"--workers={workers}", *self._at)
        self._stack.enter_context(daemon("pool ready", *command))

    def worker(self) -> subprocess.Popen[str]:
        """A single worker's process, registered."""
        command = ("stractory-worker", "--listen=0", *self._at)
        return self._stack.enter_context(daemon("ready", *command)).process

    def client(self) -> stractory.Client:
        """A new one."""
        made = stractory.client(self.address, key_file=self.key_file)
        return self._stack.enter_context(made)

    @property
    def _at(self) -> tuple[str, ...]:
        return f"--registry={self.address}", f"--key-file={self.key_file}", self._tls
