"""What happens to a client's connections, told to functions that the user gave to ``on``.

=================  ================================  ====================================================
event              arguments                         when
=================  ================================  ====================================================
error              error                             the link to the registry broke, or a function that an
                                                     actor called back raised
fail               error                             the registry broke the wire format
timeout                                              nothing came from it for ``idle_timeout`` seconds
close              had_error                         the link to it is over
actor-error        name, connection, error           an actor's connection broke, not by its orderly end
actor-fail         name, connection, error           an actor broke the wire format
actor-timeout      name, connection                  nothing passed on it for ``idle_timeout`` seconds
actor-close        name, connection, had_error       it is over
=================  ================================  ====================================================

Functions run in green threads of their own, in order. Of a connection to an actor's own port is known only
what using it shows. ``connection`` is None if nobody holds it any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakMethod, ref

import gevent
from gevent.pool import Group

from stractory.clients.direct import Carried
from stractory.errors import ActorEnded, ProtocolError
from stractory.net.link import Link
from stractory.net.serving import log_failure
from stractory.net.stream import Stream

log = logging.getLogger(__name__)

LAST_WORDS = 1.0
"""Seconds that functions have to hear of the end of a client's connections, before its loop is left."""

EVENTS = frozenset(
    {"error", "fail", "timeout", "close", "actor-error", "actor-fail", "actor-timeout", "actor-close"}
)


_Arguments = Callable[[], tuple[Any, ...]]
_Watch = tuple[str, _Arguments, int, float]


class Events:
    """Who listens, and what is watched for idleness. ``idle_timeout`` is in seconds, None for never."""

    def __init__(self, idle_timeout: float | None) -> None:
        self._functions: dict[str, list[Callable[..., Any]]] = {}
        self._idle_timeout = idle_timeout
        self._watched: WeakKeyDictionary[Link | Stream, _Watch] = WeakKeyDictionary()
        self._watcher: gevent.Greenlet[..., Any] | None = None
        self._telling = Group()

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens. Raises ValueError for an event there is not."""
        if event not in EVENTS:
            raise ValueError(f"there is no event {event!r}; there are: {', '.join(sorted(EVENTS))}")
        if not callable(function):
            raise TypeError(f"a function is called when {event!r} happens, not {function!r}")
        self._functions.setdefault(event, []).append(function)

    def watch_registry(self, link: Link) -> None:
        """Tell of what happens to a link to the registry."""

        def ended(reason: str) -> None:
            self._watched.pop(link, None)
            if link.failure is not None:
                self._emit("fail" if isinstance(link.failure, ProtocolError) else "error", link.failure)
            self._emit("close", link.failure is not None)

        link.call_at_end(ended)
        self._watch_idle(link, "timeout", tuple)

    def watch_actor(self, name: str, stream: Carried, connection: Any) -> None:
        """Tell of what happens to an actor's connection; ``connection`` is what the user was given for it."""
        held = held_weakly(connection)
        stream.call_at_end(partial(self._actor_ended, name, held))
        if self._idle_timeout is not None and isinstance(stream, Stream) and not stream.closed:
            self._watch_idle(stream, "actor-timeout", lambda: (name, held()))

    def _actor_ended(self, name: str, held: Callable[[], Any], error: Exception | None) -> None:
        broke = error is not None and not isinstance(error, ActorEnded)
        if broke:
            kind = "actor-fail" if isinstance(error, ProtocolError) else "actor-error"
            self._emit(kind, name, held(), error)
        self._emit("actor-close", name, held(), broke)

    def callback_failed(self, what: str, error: BaseException) -> None:
        """A function of the user's raised when an actor called it."""
        if not self._emit("error", error):
            log_failure(what, error)

    def _watch_idle(self, watched: Link | Stream, event: str, arguments: _Arguments) -> None:
        if self._idle_timeout is not None:
            self._watched[watched] = event, arguments, watched.activity, 0.0
            if self._watcher is None:
                look = WeakMethod(self._look)  # a client that nobody holds is not kept by its watcher
                self._watcher = gevent.spawn(_watch, look, self._idle_timeout, self._idle_timeout / 4)

    def _look(self, limit: float, step: float) -> bool:
        """See what was active in the last ``step`` seconds; tell of idle spells, once. Whether to go on."""
        for watched, (event, arguments, activity, idle) in list(self._watched.items()):
            if isinstance(watched, Stream) and watched.closed:
                del self._watched[watched]
                continue
            idle = idle + step if watched.activity == activity else 0.0
            if idle >= limit > idle - step:
                self._emit(event, *arguments())
            self._watched[watched] = event, arguments, watched.activity, idle
        if not self._watched:
            self._watcher = None
        return self._watcher is not None

    def close(self) -> None:
        """The client's loop may be left now: functions are told of what has happened."""
        if self._watcher is not None:
            self._watcher.kill(block=False)
            self._watcher = None
        others = [task for task in self._telling if task is not gevent.getcurrent()]
        gevent.joinall(others, timeout=LAST_WORDS)

    def _emit(self, event: str, *arguments: Any) -> bool:
        """Whether somebody listens."""
        functions = self._functions.get(event, ())
        if functions:
            self._telling.spawn(_call_all, event, tuple(functions), arguments)
        return bool(functions)


def _watch(reference: WeakMethod[Callable[[float, float], bool]], limit: float, step: float) -> None:
    gevent.sleep(step)
    while (look := reference()) is not None and look(limit, step):
        del look
        gevent.sleep(step)


def held_weakly(connection: Any) -> Callable[[], Any]:
    """What gives it, for as long as somebody else holds it."""
    try:
        return ref(connection)
    except TypeError:  # what some wrapper made
        return lambda: connection


def _call_all(event: str, functions: tuple[Callable[..., Any], ...], arguments: tuple[Any, ...]) -> None:
    for function in functions:
        try:
            function(*arguments)
        except Exception:
            log.exception("a function for the event %r failed", event)
