"""What the benchmarks share: a factory of their own, rates, and a table of medians."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import stractory

BIN = Path(__file__).resolve().parent.parent / "bin"
ROUNDS = 3
PAYLOAD = b"x" * 64


@contextlib.contextmanager
def daemon(ready: str, *command: str) -> Iterator[str]:
    """A running program of bin/; its ready line."""
    process = subprocess.Popen(
        [sys.executable, str(BIN / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield next(line.strip() for line in process.stdout if ready in line)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def factory(workers: int) -> Iterator[stractory.Client]:
    """A client of a factory of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        key = f"--key-file={folder}/cluster.key"
        address = stack.enter_context(daemon("ready", "stractory", "--listen=0", key)).split()[-1]
        stack.enter_context(
            daemon("pool ready", "stractory-workers", f"--workers={workers}", f"--registry={address}", key)
        )
        yield stack.enter_context(stractory.client(address, key_file=f"{folder}/cluster.key"))


def rate(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def round_trips(stream: Any, count: int) -> float:
    def work() -> None:
        for _ in range(count):
            stream.sendall(PAYLOAD)
            stream.recv(len(PAYLOAD))

    return rate(count, work)


def plain(module: Any, port: int) -> Any:
    connection = module.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Table:
    """Figures by row, one a round."""

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def note(self, row: str, figure: float) -> None:
        self._rows.setdefault(row, []).append(figure)

    def show(self, title: str, base: str | None = None) -> None:
        """Medians, and how many times the ``base`` row that is."""
        print(f"\n{title}")
        medians = {row: statistics.median(figures) for row, figures in self._rows.items()}
        for row, median in medians.items():
            ratio = f"{median / medians[base]:8.2f} x" if base else ""
            print(f"  {row:34} {median:10,.0f} /s {ratio}   {[round(figure) for figure in self._rows[row]]}")


def each(work: Callable[[str], object], names: list[str]) -> float:
    """The rate of ``work`` for each name, one after another."""

    def run() -> None:
        for name in names:
            work(name)

    return rate(len(names), run)
