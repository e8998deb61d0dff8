"""Blocking byte streams: one of a link's many, or a connection of its own, with the methods of a socket.

A :class:`Stream` belongs to a :class:`stractory.net.link.Link`, which feeds it from the loop. Reading and
writing wait only the calling green thread. A reader that is slow closes the stream's window and so
slows its own peer, nobody else.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent

from stractory.errors import LinkClosed, StractoryError, StreamReset
from stractory.net.answers import Answer
from stractory.net.backlog import STILL_LIMIT
from stractory.net.headers import receive_header
from stractory.net.outgoing import Outgoing
from stractory.net.receiver import Receiver
from stractory.net.threads import native_thread
from stractory.wire.dialling import decode_answer

if TYPE_CHECKING:
    from stractory.net.link import Link


USED_STEP = 16 * 1024
"""Bytes that a receiver has used before the link is told; far less than the window at which it cares."""


class Stream(Outgoing):
    """A blocking, bidirectional byte stream over a link. It behaves like a connected socket.

    Iterating yields bytes as they arrive, to the end. ``with`` closes it. Reading raises StreamReset when
    the peer gave up (ActorEnded if that was an actor's orderly end), and what the stream's ``lost`` makes
    (ActorLost for an actor) when the link ended. In another thread than its own everything raises
    RuntimeError.
    """

    __slots__ = (
        "__weakref__",
        "_at_end",
        "_chunks",
        "_finished",
        "_lost",
        "_offset",
        "_readers",
        "_receiver",
        "_told",
        "_used",
    )

    def __init__(
        self, link: Link, id: int, label: str, lost: Callable[[str], StractoryError] = LinkClosed
    ) -> None:
        super().__init__(link, id, label)
        self._at_end: tuple[Callable[[Exception | None], None], ...] = ()
        self._lost = lost
        self._chunks: deque[bytes] | None = None  # made when something comes: it is large
        self._offset = 0  # how much of the first chunk was read
        self._readers: tuple[Answer, ...] = ()  # by which those wait who read
        self._receiver: Receiver | None = None
        self._used = 0  # by the receiver, and not told to the link
        self._told = False  # the receiver, of the end
        self._finished = False  # the peer sent its FIN
        self._close_asked = False
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
        if native_thread() != self._writer.thread:
            self._check_thread()
        if not self._chunks and not self._wait_readable():
            return b""
        assert self._chunks  # noqa: S101  # that it could be read means nothing else
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
            reader = Answer()
            self._readers += (reader,)
            try:
                told = reader.wait(self._timeout)
            finally:
                self._readers = tuple(each for each in self._readers if each is not reader)
            if told is reader:
                raise TimeoutError(f"{self.label}: nothing received in {self._timeout} s")
        return True

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, ()
        for reader in readers:
            reader.set(None)

    def consumed(self, size: int) -> None:
        """A receiver has used so many bytes: the peer may send as many again."""
        self._used += size
        if self._used >= USED_STEP:
            self._link.consumed(self.id, self._used)
            self._used = 0

    # ---- opening and ending ------------------------------------------------------------------------

    def wait_accepted(self) -> int:
        """Wait for the answer to the dial header; returns how many bytes the peer allows a message.

        Raises the error with which it refused.
        """
        try:
            ended = StreamReset(f"{self.label}: the stream ended before it was accepted")
            answer = receive_header(self, decode_answer, ended)
        except BaseException:
            self.abort()
            raise
        if isinstance(answer, StractoryError):
            self.close()
            raise answer
        return answer

    def deliver_to(self, receiver: Receiver) -> None:
        """Give ``receiver`` what has arrived and will arrive, instead of keeping it for recv()."""
        self._receiver = receiver
        self._link.hold(self)
        while self._chunks:
            chunk = self._chunks.popleft()
            receiver.data_received(chunk[self._offset :])
            self._offset = 0
        self._chunks = None
        if self._finished or self._error is not None:
            self._told = True
            receiver.stream_ended(self._error)

    def shutdown(self, how: int) -> None:
        """SHUT_WR tells the peer that no more will come; SHUT_RD is told to nobody."""
        self._check_thread()
        if how != stdlib_socket.SHUT_RD and not self._closed:
            self.gather()
            self._wait_sent()
            self._shut = True
            self._link.finish(self.id)
            self._writer.flush()

    def close(self) -> None:
        """Close it, as a socket: what was sent arrives; what the peer still sends is refused.

        Files made of it stay usable; it closes with the last of them.
        """
        self._check_thread()
        self._close_asked = True
        if self._io_refs > 0 or self._closed:
            return
        if self._error is None:
            self.gather()
        if self._backlog is None or self._chunks or self._sending or self._error is not None:
            self._close(abort=bool(self._chunks or self._sending))
        else:
            self._closed = True
            self._link.hold(self)  # until what was sent has left, or nothing of it does for too long
            gevent.spawn_later(STILL_LIMIT, self._link.release, self.id, True)
            self._end(None)

    def abort(self, code: int = 0) -> None:
        """Give it up at once in both directions; the peer gets StreamReset, or what ``code`` stands for."""
        self._check_thread()
        self._close(abort=True, code=code)

    def give_up(self, error: Exception) -> None:
        """Give it up because of ``error``, which its user and receiver get."""
        if not self._closed and self._error is None:
            self._link.release(self.id, abort=True)
            self.fail(error)

    def _close(self, abort: bool, code: int = 0) -> None:
        if not self._closed:
            self._closed = True
            self._link.release(self.id, abort, code)
            self._forget_backlog()
            self._end(self._error)  # which its receiver may have been told of before, and close it for that

    def __del__(self) -> None:
        if not self._closed and self._error is None:
            self._link.drop(self.id, abort=bool(self._chunks or self._backlog))

    # ---- what the link tells it: none of these waits -------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes arrived."""
        self.activity += 1
        if self._closed:  # and what was sent is still on its way
            self._link.consumed(self.id, len(data))
        elif self._receiver is not None:
            self._receiver.data_received(data)
        else:
            if self._chunks is None:
                self._chunks = deque()
            self._chunks.append(data)
            if self._readers:
                self._wake_readers()

    def finished(self) -> None:
        """The peer will send no more."""
        self._finished = True
        self._end(None)

    def fail(self, error: Exception) -> None:
        """It is over, in both directions, because of ``error``."""
        self._error = error
        self._forget_backlog()
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
        self._wake_readers()
        if self._receiver is not None and not self._told:
            self._told = True
            self._receiver.stream_ended(error)
        callbacks, self._at_end = self._at_end, ()
        for callback in callbacks:
            callback(error)

    # ---- what else a socket has ----------------------------------------------------------------------

    def getpeername(self) -> Any:
        """The address of the other process's end of the link."""
        return self._link.peer_address

    def getsockname(self) -> Any:
        """The address of this process's end of the link."""
        return self._link.own_address
