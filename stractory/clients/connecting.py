"""Making connections: where an actor is, a connection to there, and what its wrapper makes of that.

Names are asked of the registry each time; the connections go straight to the workers. A stream carries the
epoch of the life it was opened for, so a location that went stale on the way is noticed before any of the
user's bytes are sent, and looked up once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeVar

import gevent

from stractory.clients.deadline import Deadline
from stractory.clients.direct import Carried
from stractory.clients.events import Events, held_weakly
from stractory.clients.lasting import Lasting, Over
from stractory.clients.registry import RegistryLink
from stractory.clients.returns import Returns
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
from stractory.net.stream import Stream
from stractory.net.threads import Task, threads
from stractory.wire.info import ActorInfo, Location
from stractory.wire.life import NEVER

_STALE = (StaleLocation, WorkerUnavailable, ActorLost, LinkClosed, ConnectionResetError)
"""What trying a location that is no longer true leads to: nobody is there, or another, or one that leaves."""


T = TypeVar("T")

PATIENCE = 5.0
"""Seconds for which the new location of an actor that comes back is asked for."""

STEP = 0.1
"""Seconds between such questions."""

AT_ONCE = 100
"""Connections of one call that are made at a time."""


class Connection(NamedTuple):
    """A stream to one life of a name, and what the user is given for it."""

    epoch: int
    stream: Carried
    client: Any


class LastingConnection(NamedTuple):
    """What get() hands out, and what becomes of it. It holds the stream, as ``client`` need not."""

    lasting: Lasting
    stream: Carried
    client: Any


class Connector:
    """Makes connections of all kinds. ``saw(name, epoch)`` is told of the life that one was made to."""

    def __init__(
        self,
        registry: RegistryLink,
        workers: WorkerLinks,
        wrappers: Wrappers,
        events: Events,
        saw: Callable[[str, int], None],
    ) -> None:
        self._registry = registry
        self._workers = workers
        self._wrappers = wrappers
        self._events = events
        self._saw = saw
        self._returns = Returns(partial(self.lookup, waits=False), self._open_again)

    def lookup(
        self, names: Sequence[str], deadline: Deadline, *, waits: bool = True
    ) -> list[Location | None]:
        """Where each is, None where there is no such actor. ``waits``: a while for those that come back."""
        arguments = [list(names)] if waits else [list(names), False]
        rows = self._registry.call("lookup", *arguments, deadline=deadline)
        return [Location.from_wire(row) if row else None for row in rows]

    def find(self, name: str, deadline: Deadline) -> Location:
        """Where it is. Raises ActorNotFound."""
        return _found(name, self.lookup([name], deadline)[0])

    def connect(
        self, name: str, deadline: Deadline, *, direct: bool = False, location: Location | None = None
    ) -> Connection:
        """A connection by ``location`` if it is given, and by another look-up when that has gone stale."""
        return self._reach(name, deadline, location, partial(self._open, direct=direct))

    def connect_for_good(self, name: str, deadline: Deadline, over: Over) -> LastingConnection:
        """As connect(); what is handed out goes on when the actor has come back elsewhere, if it can."""
        return self._reach(name, deadline, None, partial(self._open_for_good, over))

    def reach(self, lasting: Lasting, deadline: Deadline) -> tuple[ActorInfo, Stream]:
        """Another stream for it, and where to. Raises as connect(), and ActorNotFound for another kind.

        This and look_for() are part of :class:`stractory.clients.lasting.Ways`.
        """

        def open(location: Location) -> tuple[ActorInfo, Stream]:
            return location.info, self._open_again(lasting, location)

        return self._reach(lasting.name, deadline, None, open)

    def look_for(self, lasting: Lasting) -> None:
        """Attach it to the actor's next life, or give it up."""
        self._returns.add(lasting)

    def parting(self) -> AbstractContextManager[None]:
        """What is lost in here is not looked for, nor any more what was before."""
        return self._returns.shut()

    def _reach(
        self, name: str, deadline: Deadline, location: Location | None, open: Callable[[Location], T]
    ) -> T:
        """What ``open`` makes of where it is. A location that has gone stale is looked up again.

        Once, but for an actor that comes back: the registry may learn later than we that its worker has gone.
        """
        location = location or self.find(name, deadline)
        began = time.monotonic()
        for tried in count(1):
            try:
                return open(location)
            except _STALE as error:
                lasting = location.info.restart != NEVER and time.monotonic() - began < PATIENCE
                if tried > 1 and not lasting:
                    raise ActorLost(f"actor {name!r}: {error}") from error
            if tried > 1:
                gevent.sleep(STEP)
            location = self.find(name, deadline)
        raise AssertionError("unreachable")

    def connect_all(
        self, names: Sequence[str], locations: Sequence[Location | None], deadline: Deadline, *, direct: bool
    ) -> list[Connection]:
        """Connections to all, a number at a time. Raises ConnectErrors; cut off, it leaves none behind."""
        outcomes: list[Any] = [None] * len(names)
        left = iter(enumerate(zip(names, locations, strict=True)))

        def attempt_all() -> None:
            for index, (name, location) in left:
                try:
                    found = _found(name, location)
                    outcomes[index] = self.connect(name, deadline, direct=direct, location=found)
                except Exception as error:
                    outcomes[index] = error

        tasks = [threads().spawn(attempt_all) for _ in range(min(AT_ONCE, len(names)))]
        try:
            for task in gevent.wait(tasks, deadline.left()):
                task.get()  # what it raised, if that was more than a connection's failure
        except BaseException:
            _stop(tasks)
            for outcome in outcomes:
                if isinstance(outcome, Connection):
                    outcome.stream.close()
            raise
        _stop(tasks)
        for index, name in enumerate(names):
            if outcomes[index] is None:
                outcomes[index] = CallTimeout(deadline.spell(f"connect({name!r}) was not done"))
        connections = [outcome for outcome in outcomes if isinstance(outcome, Connection)]
        if len(connections) < len(outcomes):
            raise _connect_errors(names, outcomes)
        return connections

    def _open(self, location: Location, direct: bool = False) -> Connection:
        # Found first: nothing is opened for code that may not run here.
        wrap = self._wrappers.find(location, self._events.callback_failed)
        stream = self._workers.open_port(location) if direct else self._workers.open(location)
        try:
            client = wrap(stream, None)
        except BaseException:
            stream.close()
            raise
        self._opened(location.info, stream, client)
        return Connection(location.info.epoch, stream, client)

    def _open_for_good(self, over: Over, location: Location) -> LastingConnection:
        wrap = self._wrappers.find(location, self._events.callback_failed)
        stream = self._workers.open(location)
        lasting = Lasting(location.info, stream, self, over)
        try:
            client = wrap(stream, lasting.keep)
        except BaseException:
            lasting.give_up()
            stream.close()
            raise
        lasting.held = held_weakly(client)
        self._opened(location.info, stream, client)
        return LastingConnection(lasting, stream, client)

    def _open_again(self, lasting: Lasting, location: Location) -> Stream:
        lasting.check(location.info)
        stream = self._workers.open(location)
        self._opened(location.info, stream, lasting.held())
        return stream

    def _opened(self, info: ActorInfo, stream: Carried, client: Any) -> None:
        self._events.watch_actor(info.name, stream, client)
        self._saw(info.name, info.epoch)


def _stop(tasks: Sequence[Task]) -> None:
    for task in tasks:
        task.kill(block=False)
    gevent.wait(tasks)


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


def _found(name: str, location: Location | None) -> Location:
    if location is None:
        raise ActorNotFound(f"no actor is named {name!r}")
    info = location.info
    if info.coming:
        why = f": {info.problem}" if info.state == "waiting" and info.problem else ""
        raise ActorLost(f"actor {name!r} has ended, or its worker, and is not there again yet{why}")
    return location
