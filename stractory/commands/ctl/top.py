"""The command top: workers, and the busiest of their actors, live."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from stractory.commands.ctl.keyboard import keys
from stractory.commands.ctl.output import Tables
from stractory.commands.ctl.session import Session
from stractory.commands.ctl.text import Column, clock, known, milliseconds, per_second, percent, size
from stractory.wire.facts import Load
from stractory.wire.info import WorkerInfo
from stractory.wire.rates import ActorRate, Rates, WorkerRates

BUSIEST = 20
"""Most actors that are shown."""

WORKERS = (
    *(Column("address"), Column("pid"), Column("state"), Column("actors"), Column("cpu", percent)),
    *(
        Column("memory", size),
        Column("calls", per_second, "calls/s"),
        Column("errors", per_second, "errors/s"),
    ),
    *(Column("links", known), Column("lag", milliseconds)),
)
ACTORS = (Column("calls", per_second, "calls/s"), Column("name"), Column("worker"))


def top(session: Session) -> None:
    """Workers and the busiest actors, until a key or ``--count`` ends it."""
    rates = Rates()
    with session.output.frames() as show, keys() as pressed:
        for look in count(1):
            title, tables = _look(session, rates)
            show(title, tables)
            if look == session.arguments.count or pressed(session.arguments.interval) in ("q", "Q"):
                break


def _look(session: Session, rates: Rates) -> tuple[str, Tables]:
    began = time.monotonic()
    workers = session.client.workers(timeout=session.timeout)
    took = milliseconds(time.monotonic() - began)
    loads = session.client.load(timeout=session.timeout)
    rates.see(loads)
    there = f"{len(workers)} workers, {sum(worker.actors for worker in workers)} actors"
    title = f"{clock(time.time())}  {there}  (the registry answered in {took})"
    busy = [worker_row(worker, loads.get(worker.address), rates.worker(worker.address)) for worker in workers]
    actors = [*map(ActorRate._asdict, rates.busiest(BUSIEST))]
    return title, {"workers": (WORKERS, sorted(busy, key=_by_work)), "actors": (ACTORS, actors)}


def worker_row(worker: WorkerInfo, load: Load | None, rates: WorkerRates | None) -> dict[str, Any]:
    """``cpu`` in percent of one core; ``calls`` and ``errors`` a second. None is what is not known."""
    return {
        **worker._asdict(),
        "cpu": rates and 100 * rates.cpu,
        "memory": load and load.memory,
        "calls": rates and rates.calls,
        "errors": rates and rates.errors,
        "links": load and load.links,
        "lag": load and load.lag,
    }


def _by_work(row: dict[str, Any]) -> Any:
    """The busiest first, and those of whom nothing is known last."""
    return -(row["cpu"] or 0.0), row["address"]
