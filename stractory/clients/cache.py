"""What get() has handed out, by name, for as long as it is of use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any

import gevent

from stractory.clients.connecting import LastingConnection
from stractory.clients.deadline import Deadline
from stractory.clients.lasting import Lasting, Over
from stractory.clients.workers import KeyedLocks
from stractory.errors import ActorNotFound
from stractory.net.stream import Stream


class Cache:
    """One connection for each name."""

    def __init__(self) -> None:
        self._kept: dict[str, LastingConnection] = {}
        self._getting = KeyedLocks()

    def get(self, name: str, deadline: Deadline, connect: Callable[[Over], LastingConnection]) -> Any:
        """The one there is, or another by ``connect``. Raises as that."""
        with self._getting(name):
            kept = self._kept.get(name)
            if kept is not None and kept.lasting.returning:
                with contextlib.suppress(ActorNotFound):  # or what has the name is of another kind
                    kept.lasting.hurry(deadline)
            if kept is None or kept.lasting.closed:
                kept = connect(self._forget)
                if not kept.lasting.closed:
                    self._kept[name] = kept
            return kept.client

    def saw(self, name: str, epoch: int) -> None:
        """Go to this life of the name: one before it may be there yet, behind a wire that is cut."""
        kept = self._kept.get(name)
        if kept is not None and kept.lasting.epoch < epoch and not kept.lasting.move():
            del self._kept[name]

    def _forget(self, lasting: Lasting, finished: Stream | None) -> None:
        kept = self._kept.get(lasting.name)
        if kept is not None and kept.lasting is lasting:
            del self._kept[lasting.name]
            if finished is not None:
                gevent.spawn(_finish, finished)


def _finish(stream: Stream) -> None:
    """End our direction too, since the peer's is over. What it sent stays to be read."""
    with contextlib.suppress(OSError):
        stream.shutdown(SHUT_WR)
