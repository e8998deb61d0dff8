"""Commands that change something: create, destroy, drain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gevent.pool import Pool

from stractory.commands.ctl.exits import WELL, status_of
from stractory.commands.ctl.looking import ACTORS
from stractory.commands.ctl.output import complain
from stractory.commands.ctl.session import Session, plain_mistakes
from stractory.commands.ctl.text import Column, explanation
from stractory.errors import ConfigError, StractoryError

AT_ONCE = 16
"""Actors that are ended at a time."""

LOOK = 0.2
"""Seconds between looks at how far a worker has got."""

DRAINED = (Column("name"), Column("state"), Column("worker"))


def create(session: Session) -> None:
    """Start an actor of code that its worker imports."""
    asked = session.arguments
    with plain_mistakes():
        made = session.client.create(
            asked.name,
            _definition(asked.kind, asked.what, asked.words),
            options=dict(asked.option),
            if_exists=asked.if_exists,
            restart=asked.restart,
            snapshot=asked.snapshot,
            isolate=asked.isolate,
            public=asked.public,
            timeout=session.timeout,
        )
    session.output.row(ACTORS, made._asdict())


def _definition(kind: str, what: str, words: list[str]) -> Any:
    from stractory.actors import factories

    if kind == "spawn":
        return factories.spawn(what, words)
    if words:
        raise ConfigError(f"only a spawn actor has words after its command: {' '.join(words)!r}")
    makers: dict[str, Callable[[str], Any]] = {
        "stream": factories.stream,
        "rpc": factories.rpc,
        "eventemitter": factories.eventemitter,
    }
    return makers[kind](what)


def destroy(session: Session) -> int:
    """End actors, several at a time. The status is that of the first that could not be ended."""
    names = list(dict.fromkeys(session.arguments.names))
    errors: dict[str, StractoryError | None] = {}

    def end(name: str) -> None:
        try:
            session.client.destroy(name, timeout=session.timeout)
        except StractoryError as error:
            errors[name] = error
        else:
            errors[name] = None

    with session.output.progress("destroying", len(names)) as tell:
        for done, _ in enumerate(Pool(AT_ONCE).imap_unordered(end, names), 1):
            if tell:
                tell(done)
    failed = {name: error for name in names if (error := errors[name]) is not None}
    if session.output.json:
        session.output.value(
            [{"name": name, "error": str(failed[name]) if name in failed else None} for name in names]
        )
    for name in names:
        if name in failed:
            complain(explanation(failed[name], verbose="verbose" in session.arguments))
        elif not session.output.json:
            session.output.line(f"destroyed {name}")
    return next(map(status_of, failed.values()), WELL)


def drain(session: Session) -> None:
    """Have a worker end, and tell what has become of its actors."""
    worker = session.arguments.worker
    with _progress(session, worker):
        outcome = session.client.drain(worker, timeout=session.timeout)
    rows = [
        {"name": name, "state": info.state if info else "ended", "worker": info.worker if info else ""}
        for name, info in sorted(outcome.items())
    ]
    if session.output.json:
        session.output.value({"worker": worker, "actors": rows})
        return
    back = sum(row["state"] == "running" for row in rows)
    ended = sum(row["state"] == "ended" for row in rows)
    waiting = len(rows) - back - ended
    if rows:
        session.output.table(DRAINED, rows)
    session.output.line(f"worker {worker} has left: {back} came back, {ended} ended, {waiting} wait")


@contextmanager
def _progress(session: Session, worker: str) -> Iterator[None]:
    """How many of its actors have ended, on a terminal."""
    had = _load(session, worker)
    with session.output.progress(f"draining {worker}", had) as tell:
        if tell is None:
            yield
            return

        def follow() -> None:
            with suppress(StractoryError):
                while True:
                    tell(had - _load(session, worker))
                    gevent.sleep(LOOK)

        following = gevent.spawn(follow)
        try:
            yield
        finally:
            following.kill()


def _load(session: Session, worker: str) -> int:
    found = session.client.workers(timeout=session.timeout)
    return sum(each.actors for each in found if each.address == worker)
