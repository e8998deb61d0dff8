"""TLS over a TCP connection, driven in two ways: a blocking stream, and what a link uses as its socket.

Who is on the other side is not told by certificates but by the proof that follows, which is bound to the
server's: see :mod:`stractory.proof.handshake`.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence
from socket import SHUT_RD, SHUT_WR
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent.lock import RLock
from gevent.socket import socket

from stractory.errors import AuthError, ProtocolError, StreamReset
from stractory.net import sockets
from stractory.net.backlog import STILL_LIMIT
from stractory.net.headers import LeftAtOnce
from stractory.net.socketlike import CHUNK, SocketLike
from stractory.net.sockets import OwnStream

if TYPE_CHECKING:  # who has no TLS loads none
    from stractory.net.tls import Engine

S = TypeVar("S", bound="TlsStream")

READ_SIZE = 64 * 1024
"""Bytes of ciphertext read at a time."""

MOST_READ = 512 * 1024
"""Bytes of ciphertext read at a time by a link while there is so much."""


class TlsStream(SocketLike, OwnStream):
    """A blocking stream over a TCP connection of its own; to be used as a socket is, from start() on.

    It ends in order only by the other side's word: an end of TCP, which anybody on the way could make,
    raises StreamReset. ``error`` is that, then.
    """

    def __init__(self, sock: socket, engine: Engine) -> None:
        self.error: Exception | None = None
        self._socket = sock
        self._engine = engine
        self._sending = RLock()
        self._unsent = b""  # of it, what the kernel did not take before a time-out
        self._shut = False
        self._close_asked = False
        self._closed = False
        self._io_refs = 0

    @classmethod
    def over(cls: type[S], stream: TlsStream) -> S:
        """Take the connection over; ``stream`` is of no use after that."""
        return cls(stream._socket, stream._engine)

    def __repr__(self) -> str:
        return f"<TlsStream {'closed' if self._closed else 'open'}>"

    @property
    def binding(self) -> bytes:
        """As the engine's."""
        return self._engine.binding

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""
        return self._closed

    def start(self, announcement: bytes = b"") -> None:
        """Do the handshake, after saying this in the clear.

        Raises ProtocolError, OSError, and AuthError when the certificate is refused.
        """
        self._socket.sendall(announcement)
        ended: ProtocolError = LeftAtOnce("it left without a word")
        try:
            while not self._engine.handshake():
                self._flush()
                data = self._socket.recv(READ_SIZE)
                if not data:
                    raise ended
                ended = ProtocolError("the connection ended during the TLS handshake")
                self._engine.receive(data)
        except (AuthError, ProtocolError):
            with contextlib.suppress(OSError):  # what is wrong, in TLS's own words
                self._flush()
            raise
        self._flush()

    # ---- as a socket -----------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At least one and at most ``size`` bytes; b"" at the end. Raises StreamReset, ProtocolError."""
        if flags:
            raise OSError(errno.EOPNOTSUPP, "a TLS connection knows no flags of recv")
        while size:
            if data := self._engine.read(size):
                return data
            if self._engine.ended:
                break
            self._receive()
        return b""

    def _receive(self) -> None:
        data = self._socket.recv(READ_SIZE)
        if not data:
            self.error = StreamReset("the connection was cut off: it ended without a last word of TLS")
            raise self.error
        self._engine.receive(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        with self._sending:
            if self._shut:
                raise OSError(errno.EPIPE, "the connection is shut for writing")
            for start in range(0, len(view), CHUNK):
                self._engine.write(view[start : start + CHUNK])
                self._flush()

    def _flush(self, **timeout: float) -> None:
        self._unsent += self._engine.output()
        while self._unsent:
            sent = self._socket.send(self._unsent, **timeout)
            self._unsent = self._unsent[sent:]

    def shutdown(self, how: int) -> None:
        """SHUT_WR tells the other side that no more will come; SHUT_RD is told to nobody."""
        if how != SHUT_RD:
            with self._sending:
                self._shut = True
                self._engine.finish()
                self._flush()
                self._socket.shutdown(SHUT_WR)

    def close(self) -> None:
        """Close it, as a socket: what was sent arrives. Files made of it stay usable."""
        self._close_asked = True
        if self._io_refs > 0 or self._closed:
            return
        self._closed = True
        if self._say_last_word():
            self._socket.close()
        else:
            gevent.spawn(self._close_when_sent)
        self.tell_end()

    def _say_last_word(self) -> bool:
        """False if the kernel has no room now: without it all that was sent would count as cut off."""
        if not self._engine.binding or not self._sending.acquire(blocking=False):
            return True  # who has not begun has no last word, nor who is in the middle of another
        self._shut = True
        try:
            self._engine.finish()
            self._flush(timeout=0.0)
        except BlockingIOError:
            return False
        except OSError:
            pass
        finally:
            self._sending.release()
        return True

    def _close_when_sent(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(self._socket):
            self._socket.settimeout(STILL_LIMIT)
            self._flush()

    def abort(self, code: int = 0) -> None:
        sockets.reset_at_close(self._socket)
        self._socket.close()
        self.close()

    def settimeout(self, seconds: float | None) -> None:
        self._socket.settimeout(seconds)

    def gettimeout(self) -> float | None:
        return self._socket.gettimeout()

    def setsockopt(self, *options: Any) -> None:
        self._socket.setsockopt(*options)

    def getpeername(self) -> Any:
        return self._socket.getpeername()

    def getsockname(self) -> Any:
        return self._socket.getsockname()

    def unwrapped(self) -> TlsConnection:
        """As the function of this name."""
        return TlsConnection(sockets.unwrapped(self._socket), self._engine)


Connection = socket | TlsStream
"""What proofs are made over."""


class TlsConnection:
    """What a link uses as a socket that never waits: all that it asks of one."""

    def __init__(self, sock: Any, engine: Engine) -> None:
        self._socket = sock
        self._engine = engine
        self._early = engine.read_all()
        self._read_size = READ_SIZE
        self._unsent: bytes | memoryview = b""
        self._offered = 0  # bytes of plaintext that are sent when nothing is unsent
        self.fileno = sock.fileno

    @property
    def pending(self) -> bool:
        """Whether something came with the handshake, of which the loop will not tell."""
        return bool(self._early)

    def recv(self, size: int) -> bytes:
        """All that one read of the connection gives, whatever ``size`` says.

        Nothing is kept back: the loop would not tell of it. b"" at the end, whether by TLS's word or TCP's: a
        session says itself that it ends. Raises BlockingIOError when there is nothing yet; ProtocolError,
        OSError.
        """
        if self._early:
            data, self._early = self._early, b""
            return data
        ciphertext = self._socket.recv(self._read_size)
        if not ciphertext:
            return b""
        self._read_size = MOST_READ if len(ciphertext) == self._read_size else READ_SIZE
        data = self._engine.decrypt(ciphertext)
        if not data and not self._engine.ended:
            raise BlockingIOError
        return data

    def send(self, data: bytes) -> int:
        """As sendmsg()."""
        return self.sendmsg((data,))

    def sendmsg(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Send the beginning of them; returns how much that was.

        Raises BlockingIOError while what is encrypted of it has not left. Then the next call has to be with
        the same bytes, as the writer's are, which keeps what was not sent. They are not looked at again.
        """
        if not self._unsent:
            data = pieces[0] if len(pieces) == 1 else b"".join(_beginning(pieces, CHUNK))
            data = memoryview(data)[:CHUNK]
            self._engine.write(data)
            self._unsent, self._offered = self._engine.output(), len(data)
        sent = self._socket.send(self._unsent)
        if sent < len(self._unsent):
            self._unsent = memoryview(self._unsent)[sent:]
            raise BlockingIOError
        self._unsent = b""
        return self._offered

    def shutdown(self, how: int) -> None:
        """End our direction."""
        if not self._unsent:
            self._engine.finish()
            with contextlib.suppress(BlockingIOError):
                self._socket.send(self._engine.output())
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()


def unwrapped(connection: Connection) -> Any:
    """For a link: as a socket that never waits. ``connection`` is of no use after that."""
    if isinstance(connection, TlsStream):
        return connection.unwrapped()
    return sockets.unwrapped(connection)


def _beginning(pieces: Sequence[bytes | memoryview], size: int) -> Sequence[bytes | memoryview]:
    """The first of them that have so many bytes together, or more."""
    for index, piece in enumerate(pieces):
        size -= len(piece)
        if size <= 0:
            return pieces[: index + 1]
    return pieces
