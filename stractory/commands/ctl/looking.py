"""Commands that look: ls, ps, info, wait, watch, top."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import gevent

from stractory.commands.ctl.reader import while_somebody_reads
from stractory.commands.ctl.session import Session, pattern_of
from stractory.commands.ctl.text import Column, clock, milliseconds, yes
from stractory.errors import CallTimeout
from stractory.wire.changes import Change
from stractory.wire.info import ActorInfo, WorkerInfo

ACTORS = (
    *(Column("name"), Column("kind"), Column("state"), Column("worker"), Column("since", clock)),
    *(Column("restart"), Column("problem")),
)
ACTOR = (
    *(Column("name"), Column("kind"), Column("state"), Column("problem"), Column("worker"), Column("pid")),
    *(Column("python"), Column("epoch"), Column("since", clock), Column("restart"), Column("public", yes)),
    *(Column("isolated", yes), Column("wrapped", yes)),
)
WORKERS = (
    *(Column("address"), Column("pid"), Column("state"), Column("actors"), Column("isolated", yes)),
    Column("python"),
)
CHANGES = (
    *(Column("time", clock), Column("change"), Column("name"), Column("kind"), Column("worker")),
    Column("reason", lambda reason: reason or ""),
)


def ls(session: Session) -> None:
    """The actors whose name matches."""
    found = sorted(session.client.list(session.arguments.pattern, timeout=session.timeout))
    if session.arguments.quiet:
        _names(session, [info.name for info in found])
    else:
        session.output.table(ACTORS, [info._asdict() for info in found])


def ps(session: Session) -> None:
    """The workers."""
    found = sorted(session.client.workers(timeout=session.timeout))
    if session.arguments.quiet:
        _names(session, [worker.address for worker in found])
    else:
        session.output.table(WORKERS, [worker._asdict() for worker in found])


def _names(session: Session, names: list[str]) -> None:
    if session.output.json:
        session.output.value(names)
    else:
        for name in names:
            session.output.value(name)


def info(session: Session) -> None:
    """One actor, and where it runs."""
    found = session.find(session.arguments.name)
    workers = session.client.workers(timeout=session.timeout)
    session.output.record(ACTOR, _with_place(found, workers))


def _with_place(found: ActorInfo, workers: list[WorkerInfo]) -> dict[str, Any]:
    place = next((worker for worker in workers if worker.address == found.worker), None)
    return {**found._asdict(), "pid": place and place.pid, "python": place.python if place else ""}


def wait(session: Session) -> None:
    """Until the actor runs."""
    name = session.arguments.name
    try:
        with session.client.watch(pattern_of(name), timeout=session.endless) as watch:
            found = next(each.actor for each in watch if each.name == name and each.kind != "died")
    except CallTimeout:
        raise CallTimeout(f"{name!r} did not run within {session.endless:g} s") from None
    session.output.row(ACTORS, found._asdict())


def watch(session: Session) -> None:
    """What happens to actors."""
    wanted = session.client.watch(session.arguments.pattern, timeout=session.endless)
    with while_somebody_reads(), wanted as changes:
        for change in changes:
            session.output.happened(CHANGES, _told(change, time.time()))


def _told(change: Change, now: float) -> dict[str, Any]:
    return {"time": now, "change": change.kind, "reason": change.reason, **change.actor._asdict()}


def top(session: Session) -> None:
    """The workers, live."""
    with session.output.frames() as show:
        for look in count(1):
            began = time.monotonic()
            workers = sorted(session.client.workers(timeout=session.timeout))
            took = milliseconds(time.monotonic() - began)
            there = f"{len(workers)} workers, {sum(worker.actors for worker in workers)} actors"
            title = f"{clock(time.time())}  {there}  (the registry answered in {took})"
            show(title, WORKERS, [worker._asdict() for worker in workers])
            if look == session.arguments.count:
                break
            gevent.sleep(session.arguments.interval)
