"""A link's way out: what the session has to say, onto the socket.

Whatever is written in one turn of the loop leaves in one send. When the kernel takes no more, the loop sends
the rest as it does, and streams queue up for room, one frame each in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gevent
from gevent.event import Event

from stractory.errors import LinkClosed
from stractory.net.threads import native_thread
from stractory.wire.session import Session

HIGH_WATER = 256 * 1024
"""Bytes of frames waiting for the kernel at which streams stop making more."""

WRITE = 2
"""The event of the loop's watchers (libev's EV_WRITE)."""


JOINED = 16 * 1024
"""Bytes up to which pieces are joined for one send(): that is quicker than to tell the kernel of each."""

PIECES = 512
"""Pieces that the kernel is told of, which takes 1024 at most; more are small, and joined first."""


class Pumped(Protocol):
    """A stream with bytes to frame."""

    id: int

    def pump(self) -> None: ...
    def gather(self) -> None: ...


class Writer:
    """``sock`` must not block. ``broken`` is told, once, what it raised; it must close() then.

    ``armed``: a flush follows by itself. ``thread`` is the native one whose loop it lives in. ``guard``, if
    there is one, is called before anything is sent, and may cut() it.
    """

    def __init__(self, sock: Any, session: Session, broken: Callable[[OSError], None]) -> None:
        self._socket = sock
        self._session = session
        self._broken = broken
        self.armed = False
        self.guard: Callable[[], None] | None = None
        self._closed = False
        self._rest: Sequence[bytes | memoryview] = []  # what the kernel did not take
        self._sending = False
        self._draining: Any = None  # the watcher of the socket, while there is a rest
        self._drained = Event()
        self._waiting: deque[Pumped] = deque()  # streams with bytes to send, while the kernel takes no more
        self._next: Pumped | None = None  # the one of them that may send a frame
        self._gathering: list[Pumped] = []
        self._loop = gevent.get_hub().loop
        self.thread = native_thread()

    def send(self, stream: Pumped, data: bytes | memoryview) -> int:
        """Frame what window and kernel take; returns how much. It is pumped when there is room again."""
        session = self._session
        if (session.output_size >= HIGH_WATER or self._waiting) and not self._has_room(stream):
            return 0
        try:
            size = session.send(stream.id, data)
        except LinkClosed:
            return 0  # the peer has reset it, in a frame whose event is still to come
        if not self.armed:
            self.flush_soon()
        return size

    def _has_room(self, stream: Pumped) -> bool:
        if self._next is stream:
            self._next = None
            return True
        self.flush()
        if self._draining is None:
            return True
        if stream not in self._waiting:
            self._waiting.append(stream)
        return False

    def gather_soon(self, stream: Pumped) -> None:
        """Have the stream push what it has queued before the next flush, at the end of this turn."""
        self._gathering.append(stream)
        if not self.armed:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop."""
        if not self.armed:
            self.armed = True
            self._loop.run_callback(self.flush)

    def flush(self) -> None:
        """Send what is queued as far as the kernel takes it now; the loop sends the rest."""
        if self.guard is not None:
            self.guard()
        self.armed = True  # what is gathered leaves with this flush
        while self._gathering:
            gathering, self._gathering = self._gathering, []
            for stream in gathering:
                stream.gather()
        self.armed = False
        if self._draining is None and not self._sending:
            self._sending = True  # a collected object's __del__ may flush in the middle of it
            try:
                while not self._rest and not self._closed and self._session.output_size:
                    self._rest = self._session.output()
                    self._send_rest()
            finally:
                self._sending = False
            if self._rest and not self._closed:
                self._drained.clear()
                self._draining = self._loop.io(self._socket.fileno(), WRITE)
                self._draining.start(self._drain)

    def _send_rest(self) -> None:
        """Send what the kernel takes."""
        while rest := self._rest:
            if len(rest) > PIECES:
                self._rest = rest = [b"".join(rest)]
            size = sum(map(len, rest))
            try:
                sent = self._socket.send(b"".join(rest)) if size <= JOINED else self._socket.sendmsg(rest)
            except BlockingIOError:
                return
            except OSError as error:
                self._rest = []
                self.cut(error)  # which breaks it later, not in the middle of what a stream is doing
                return
            self._rest = [] if sent == size else _after(rest, sent)

    def _drain(self) -> None:
        self._send_rest()
        if not (self._rest or self._closed):
            self._pump_waiting()
            self._rest = self._session.output()
            if not self._rest:
                self._stop_draining()

    def _stop_draining(self) -> None:
        if self._draining is not None:
            self._draining.stop()
            self._draining.close()
            self._draining = None
            self._drained.set()

    def _pump_waiting(self) -> None:
        while self._waiting and self._session.output_size < HIGH_WATER:
            self._next = stream = self._waiting.popleft()
            stream.pump()
        self._next = None

    def finish(self, linger: float) -> None:
        """Send what is queued, within ``linger`` seconds."""
        self.flush()
        if self._draining is not None:
            self._drained.wait(linger)

    def cut(self, error: OSError) -> None:
        """Send no more, not even what is queued: the link broke, by this."""
        if not self._closed:
            self._closed = True
            self._loop.run_callback(self._broken, error)

    def close(self) -> None:
        """Send no more."""
        self._closed = True
        del self._broken  # it holds the link
        self._waiting.clear()
        self._stop_draining()


def _after(pieces: Sequence[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    """What of them comes after so many bytes."""
    for index, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[index + 1 :]]
        sent -= len(piece)
    return []
