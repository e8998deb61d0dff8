"""What calls and events travel over: a link's stream, or something else made to do as one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from stractory.errors import LinkClosed, SlowConsumer, StractoryError
from stractory.net.backlog import STILL_LIMIT, Backlog
from stractory.net.receiver import Receiver
from stractory.net.socketlike import CHUNK
from stractory.net.sockets import OwnStream

UNCONSUMED_LIMIT = 256 * 1024
"""Bytes that a receiver may leave unconsumed before no more are read: as a link's stream has for a window."""


class Carrier(Protocol):
    """Bytes in order, both ways; a :class:`stractory.net.stream.Stream` is one."""

    label: str

    @property
    def closed(self) -> bool:
        """Whether it is of no more use."""

    def deliver_to(self, receiver: Receiver) -> None:
        """Give ``receiver`` what arrives."""

    def consumed(self, size: int) -> None:
        """The receiver has used so many bytes: more may come."""

    def queue(self, data: bytes) -> bool:
        """Send without waiting; returns whether so much waits, or for so long, that one should make_room().

        Raises OSError, of which LinkError is one.
        """

    def make_room(self, timeout: float | None = None) -> None:
        """Wait while too much is queued. Raises SlowConsumer, TimeoutError, OSError."""

    def close(self) -> None:
        """End it in order: what was queued is still sent. It does not wait for that."""

    def abort(self, code: int = 0) -> None:
        """End it at once; where it can, ``code`` tells the other side why."""

    def give_up(self, error: Exception) -> None:
        """End it at once because of ``error``, which the receiver is told."""


class BlockingCarrier:
    """A carrier over what reads and writes by blocking, in green threads of its own.

    ``read`` gives pieces to the end, ``write`` sends one, ``shut`` ends the connection, and is given
    whether in disorder.
    """

    def __init__(
        self,
        label: str,
        *,
        read: Iterable[bytes],
        write: Callable[[bytes], Any],
        shut: Callable[[bool], None],
    ) -> None:
        self.label = label
        self._read = read
        self._write = write
        self._shut = shut
        self._backlog = Backlog()
        self._finished = False  # the other side sends no more
        self._over: Exception | None = None
        self._receiver: Receiver | None = None
        self._unconsumed = 0
        self._consumed = Event()
        self._closing = False  # what was queued is still sent
        self._reader: gevent.Greenlet[..., None] | None = None
        self._writer: gevent.Greenlet[..., None] | None = None
        self._at_end: list[Callable[[Exception | None], None]] = []

    def __repr__(self) -> str:
        return f"<Carrier {self.label}{', closed' if self.closed else ''}>"

    @property
    def closed(self) -> bool:
        return self._finished or self._closing or self._over is not None

    def deliver_to(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._reader = gevent.spawn(self._receive, receiver)

    def _receive(self, receiver: Receiver) -> None:
        try:
            for data in self._read:
                self._unconsumed += len(data)
                receiver.data_received(data)
                while self._unconsumed > UNCONSUMED_LIMIT and self._over is None:
                    self._consumed.clear()
                    self._consumed.wait()
        except (OSError, StractoryError) as error:
            self._end(error)
        else:
            if self._over is None:
                self._finished = True
                receiver.stream_ended(None)

    def consumed(self, size: int) -> None:
        self._unconsumed -= size
        self._consumed.set()

    def queue(self, data: bytes) -> bool:
        if self._over is not None:
            raise self._over
        if self._closing:
            raise LinkClosed(f"{self.label}: closed")
        self._backlog.append(memoryview(data))
        if self._writer is None:
            self._writer = gevent.spawn(self._send)
        return self._backlog.crowded

    def _send(self) -> None:
        pieces: list[memoryview] = []

        def collect(view: memoryview) -> int:
            room = CHUNK - sum(map(len, pieces))
            pieces.append(view[:room])
            return min(room, len(view))

        try:
            while self._backlog.size:
                self._backlog.take(collect)
                data = b"".join(pieces)
                pieces.clear()
                self._write(data)
        except (OSError, StractoryError) as error:
            self._end(error)
        finally:
            self._writer = None

    def make_room(self, timeout: float | None = None) -> None:
        if self._backlog.crowded:
            try:
                self._backlog.make_room(TimeoutError(f"{self.label}: nothing sent in {timeout} s"), timeout)
            except SlowConsumer as error:
                self._end(SlowConsumer(f"{self.label}: {error}"))
            if self._over is not None:
                raise self._over

    def call_at_end(self, callback: Callable[[Exception | None], None]) -> None:
        """Call it once, with what broke it or None, when it is over; at once if it is already.

        One that was closed is over, though what was queued may still be on its way.
        """
        if self.closed:
            callback(None)
        else:
            self._at_end.append(callback)

    def close(self) -> None:
        """End it in order: what was queued is still sent, within STILL_LIMIT seconds. It does not wait."""
        if self._writer is None:
            self._end(None)
        elif not self._closing:
            self._closing = True
            gevent.spawn(self._finish, self._writer)
            self._tell_end(None)

    def _finish(self, writer: gevent.Greenlet[..., None]) -> None:
        writer.join(STILL_LIMIT)
        self._end(None)

    def abort(self, code: int = 0) -> None:
        """End it at once, unless it was closed: what was queued before that is still sent."""
        if not self._closing:
            self._end(OSError(errno.ECONNABORTED, f"{self.label}: given up here"))

    def give_up(self, error: Exception) -> None:
        """End it at once because of ``error``."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._over is not None:
            return
        self._over = error or LinkClosed(f"{self.label}: closed")
        self._backlog.end()
        self._consumed.set()
        for task in (self._reader, self._writer):
            if task is not None and task is not gevent.getcurrent():
                task.kill(block=False)
        self._shut(error is not None)
        if self._receiver is not None and not self._finished:
            self._receiver.stream_ended(error)
        self._tell_end(error)

    def _tell_end(self, error: Exception | None) -> None:
        callbacks, self._at_end = self._at_end, []
        for callback in callbacks:
            callback(error)


def over_socket(sock: OwnStream, label: str) -> BlockingCarrier:
    """A carrier over a stream that has a connection of its own."""
    carrier = BlockingCarrier(
        label,
        read=iter(sock),
        write=sock.sendall,
        shut=lambda broken: sock.abort() if broken else sock.close(),
    )
    carrier.call_at_end(lambda error: sock.tell_end())
    return carrier
