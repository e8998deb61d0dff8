"""Making connections: where an actor is, a connection to there, and what its wrapper makes of that.

Names are asked of the registry each time; the connections go straight to the workers. A stream carries the
epoch of the life it was opened for, so a location that went stale on the way is noticed before any of the
user's bytes are sent, and looked up once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stractory.clients.deadline import Deadline
from stractory.clients.direct import Carried
from stractory.clients.events import Events
from stractory.clients.registry import RegistryLink
from stractory.clients.workers import WorkerLinks
from stractory.clients.wrappers import Wrappers
from stractory.errors import (
    ActorLost,
    ActorNotFound,
    CallTimeout,
    ConnectErrors,
    LinkClosed,
    StaleLocation,
    WorkerUnavailable,
)
from stractory.net.threads import threads
from stractory.wire.info import ActorInfo

_STALE = (StaleLocation, WorkerUnavailable, ActorLost, LinkClosed, ConnectionResetError)
"""What trying a location that is no longer true leads to: nobody is there, or another, or one that leaves."""


AT_ONCE = 100
"""Connections of one call that are made at a time."""


class Connection(NamedTuple):
    """A stream, and what the user is given for it."""

    stream: Carried
    client: Any


class Connector:
    """Makes connections of all kinds."""

    def __init__(
        self, registry: RegistryLink, workers: WorkerLinks, wrappers: Wrappers, events: Events
    ) -> None:
        self._registry = registry
        self._workers = workers
        self._wrappers = wrappers
        self._events = events

    def lookup(self, names: Sequence[str], deadline: Deadline) -> list[ActorInfo | None]:
        """Where each is, None where there is no such actor."""
        rows = self._registry.call("lookup", list(names), deadline=deadline)
        return [ActorInfo(*row) if row else None for row in rows]

    def find(self, name: str, deadline: Deadline) -> ActorInfo:
        """Where it is. Raises ActorNotFound."""
        return _found(name, self.lookup([name], deadline)[0])

    def connect(
        self, name: str, deadline: Deadline, *, direct: bool = False, info: ActorInfo | None = None
    ) -> Connection:
        """A connection by ``info`` if there is one, and by another look-up when that has gone stale."""
        try:
            return self._open(info or self.find(name, deadline), direct)
        except _STALE:
            info = self.find(name, deadline)
        try:
            return self._open(info, direct)
        except _STALE as error:
            raise ActorLost(f"actor {name!r}: {error}") from error

    def connect_all(
        self, names: Sequence[str], infos: Sequence[ActorInfo | None], deadline: Deadline, *, direct: bool
    ) -> list[Connection]:
        """Connections to all, a number at a time. Raises ConnectErrors; cut off, it leaves none behind."""
        outcomes: list[Any] = [None] * len(names)
        left = iter(enumerate(zip(names, infos, strict=True)))

        def attempt_all() -> None:
            for index, (name, info) in left:
                outcomes[index] = self._attempt(name, info, deadline, direct)

        tasks = [threads().spawn(attempt_all) for _ in range(min(AT_ONCE, len(names)))]
        try:
            for task in tasks:
                task.get()
        except BaseException:
            for task in tasks:
                task.kill(block=False)
            for task in tasks:
                task.wait()
            for outcome in outcomes:
                if isinstance(outcome, Connection):
                    outcome.stream.close()
            raise
        connections = [outcome for outcome in outcomes if isinstance(outcome, Connection)]
        if len(connections) < len(outcomes):
            raise _connect_errors(names, outcomes)
        return connections

    def _attempt(
        self, name: str, info: ActorInfo | None, deadline: Deadline, direct: bool
    ) -> Connection | Exception:
        try:
            with deadline.limit(f"connect({name!r}) was not done", CallTimeout):
                return self.connect(name, deadline, direct=direct, info=_found(name, info))
        except Exception as error:
            return error

    def _open(self, info: ActorInfo, direct: bool) -> Connection:
        # Found first: nothing is opened for code that may not run here.
        wrap = self._wrappers.find(info, self._events.callback_failed)
        stream = self._workers.open_port(info) if direct else self._workers.open(info)
        try:
            client = wrap(stream)
        except BaseException:
            stream.close()
            raise
        self._events.watch_actor(info.name, stream, client)
        return Connection(stream, client)


def _connect_errors(names: Sequence[str], outcomes: Sequence[Connection | Exception]) -> ConnectErrors:
    """What tells of all outcomes. Of a name that stands there twice it has one client; others are closed."""
    clients: dict[str, Any] = {}
    errors: dict[str, Exception] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, Exception):
            errors[name] = outcome
        elif name in clients:
            outcome.stream.close()
        else:
            clients[name] = outcome.client
    name, first = next(iter(errors.items()))
    failed = sum(isinstance(outcome, Exception) for outcome in outcomes)
    return ConnectErrors(
        f"{failed} of {len(names)} actors could not be connected; {name!r}: {first}", clients, errors
    )


def _found(name: str, info: ActorInfo | None) -> ActorInfo:
    if info is None:
        raise ActorNotFound(f"no actor is named {name!r}")
    return info
