"""What it costs that actors come back, and how long it takes."""

from __future__ import annotations

import time

from actors import DEFINITION, WARM, create_all, destroy_all
from bench import Bench
from measuring import Factory, by_green_threads
from rows import OURS, Row, measures

IN_MEMORY = Row("lasting.creates-in-memory", "creates, 200 green threads, by a registry that keeps nothing")
FAIL_OVER = Row("lasting.fail-over", "{count} actors made again elsewhere, since the kill", "s", count=1_000)


@measures(IN_MEMORY, by=OURS)
def creates_in_memory(bench: Bench) -> float:
    with Factory(lasting=False) as factory:
        return creates_on_one(bench, factory)


def creates_on_one(bench: Bench, factory: Factory) -> float:
    """A second, on the only worker of ``factory``."""
    factory.pool(1)
    client = factory.client()
    warm = bench.names(WARM)
    create_all(client, warm)
    destroy_all(client, warm)
    return create_all(client, bench.names(bench.count(5_000)))


@measures(FAIL_OVER, by=OURS)
def fail_over(bench: Bench) -> float:
    """From kill -9 on: that the worker is dead is seen at once on the registry's own machine."""
    names = bench.names(bench.count(FAIL_OVER.count))
    with Factory() as factory:
        worker = factory.worker()
        client = factory.client()
        by_green_threads(lambda name: client.create(name, DEFINITION, restart="on-failure"), names)
        last = max(info.epoch for info in client.list())
        factory.worker()
        before = time.perf_counter()
        worker.kill()
        while not all(info.state == "running" and info.epoch > last for info in client.list()):
            time.sleep(0.05)
        return time.perf_counter() - before
