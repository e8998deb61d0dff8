"""One client with very many actors and few descriptors: ``python benchmarks/crowd.py ADDRESS KEY COUNT``.

Creates them, connects to all, calls all, and prints its figures as JSON. A process of its own, so that its
memory is that of the connections and its limit of descriptors binds nobody else.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from calls import Counter
from measuring import PAYLOAD, by_green_threads, rate, resident
from served import service

import stractory

DESCRIPTORS = 256
PARTS = 10
"""Steps of the creation that are measured each."""

AT_ONCE = 1_000
"""Calls under way at a time."""


def main(address: str, key_file: str, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    client = stractory.client(address, key_file=key_file)
    figures = measured(client, [f"crowd.{index}" for index in range(count)])
    print(json.dumps(figures), flush=True)
    os._exit(0)  # the connections end with it; to take so many apart one by one would take long


def measured(client: stractory.Client, names: Sequence[str]) -> dict[str, Any]:
    """Rates a second, and bytes for each actor and each connection."""
    count, part = len(names), len(names) // PARTS
    worker = client.workers()[0].pid
    definition = stractory.rpc(service)
    client.create("first", definition)
    client.get("first").echo(PAYLOAD)
    memory, creates = [resident(worker)], []
    for begin in range(0, count, part):
        some = names[begin : begin + part]
        creates.append(rate(len(some), partial(create_all, client, definition, some)))
        memory.append(resident(worker))
    few = client.connect(names[:AT_ONCE])
    calls_few = rate(count, lambda: call_each(few * (count // len(few))))
    rooms: list[Any] = []
    before = occupied(worker)
    connects = rate(count, lambda: rooms.extend(client.connect(names, timeout=600)))
    after = occupied(worker)
    return {
        "part": part,
        "creates": creates,
        "memory": memory,
        "actor_memory": (memory[-1] - memory[0]) / count,
        "connects": connects,
        "stream_memory": (after - before) / count,
        "calls_few": calls_few,
        "calls": rate(count, lambda: call_each(rooms)),
    }


def create_all(client: stractory.Client, definition: Any, names: Sequence[str]) -> None:
    by_green_threads(lambda name: client.create(name, definition), names)


def call_each(rooms: Sequence[Any]) -> None:
    """Call each once, AT_ONCE of them at a time, with a callback for each answer."""
    for begin in range(0, len(rooms), AT_ONCE):
        some = rooms[begin : begin + AT_ONCE]
        counter = Counter(len(some))
        for room in some:
            room.echo.future(PAYLOAD).rawlink(counter)
        counter.wait()


def occupied(worker: int) -> int:
    """The bytes of memory of the worker and of this process, without garbage."""
    gc.collect()
    return resident(worker) + resident(os.getpid())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
