"""The half of a link's stream that writes: what is queued, framed, and waits for the peer to take it."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any

from stractory.errors import SlowConsumer
from stractory.net.backlog import Backlog
from stractory.net.counters import counters
from stractory.net.socketlike import SocketLike
from stractory.net.threads import native_thread

if TYPE_CHECKING:
    from stractory.net.link import Link

GATHER_LIMIT = 64 * 1024
"""Bytes that are queued at most until the turn of the loop ends."""


class Outgoing(SocketLike):
    """:class:`stractory.net.stream.Stream` adds the half that reads, and the ends."""

    __slots__ = (
        "_backlog",
        "_closed",
        "_error",
        "_gathered",
        "_gathered_size",
        "_link",
        "_sending",
        "_shut",
        "_writer",
        "activity",
        "id",
        "label",
    )

    def __init__(self, link: Link, id: int, label: str) -> None:
        self.id = id
        self.label = label
        self.activity = 0  # grows with every arrival and departure of bytes
        self._link = link
        self._writer = link.writer
        self._backlog: Backlog | None = None  # what the peer or the link does not take yet
        self._gathered: list[bytes] = []  # queued in this turn of the loop
        self._gathered_size = 0
        self._sending = False  # somebody waits in sendall()
        self._shut = False  # we sent our FIN
        self._closed = False
        self._error: Exception | None = None
        self._timeout: float | None = None

    def give_up(self, error: Exception) -> None:
        """Give the stream up because of ``error``, which its user and receiver get."""
        raise NotImplementedError

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it, in one piece with regard to other green threads; waits while the peer is slow."""
        self.push(data)
        self._writer.flush()
        if backlog := self._backlog:
            self._sending = True
            try:
                self._wait_sent()
            except BaseException:  # it goes on sending, of what the caller may change from now on
                backlog.keep_copies()
                raise
            finally:
                self._sending = False

    def push(self, data: Any) -> None:
        """Queue bytes without waiting; they leave in order, as window and link allow.

        Raises OSError, of which LinkError is one, and RuntimeError in another thread.
        """
        self._check_writable()
        if native_thread() != self._writer.thread:
            self._check_thread()
        if self._gathered:
            self.gather()
        self._append(memoryview(data).cast("B"))

    def queue(self, data: bytes) -> bool:
        """As push(), but what is queued in one turn of the loop leaves in one frame.

        Returns whether so much waits for the peer, or for so long, that the caller should make_room().
        """
        if self._error is not None or self._closed or self._shut:
            self._check_writable()
        if native_thread() != self._writer.thread:
            self._check_thread()
        first = not self._gathered
        self._gathered.append(data)
        if first:  # asked before, as what is collected by now may have queued more, or made all of it leave
            self._writer.gather_soon(self)
        self._gathered_size += len(data)
        if self._gathered_size >= GATHER_LIMIT:
            self.gather()
        return self._backlog is not None and self._backlog.crowded

    def gather(self) -> None:
        """Push what was queued."""
        gathered, self._gathered = self._gathered, []
        self._gathered_size = 0
        data = b"".join(gathered)
        if data and not (self._closed or self._shut or self._error):
            self._append(data)

    def make_room(self, timeout: float | None = None) -> None:
        """Wait while much of what was queued waits for the peer; see :meth:`Backlog.make_room`.

        Raises SlowConsumer, the stream given up, for a peer that takes nothing, and TimeoutError.
        """
        if self._backlog is not None and self._backlog.crowded:
            try:
                self._backlog.make_room(self._too_late(timeout), timeout)
            except SlowConsumer as error:
                self.give_up(SlowConsumer(f"{self.label}: {error}"))
            if self._error is not None:
                raise self._error

    def _check_writable(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise OSError(errno.EBADF, f"{self.label}: the stream is closed")
        if self._shut:
            raise OSError(errno.EPIPE, f"{self.label}: the stream is shut for writing")

    def _check_thread(self) -> None:
        """Raises RuntimeError in any thread but its own, as long as it is of any use there."""
        if self._link.ended is None and native_thread() != self._writer.thread:
            raise RuntimeError(
                f"{self.label}: its connection belongs to another thread; "
                "make the client with background=True to share it"
            )

    def _append(self, data: bytes | memoryview) -> None:
        self.activity += 1
        if self._backlog is None:
            size = self._writer.send(self, data)
            if size == len(data):
                return
            counters.window_stalls += 1
            self._backlog = Backlog()  # what is queued meanwhile comes after it
            self._backlog.append(memoryview(data)[size:])
            self.pump()
        else:
            self._backlog.append(memoryview(data))

    def pump(self) -> None:
        """There is room again, in the window or the link: frame what waits."""
        if backlog := self._backlog:
            backlog.take(partial(self._writer.send, self))
            if not backlog.size:
                self._backlog = None
                if self._closed:
                    self._link.release(self.id, abort=False)

    def _wait_sent(self) -> None:
        if self._backlog is not None:
            self._backlog.wait(0, self._too_late(self._timeout), self._timeout)
            self._check_writable()

    def _too_late(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(f"{self.label}: nothing sent in {timeout} s")

    def _forget_backlog(self) -> None:
        if self._backlog is not None:
            self._backlog.end()
            self._backlog = None
