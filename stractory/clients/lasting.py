"""What get() hands out, and the way from one life of its actor to the next."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from weakref import ref

from stractory.actors.kinds import Outliving, Returning
from stractory.clients.deadline import Deadline
from stractory.errors import ActorLost, ActorNotFound, CallTimeout
from stractory.net.stream import Stream
from stractory.wire.info import ActorInfo

Over = Callable[["Lasting", Stream | None], None]
"""Told that there is no more to come, and of the last stream if the actor ended that in order."""


class Ways(Protocol):
    """How another life is reached; see :class:`stractory.clients.connecting.Connector`."""

    def reach(self, lasting: Lasting, deadline: Deadline) -> tuple[ActorInfo, Stream]:
        """A stream to it, at once. Raises as connect()."""

    def look_for(self, lasting: Lasting) -> None:
        """Have it given a stream to it, as soon as there is one."""


class Lasting:
    """One connection of get(), over a stream after the other.

    What calls (rpc) is given another stream when it asks for one. What listens (an emitter) is returned to by
    itself. This holds neither the stream nor what the user was given.
    """

    __slots__ = ("__weakref__", "_handle", "_over", "_stream", "_waits", "_ways", "attached", "epoch", "held",
                 "kind", "name", "tries")  # fmt: skip

    def __init__(self, info: ActorInfo, stream: Stream, ways: Ways, over: Over) -> None:
        self.name = info.name
        self.kind = info.kind
        self.held: Callable[[], Any] = lambda: None  # what the user was given, if somebody holds it
        self.tries = 0  # in a row, to find another life
        self._ways = ways
        self._over = over
        self._handle: Returning | None = None
        self._waits = False  # for a stream to be returned to
        self._use(info, stream)

    def _use(self, info: ActorInfo, stream: Stream) -> None:
        self.epoch, self.attached = info.epoch, time.monotonic()
        self._stream = ref(stream)
        stream.call_at_end(partial(_tell_end, ref(self), self._stream))

    def keep(self, connection: Any) -> None:
        """Have ``connection``, which its kind made of the first stream, go on if it can."""
        if isinstance(connection, Outliving):  # asked first: the methods of an rpc client are any
            connection.outlive(self._again)
        elif isinstance(connection, Returning):
            self._handle = connection
            connection.return_by(self._ask)

    @property
    def closed(self) -> bool:
        """Whether it has no stream of any use."""
        stream = self._stream()
        return stream is None or stream.closed

    @property
    def returning(self) -> bool:
        """Whether it is to have another stream as soon as there is one."""
        return self._waits and self._handle is not None and not self._handle.closed

    def check(self, info: ActorInfo) -> None:
        """Raises ActorNotFound where the name is that of something else now."""
        if info.kind != self.kind:
            raise ActorNotFound(f"{self.name!r} is of another kind now: {info.kind}, not {self.kind}")

    def _again(self, timeout: float | None) -> Stream:
        deadline = Deadline(timeout)
        with deadline.limit(f"connect({self.name!r}) was not done", CallTimeout):
            info, stream = self._ways.reach(self, deadline)
        self._use(info, stream)
        return stream

    # ---- what is returned to -----------------------------------------------------------------------------

    def _ask(self) -> None:
        self._waits = True
        self._ways.look_for(self)

    def attach(self, info: ActorInfo, stream: Stream) -> None:
        """Here is one. It is closed if none is needed any more."""
        if not self.returning or self._handle is None:
            stream.close()
            self.give_up()
        else:
            self._waits = False
            self._use(info, stream)
            self._handle.attach(stream)

    def hurry(self, deadline: Deadline) -> None:
        """Look for another life at once. Raises as connect(); if there is none, that is the end."""
        try:
            self.attach(*self._ways.reach(self, deadline))
        except ActorNotFound:
            self.give_up()
            raise

    def give_up(self) -> None:
        """There is no other life, or nobody waits for it."""
        if self._waits and self._handle is not None:
            self._waits = False
            self._handle.end()
            self._over(self, None)

    def move(self) -> bool:
        """The actor has a later life elsewhere: return to that. Whether this is what is returned to."""
        if self._handle is None or self._handle.closed:
            return False
        stream = self._stream()
        if not self._waits and stream is not None:
            stream.give_up(ActorLost(f"{stream.label} has a later life elsewhere"))
        return True

    def ended(self, stream: ref[Stream], error: Exception | None) -> None:
        """A stream is over; with the last of them all is."""
        if stream is self._stream and not self._waits:
            self._over(self, stream() if error is None else None)


def _tell_end(lasting: ref[Lasting], stream: ref[Stream], error: Exception | None) -> None:
    if (found := lasting()) is not None:
        found.ended(stream, error)
