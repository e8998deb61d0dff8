"""Workers and actors as values of JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from stractory.registry.directory import Directory
from stractory.registry.records import Actor, State, Worker
from stractory.wire.facts import Load

Row = dict[str, Any]


def actor_row(actor: Actor) -> Row:
    """All that is known of it here."""
    row = actor.info._asdict()
    del row["wrapped"]
    return row


def short_row(actor: Actor) -> list[Any]:
    """What is drawn of it: name, kind, worker, state, epoch."""
    return [actor.name, actor.life.kind, actor.worker.address, actor.state.value, actor.epoch]


def worker_row(worker: Worker, parent: str, load: Load | None) -> Row:
    """All that is known of it. ``load``: what it tells of itself, if it does."""
    return {
        "address": worker.address,
        "pid": worker.pid,
        "python": worker.runtime,
        "state": worker.state.value,
        "isolated": bool(worker.parent),
        "parent": parent,
        "actors": worker.load,
        "kinds": dict(sorted(worker.kinds.items())),
        "load": load and _load_row(load),
    }


def _load_row(load: Load) -> Row:
    row: Row = load._asdict()
    del row["busiest"]
    return row


def worker_rows(directory: Directory, loads: Mapping[str, Load]) -> dict[str, Row]:
    """Each worker by its address; where one that is lost had that before, the one that has it now."""
    workers = [worker for worker in directory.workers() if worker.state is not State.AWAITED]
    by_id = {worker.id: worker.address for worker in workers}
    workers.sort(key=lambda worker: worker.state is not State.LOST)
    return {
        worker.address: worker_row(worker, by_id.get(worker.parent, ""), loads.get(worker.address))
        for worker in workers
    }


def total(directory: Directory) -> int:
    """How many names are taken."""
    return sum(place.load for place in places(directory))


def kinds(directory: Directory) -> dict[str, int]:
    """How many of them are of each kind."""
    counts: Counter[str] = Counter()
    for place in places(directory):
        counts.update(place.kinds)
    return dict(sorted(counts.items()))


def places(directory: Directory) -> Iterator[Worker]:
    """Where names are taken: the workers, and nowhere."""
    return chain(directory.workers(), [directory.nowhere])
