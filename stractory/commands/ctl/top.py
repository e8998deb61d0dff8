"""The command top: workers, and the busiest of their actors, live."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from stractory.commands.ctl.keyboard import keys
from stractory.commands.ctl.output import Tables
from stractory.commands.ctl.rates import Rates
from stractory.commands.ctl.session import Session
from stractory.commands.ctl.text import Column, clock, known, milliseconds, per_second, percent, size
from stractory.wire.info import WorkerInfo

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
    rates.see(session.client.load(timeout=session.timeout), time.monotonic())
    there = f"{len(workers)} workers, {sum(worker.actors for worker in workers)} actors"
    title = f"{clock(time.time())}  {there}  (the registry answered in {took})"
    rows = sorted((_row(worker, rates) for worker in workers), key=_by_work)
    return title, {"workers": (WORKERS, rows), "actors": (ACTORS, rates.busiest(BUSIEST))}


def _row(worker: WorkerInfo, rates: Rates) -> dict[str, Any]:
    return {**worker._asdict(), **rates.worker(worker.address)}


def _by_work(row: dict[str, Any]) -> Any:
    """The busiest first, and those of whom nothing is known last."""
    return -(row["cpu"] or 0.0), row["address"]
