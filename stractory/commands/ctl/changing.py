"""Commands that change something: create, destroy, drain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import gevent

from stractory.commands.ctl.exits import WELL
from stractory.commands.ctl.looking import ACTORS
from stractory.commands.ctl.many import each
from stractory.commands.ctl.session import Session, plain_mistakes
from stractory.commands.ctl.text import Column
from stractory.errors import ConfigError, StractoryError

LOOK = 0.2
"""Seconds between looks at how far a worker has got."""

DRAINED = (Column("name"), Column("state"), Column("worker"))


def create(session: Session) -> int:
    """Start an actor of code that its worker imports, or so many of them, told apart by a number."""
    asked = session.arguments
    with plain_mistakes():
        start = partial(
            session.client.create,
            actor=_definition(asked.kind, asked.what, asked.words),
            options=dict(asked.option),
            if_exists=asked.if_exists,
            restart=asked.restart,
            snapshot=asked.snapshot,
            isolate=asked.isolate,
            public=asked.public,
            timeout=session.timeout,
        )
        if asked.count is not None:
            return each(session, "creating", "created", _numbered(asked.name, asked.count), start)
        session.output.row(ACTORS, start(asked.name)._asdict())
    return WELL


def _numbered(name: str, count: int) -> list[str]:
    """That many names. Raises ConfigError where they would be the same."""
    if "{}" not in name:
        raise ConfigError(f"--count needs a name with {{}} for the number, such as '{name}-{{}}'")
    return [name.replace("{}", str(number)) for number in range(1, count + 1)]


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
    """End actors."""
    names = list(dict.fromkeys(session.arguments.names))
    end = partial(session.client.destroy, timeout=session.timeout)
    return each(session, "destroying", "destroyed", names, end)


def drain(session: Session) -> None:
    """Have a worker end, and tell what has become of its actors."""
    worker = session.arguments.worker
    with _progress(session, worker), plain_mistakes():
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
