"""Blocking byte streams: one of a link's many, or a connection of its own, with the methods of a socket.

A :class:`Stream` belongs to a :class:`stractory.net.link.Link`, whose reader green thread feeds it. Reading
and writing wait only the calling green thread. A reader that is slow closes the stream's window and so
slows its own peer, nobody else.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import gevent
from gevent.event import Event

from stractory.errors import LinkClosed, StractoryError, StreamReset
from stractory.net.headers import receive_header
from stractory.net.socketlike import CHUNK, SocketLike
from stractory.wire.dialling import decode_answer

if TYPE_CHECKING:
    from stractory.net.link import Link


class Receiver(Protocol):
    """What takes a stream's bytes as they arrive, in place of recv(). Neither method may block."""

    def data_received(self, data: bytes) -> None: ...

    def stream_ended(self, error: Exception | None) -> None:
        """No more will come; ``error`` is None when the peer finished in order."""


class Stream(SocketLike):
    """A blocking, bidirectional byte stream over a link. It behaves like a connected socket.

    Iterating yields bytes as they arrive, to the end. ``with`` closes it. Reading raises StreamReset when
    the peer gave up, and what the stream's ``lost`` makes (ActorLost for an actor) when the link ended.
    """

    __slots__ = (
        "__weakref__",
        "_at_end",
        "_chunks",
        "_closed",
        "_error",
        "_finished",
        "_link",
        "_lost",
        "_offset",
        "_readable",
        "_receiver",
        "_shut",
        "_timeout",
        "_unsent",
        "_unsent_size",
        "_writable",
        "activity",
        "id",
        "label",
    )

    def __init__(
        self, link: Link, id: int, label: str, lost: Callable[[str], StractoryError] = LinkClosed
    ) -> None:
        self.id = id
        self.label = label
        self.activity = 0  # grows with every arrival and departure of bytes
        self._at_end: tuple[Callable[[Exception | None], None], ...] = ()
        self._link = link
        self._lost = lost
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # how much of the first chunk was read
        self._unsent: deque[memoryview] = deque()
        self._unsent_size = 0
        self._readable: Event | None = None  # made when somebody waits
        self._writable: Event | None = None
        self._receiver: Receiver | None = None
        self._finished = False  # the peer sent its FIN
        self._shut = False  # we sent our FIN
        self._close_asked = False
        self._closed = False
        self._error: Exception | None = None
        self._timeout: float | None = None
        self._io_refs = 0

    def __repr__(self) -> str:
        state = (
            "closed" if self._closed else "lost" if self._error else "finished" if self._finished else "open"
        )
        return f"<Stream {self.id} {self.label} {state}>"

    @property
    def error(self) -> Exception | None:
        """What broke it, if something did."""
        return self._error

    @property
    def closed(self) -> bool:
        """Whether it is of no more use: closed here, or ended by the peer or the link."""
        return self._closed or self._finished or self._error is not None

    # ---- reading -----------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At least one and at most ``size`` bytes; b"" at the end. Waits for them."""
        if flags:
            raise OSError(errno.EOPNOTSUPP, f"{self.label}: a stream knows no flags of recv")
        if self._closed:
            raise OSError(errno.EBADF, f"{self.label}: the stream is closed")
        if not self._chunks and not self._wait_readable():
            return b""
        chunk = self._chunks[0]
        rest = len(chunk) - self._offset
        if size >= rest:
            data = chunk[self._offset :] if self._offset else chunk
            self._chunks.popleft()
            self._offset = 0
        else:
            data = chunk[self._offset : self._offset + size]
            self._offset += size
        self._link.consumed(self.id, len(data))
        return data

    def _wait_readable(self) -> bool:
        """Whether there are bytes; False at the end. Raises what ended the stream."""
        while not self._chunks:
            if self._closed:
                raise OSError(errno.EBADF, f"{self.label}: the stream is closed")
            if self._error is not None:
                raise self._error
            if self._finished:
                return False
            if self._readable is None:
                self._readable = Event()
            self._readable.clear()
            if not self._readable.wait(self._timeout):
                raise TimeoutError(f"{self.label}: nothing received in {self._timeout} s")
        return True

    # ---- writing -----------------------------------------------------------------------------------

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it, in one piece with regard to other green threads; waits while the peer is slow."""
        self.push(data)
        self._link.flush()
        if self._unsent:
            try:
                self._wait_unsent(at_most=0)
            except BaseException:  # it goes on sending, of what the caller may change from now on
                self._unsent = deque(memoryview(bytes(view)) for view in self._unsent)
                raise

    def push(self, data: Any) -> None:
        """Queue bytes without waiting; they leave in order, as window and link allow."""
        if self._error is not None:
            raise self._error
        if self._closed:
            raise OSError(errno.EBADF, f"{self.label}: the stream is closed")
        if self._shut:
            raise OSError(errno.EPIPE, f"{self.label}: the stream is shut for writing")
        view = memoryview(data).cast("B")
        self.activity += 1
        if view:
            self._unsent.append(view)
            self._unsent_size += len(view)
            self.pump()

    def drain(self, at_most: int) -> None:
        """Wait until no more than ``at_most`` pushed bytes are waiting to be framed."""
        if self._unsent_size > at_most:
            self._wait_unsent(at_most)

    def _wait_unsent(self, at_most: int) -> None:
        with gevent.Timeout(self._timeout, TimeoutError(f"{self.label}: nothing sent in {self._timeout} s")):
            while self._unsent_size > at_most:
                if self._error is not None:
                    raise self._error
                if self._closed:
                    raise OSError(errno.EBADF, f"{self.label}: the stream is closed")
                if self._writable is None:
                    self._writable = Event()
                self._writable.clear()
                self._writable.wait()

    def pump(self) -> None:
        """Move unsent bytes into frames as far as window and link allow. Called again when there is room."""
        unsent = self._unsent
        if self._error is not None or self._closed:
            unsent.clear()
        while unsent:
            if not self._link.has_room(self):
                return
            view = unsent[0]
            size = self._link.send(self.id, view)
            if not size:
                break
            self._unsent_size -= size
            if size == len(view):
                unsent.popleft()
            else:
                unsent[0] = view[size:]
        if self._writable is not None:
            self._writable.set()

    # ---- opening and ending ------------------------------------------------------------------------

    def wait_accepted(self) -> None:
        """Wait for the answer to the dial header; raises the error with which the peer refused."""
        try:
            ended = StreamReset(f"{self.label}: the stream ended before it was accepted")
            refusal = receive_header(self, decode_answer, ended)
        except BaseException:
            self.abort()
            raise
        if refusal is not None:
            self.close()
            raise refusal

    def deliver_to(self, receiver: Receiver) -> None:
        """Give ``receiver`` what has arrived and will arrive, instead of keeping it for recv()."""
        self._receiver = receiver
        self._link.hold(self)
        while self._chunks:
            receiver.data_received(self.recv(CHUNK))
        if self._finished or self._error is not None:
            receiver.stream_ended(self._error)

    def shutdown(self, how: int) -> None:
        """SHUT_WR tells the peer that no more will come; SHUT_RD is told to nobody."""
        if how != stdlib_socket.SHUT_RD and not self._closed:
            self.drain(0)
            self._shut = True
            self._link.finish(self.id)
            self._link.flush()

    def close(self) -> None:
        """Close it, as a socket: what was sent arrives; what the peer still sends is refused.

        Files made of it stay usable; it closes with the last of them.
        """
        self._close_asked = True
        if self._io_refs <= 0:
            self._close(abort=bool(self._chunks or self._unsent))

    def abort(self) -> None:
        """Give it up at once in both directions; the peer gets StreamReset."""
        self._close(abort=True)

    def _close(self, abort: bool) -> None:
        if not self._closed:
            self._closed = True
            self._link.release(self, abort)
            self._end(None)

    def __del__(self) -> None:
        if not self._closed and self._error is None:
            self._link.drop(self.id, abort=bool(self._chunks))

    # ---- what the link tells it: none of these waits -------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes arrived."""
        self.activity += 1
        if self._receiver is not None:
            self._link.consumed(self.id, len(data))
            self._receiver.data_received(data)
        else:
            self._chunks.append(data)
            if self._readable is not None:
                self._readable.set()

    def finished(self) -> None:
        """The peer will send no more."""
        self._finished = True
        self._end(None)

    def fail(self, error: Exception) -> None:
        """It is over, in both directions, because of ``error``."""
        self._error = error
        self._end(error)

    def lose(self, reason: str) -> None:
        """The link under it is gone."""
        self.fail(self._lost(f"{self.label}: {reason}"))

    def call_at_end(self, callback: Callable[[Exception | None], None]) -> None:
        """Call it once, with what broke the stream or None, when it is over; at once if it is already."""
        if self.closed:
            callback(self._error)
        else:
            self._at_end += (callback,)

    def _end(self, error: Exception | None) -> None:
        for event in (self._readable, self._writable):
            if event is not None:
                event.set()
        if self._receiver is not None:
            self._receiver.stream_ended(error)
        callbacks, self._at_end = self._at_end, ()
        for callback in callbacks:
            callback(error)

    # ---- what else a socket has ----------------------------------------------------------------------

    def settimeout(self, seconds: float | None) -> None:
        """How long reading and writing may wait; None is for ever. There is no non-blocking mode."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def getpeername(self) -> Any:
        """The address of the other process's end of the link."""
        return self._link.peer_address

    def getsockname(self) -> Any:
        """The address of this process's end of the link."""
        return self._link.own_address
