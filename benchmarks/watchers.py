"""What pages cost a registry that many have open while actors come and go. Measured with --scale only."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import gevent
import gevent.socket
from bench import Bench
from measuring import HERE, processor_seconds
from rows import OURS, Row, measures

from stractory.net.address import Address, address

PAGES = 50
RATE = 1_000
"""Actors that come, and go, a second."""

NAMED, MANY = 1_000, 20_000
"""Actors that are there: few enough that pages draw each of them, and more than that."""

SECONDS = 10.0
SETTLING = 2.0

WATCHED = Row(
    "scale.pages", "processor time for {count} pages of 20,000 actors, of each second", "ms", count=PAGES
)
NAMED_WATCHED = Row("scale.pages-named", "the same, of 1,000 actors, each drawn", "ms", count=PAGES)


@measures(WATCHED, NAMED_WATCHED, by=OURS)
def pages(bench: Bench) -> tuple[float, float]:
    """Beyond what the same costs while nobody looks; 1,000 actors come and go a second."""
    count = bench.count(PAGES)
    return cost(MANY, count), cost(NAMED, count)


def cost(there: int, count: int) -> float:
    command = [sys.executable, str(HERE / "paged.py"), str(RATE), str(there)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # a program of ours
    try:
        where = address(process.stdout.readline().strip())
        unwatched = load(process.pid)
        with following(where, count):
            return load(process.pid) - unwatched
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def load(pid: int) -> float:
    """Milliseconds of processor time, of each second."""
    gevent.sleep(SETTLING)
    before, began = processor_seconds(pid), time.perf_counter()
    gevent.sleep(SECONDS)
    return (processor_seconds(pid) - before) / (time.perf_counter() - began) * 1e3


@contextlib.contextmanager
def following(where: Address, count: int) -> Iterator[None]:
    """So many pages open while the block runs, which take all that comes."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(gevent.socket.create_connection(where))
            sock.sendall(f"GET /api/events HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
            if not sock.recv(1024).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a page could not be opened")
            stack.callback(gevent.spawn(_read, sock).kill)
        yield


def _read(sock: gevent.socket.socket) -> None:
    while sock.recv(1024 * 1024):
        pass
