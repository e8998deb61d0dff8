"""Watching actors: births, moves and deaths as the registry tells of them, over any number of links to it."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any
from weakref import ref

import gevent

from stractory.clients.deadline import Deadline
from stractory.clients.mirror import Mirror
from stractory.clients.registry import RETRY_DELAY, RegistryLink
from stractory.errors import CallTimeout, LinkError, RegistryUnavailable
from stractory.wire.changes import Change

PATIENCE = 1.0
"""Seconds that a registry is waited for until it is looked whether anybody still watches."""


class Watch:
    """What :meth:`Client.watch` returns: an iterator of Change. Iterating waits for each.

    ``timeout``: how many seconds at most; then CallTimeout comes, and one can go on waiting. When the link to
    the registry breaks it is made again, and what differs by then is told. close() ends it, and so does
    dropping it; a loop that waits in another green thread comes to its end then.

    Raises RegistryUnavailable once its client is closed, and AuthError when a new registry refuses that.
    """

    def __init__(
        self, registry: RegistryLink, pattern: str, timeout: float | None, deadline: Deadline
    ) -> None:
        self.pattern = pattern
        self.timeout = timeout
        self._registry = registry
        self._mirror = Mirror()
        self._due: deque[Change] = deque()
        self._closed = False
        self._opening: gevent.Greenlet[..., Any] | None = None
        self._items = registry.call("watch", pattern, deadline=deadline)

    def __repr__(self) -> str:
        return f"<stractory watch of {self.pattern!r}>"

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Change:
        if not self._due:
            with Deadline(self.timeout).limit(f"no change of {self.pattern!r} was told", CallTimeout):
                self._receive()
        return self._due.popleft()

    def _receive(self) -> None:
        """Until there is something to tell. Raises StopIteration when closed."""
        while not self._due:
            if self._closed:
                raise StopIteration
            try:
                if self._items is None:
                    self._items = self._begin_anew()
                self._due.extend(self._mirror.take(*next(self._items)))
            except LinkError as error:
                error.__traceback__ = None  # whoever keeps the error is not to keep this watch
                self._items = None

    def _begin_anew(self) -> Any:
        """In a green thread of its own: a wait that ends early leaves it at that, and close() can end it."""
        if self._opening is None:
            self._opening = gevent.spawn(_open, ref(self), self._registry, self.pattern)
        items = self._opening.get()
        self._opening = None
        if self._closed:
            raise StopIteration
        if isinstance(items, Exception):
            raise items
        return items

    def close(self) -> None:
        """Be told no more. What has come already can still be iterated over."""
        self._closed = True
        if self._items is not None:
            self._items.close()
        elif self._opening is not None:
            self._opening.kill(block=False)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _open(watch: ref[Watch], registry: RegistryLink, pattern: str) -> Any:
    """The items, as soon as there is a registry, or the error: gevent prints what a green thread raises."""
    while True:
        gevent.sleep(RETRY_DELAY)
        if registry.closed:
            return RegistryUnavailable("this client was closed during watch()")
        if watch() is None:
            return None
        try:
            return registry.call("watch", pattern, deadline=Deadline(PATIENCE))
        except RegistryUnavailable:
            continue
        except Exception as error:
            return error
