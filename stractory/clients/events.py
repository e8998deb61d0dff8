"""What happens to a client's connections, told to functions that the user gave to ``on``.

=================  ================================  ====================================================
event              arguments                         when
=================  ================================  ====================================================
error              error                             the link to the registry broke
fail               error                             the registry broke the wire format
timeout                                              nothing came from it for ``idle_timeout`` seconds
close              had_error                         the link to it is over
actor-error        name, connection, error           an actor's connection broke
actor-fail         name, connection, error           an actor broke the wire format
actor-timeout      name, connection                  nothing passed on it for ``idle_timeout`` seconds
actor-close        name, connection, had_error       it is over
=================  ================================  ====================================================

Functions run in green threads of their own, in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent

from stractory.errors import ProtocolError
from stractory.net.link import Link
from stractory.net.sockets import SocketStream
from stractory.net.stream import Stream

log = logging.getLogger(__name__)

EVENTS = frozenset(
    {"error", "fail", "timeout", "close", "actor-error", "actor-fail", "actor-timeout", "actor-close"}
)


class Events:
    """Who listens, and what is watched for idleness. ``idle_timeout`` is in seconds, None for never."""

    def __init__(self, idle_timeout: float | None) -> None:
        self._functions: dict[str, list[Callable[..., Any]]] = {}
        self._idle_timeout = idle_timeout
        self._watched: dict[Link | Stream, tuple[str, tuple[Any, ...], int, float]] = {}
        self._watcher: gevent.Greenlet[..., Any] | None = None

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens. Raises ValueError for an event there is not."""
        if event not in EVENTS:
            raise ValueError(f"there is no event {event!r}; there are: {', '.join(sorted(EVENTS))}")
        self._functions.setdefault(event, []).append(function)

    def watch_registry(self, link: Link) -> None:
        """Tell of what happens to a link to the registry."""

        def ended(reason: str) -> None:
            self._watched.pop(link, None)
            if link.failure is not None:
                self._emit("fail" if isinstance(link.failure, ProtocolError) else "error", link.failure)
            self._emit("close", link.failure is not None)

        link.on_end.append(ended)
        self._watch_idle(link, "timeout", ())

    def watch_actor(self, name: str, stream: Stream | SocketStream, connection: Any) -> None:
        """Tell of what happens to an actor's connection; ``connection`` is what the user was given for it."""

        def ended(error: Exception | None) -> None:
            self._watched.pop(stream, None)  # type: ignore[arg-type]
            if error is not None:
                self._emit(
                    "actor-fail" if isinstance(error, ProtocolError) else "actor-error",
                    name,
                    connection,
                    error,
                )
            self._emit("actor-close", name, connection, error is not None)

        stream.call_at_end(ended)
        if isinstance(stream, Stream) and not stream.closed:
            self._watch_idle(stream, "actor-timeout", (name, connection))

    def _watch_idle(self, watched: Link | Stream, event: str, arguments: tuple[Any, ...]) -> None:
        if self._idle_timeout is not None:
            self._watched[watched] = event, arguments, watched.activity, 0.0
            if self._watcher is None:
                self._watcher = gevent.spawn(self._watch, self._idle_timeout, self._idle_timeout / 4)

    def _watch(self, limit: float, step: float) -> None:
        """Every step, see what has been active since the last one; tell once of each idle spell."""
        while self._watched:
            gevent.sleep(step)
            for watched, (event, arguments, activity, idle) in list(self._watched.items()):
                idle = idle + step if watched.activity == activity else 0.0
                if idle >= limit > idle - step:
                    self._emit(event, *arguments)
                self._watched[watched] = event, arguments, watched.activity, idle
        self._watcher = None

    def _emit(self, event: str, *arguments: Any) -> None:
        if functions := self._functions.get(event):
            gevent.spawn(_call_all, event, tuple(functions), arguments)


def _call_all(event: str, functions: tuple[Callable[..., Any], ...], arguments: tuple[Any, ...]) -> None:
    for function in functions:
        try:
            function(*arguments)
        except Exception:
            log.exception("a function for the event %r failed", event)
