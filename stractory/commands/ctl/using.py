"""Commands that use an actor: call, emit, tail."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from gevent.queue import Queue

from stractory.commands.ctl.reader import while_somebody_reads
from stractory.commands.ctl.session import Session, json_values, plain_mistakes
from stractory.commands.ctl.text import as_json, event_text
from stractory.errors import ActorEnded, ActorLost, ConfigError

BEHIND = 1000
"""Events that wait to be shown; then their actor waits."""


def _connect(session: Session, *kinds: str) -> Any:
    """What get() has for the actor. Raises ConfigError for one of another kind."""
    name, kind = session.arguments.name, session.find(session.arguments.name).kind
    if kind not in kinds:
        raise ConfigError(f"{name!r} is of the kind {kind}, and this is for {' or '.join(kinds)} actors")
    return session.client.get(name, timeout=session.timeout)


def call(session: Session) -> None:
    """A method of an rpc actor: what it returns, or each item of a generator."""
    from stractory.clients.comforts import timeout
    from stractory.net.answers import Items

    arguments = json_values(session.arguments.values)
    actor = timeout(_connect(session, "rpc"), session.timeout)
    with plain_mistakes():
        result = actor[session.arguments.method](*arguments)
    if isinstance(result, Items):
        with while_somebody_reads():
            for item in result:
                session.output.value(item, flush=True)
    elif result is not None or session.output.json:
        session.output.value(result)


def emit(session: Session) -> None:
    """An event to an eventemitter."""
    name, event = session.arguments.name, session.arguments.event
    data = json_values(session.arguments.values)
    with _connect(session, "eventemitter") as emitter, plain_mistakes():
        if not emitter.emit(event, *data):
            raise ActorLost(f"actor {name!r} went before it could be told")
    if session.output.json:
        session.output.value({"name": name, "event": event, "data": data})


def tail(session: Session) -> None:
    """What comes from an actor, until it ends; what comes back is returned to, if it is an eventemitter."""
    connection = _connect(session, "eventemitter", "stream", "spawn")
    with while_somebody_reads():
        if hasattr(connection, "emit"):
            for event, data in _events(connection):
                _show(session, event, data)
        else:
            with suppress(ActorEnded):  # in order
                for piece in connection:
                    session.output.data(piece)


def _show(session: Session, event: str, data: list[Any]) -> None:
    told = as_json({"event": event, "data": data}) if session.output.json else event_text(event, data)
    session.output.line(told, flush=True)


def _events(emitter: Any) -> Iterable[tuple[str, list[Any]]]:
    """Each event and its data, until the connection is over."""
    heard: Queue[tuple[str, list[Any]] | None] = Queue(BEHIND)
    emitter.on("**", lambda *data: heard.put((emitter.event, list(data))))
    emitter.on_close(lambda: heard.put(None))
    while (event := heard.get()) is not None:
        yield event
