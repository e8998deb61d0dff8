"""Commands that look: ls, ps, info, wait, watch."""

from __future__ import annotations

import time
from typing import Any

from stractory.commands.ctl.reader import while_somebody_reads
from stractory.commands.ctl.session import Session, pattern_of
from stractory.commands.ctl.text import Column, clock, known, moment, span, yes
from stractory.errors import ActorNotFound, CallTimeout, WorkerUnavailable
from stractory.wire.changes import Change
from stractory.wire.facts import ActorFacts
from stractory.wire.info import ActorInfo, WorkerInfo

ACTORS = (
    *(Column("name"), Column("kind"), Column("state"), Column("worker"), Column("since", clock)),
    *(Column("restart"), Column("problem")),
)
ACTOR = (
    *(Column("name"), Column("kind"), Column("state"), Column("problem"), Column("worker"), Column("pid")),
    *(Column("python"), Column("epoch"), Column("since", clock), Column("uptime", span), Column("creator")),
    *(Column("restart"), Column("public", yes), Column("isolated", yes), Column("wrapped", yes)),
    *(Column("clients", known), Column("calls", known), Column("errors", known)),
    *(Column("last_error", known), Column("last_error_at", moment)),
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
    """One actor, where it runs, and how it does."""
    found = session.find(session.arguments.name)
    workers = session.client.workers(timeout=session.timeout)
    session.output.record(ACTOR, {**_with_place(found, workers), **_facts(session, found.name)})


def _with_place(found: ActorInfo, workers: list[WorkerInfo]) -> dict[str, Any]:
    place = next((worker for worker in workers if worker.address == found.worker), None)
    uptime = time.time() - found.since if found.state == "running" else None
    here = {"pid": place and place.pid, "python": place.python if place else "", "uptime": uptime}
    return {**found._asdict(), **here}


def _facts(session: Session, name: str) -> dict[str, Any]:
    """None for each where its worker does not tell."""
    try:
        return session.client.facts(name, timeout=session.timeout)._asdict()
    except (ActorNotFound, WorkerUnavailable):
        return dict.fromkeys(ActorFacts._fields)


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
