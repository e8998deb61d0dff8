"""Large numbers: actors, names, workers, and all connections lost at once. Measured with --scale only."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import gevent
from actors import create_all
from bench import Bench
from calls import Counter
from measuring import (
    HERE,
    Factory,
    by_green_threads,
    look_ups,
    processor_seconds,
)
from rows import OURS, Row, measures
from served import service

import stractory

ACTORS = 100_000

FIRST = Row("scale.creates-first", "creates of {count} actors on one worker, the first tenth", count=ACTORS)
LAST = Row("scale.creates-last", "creates of {count} actors on one worker, the last tenth", count=ACTORS)
ACTOR = Row("scale.actor-memory", "memory of an idle actor", "KB")
CONNECTS = Row("scale.connects", "connects to {count} from one process with 256 descriptors", count=ACTORS)
STREAM = Row("scale.stream-memory", "memory of a connected stream, both processes", "KB")
CALLS_FEW = Row("scale.calls-few", "calls, 1,000 at once, over 1,000 connections")
CALLS = Row("scale.calls", "calls, 1,000 at once, over {count} connections", count=ACTORS)
NAMES = Row("scale.names-memory", "memory of a registry with {count} names", "MB", count=1_000_000)
FILLING = Row("scale.names-made", "names made in it, no network")
LOOK_UPS = Row("scale.look-ups", "look-ups in it over a link, 200 green threads")
READY = Row("scale.workers-ready", "{count} workers registered at once", "s", count=200)
LOAD = Row("scale.registry-load", "processor time of their idle registry, of each second", "ms")
ONE_WORKER = Row("scale.worker-creates", "creates over one such worker")
WORKERS = Row("scale.workers-creates", "creates over {count} such workers", count=200)
TOLD = Row("scale.storm-told", "{count} streams told that their worker was killed", "s", count=10_000)
REPLACED = Row("scale.storm-replaced", "all their actors made anew elsewhere, since the kill", "s")
AGAIN = Row("scale.storm-again", "all connected again, since the kill", "s")

IDLE = 5.0
"""Seconds for which the registry is watched."""


@contextlib.contextmanager
def program(name: str, *arguments: object) -> Iterator[str]:
    """A program of this folder, from its first line on. Raises RuntimeError when there is none."""
    command = [sys.executable, str(HERE / f"{name}.py"), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # a program of ours
    try:
        if not (line := process.stdout.readline()):
            raise RuntimeError(f"{name} ended before it was done; its words are above")
        yield line
    finally:
        process.kill()
        process.wait()


@measures(FIRST, LAST, ACTOR, CONNECTS, STREAM, CALLS_FEW, CALLS, by=OURS)
def many_actors(bench: Bench) -> tuple[float, ...]:
    with Factory() as factory:
        factory.pool(1)
        count = bench.count(ACTORS)
        with program("crowd", factory.address, factory.key_file, count) as line:
            told = json.loads(line)
    parts = range(1, len(told["creates"]) + 1)
    bench.curves["creates"] = [(part * told["part"], told["creates"][part - 1]) for part in parts]
    bench.curves["memory"] = [(part * told["part"], told["memory"][part] / 1e6) for part in (0, *parts)]
    return (
        told["creates"][0],
        told["creates"][-1],
        told["actor_memory"] / 1e3,
        told["connects"],
        told["stream_memory"] / 1e3,
        told["calls_few"],
        told["calls"],
    )


@measures(NAMES, FILLING, LOOK_UPS, by=OURS)
def many_names(bench: Bench) -> tuple[float, ...]:
    count = bench.count(1_000_000)
    with tempfile.TemporaryDirectory() as folder, program("many_names", f"{folder}/key", count) as line:
        told = json.loads(line)
        names = [f"name.{index}" for index in range(0, count, max(1, count // 50_000))]
        figure = look_ups(told["address"], f"{folder}/key", names)
    return told["memory"] / 1e6, count / told["seconds"], figure


@measures(READY, LOAD, WORKERS, by=OURS)
def many_workers(bench: Bench) -> tuple[float, ...]:
    return created_over(bench, bench.count(200))


@measures(ONE_WORKER, by=OURS)
def one_worker(bench: Bench) -> float:
    return created_over(bench, 1)[-1]


def created_over(bench: Bench, workers: int) -> tuple[float, float, float]:
    """Seconds until all are registered, milliseconds a second of the idle registry, creates a second."""
    with Factory() as factory, program("many_workers", factory.address, factory.key_file, workers) as line:
        pid = factory.registry.pid
        before = processor_seconds(pid)
        gevent.sleep(IDLE)
        load = (processor_seconds(pid) - before) / IDLE * 1e3
        client = factory.client()
        create_all(client, bench.names(10 * workers))  # each has the definition then
        return float(line), load, create_all(client, bench.names(bench.count(10_000)))


@measures(TOLD, REPLACED, AGAIN, by=OURS)
def storm(bench: Bench) -> tuple[float, ...]:
    """One client hears of the kill, has successors made on another worker and connects to them."""
    definition = stractory.rpc(service)
    names = bench.names(bench.count(10_000))
    with Factory() as factory:
        killed = factory.worker()
        client = factory.client()
        by_green_threads(lambda name: client.create(name, definition), names)
        rooms: list[Any] = client.connect(names, timeout=600)
        factory.worker()
        told = Counter(len(rooms))
        for room in rooms:
            room.on_close(told)
        killed.kill()
        began = time.perf_counter()
        told.wait()
        heard = time.perf_counter() - began
        by_green_threads(lambda name: client.create(name, definition, if_exists="replace"), names)
        replaced = time.perf_counter() - began
        client.connect(names, timeout=600)
        return heard, replaced, time.perf_counter() - began
