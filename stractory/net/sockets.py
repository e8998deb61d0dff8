"""TCP connections: how they are tuned, dialled, and made iterable as a link's streams are."""

from __future__ import annotations

import contextlib
import os
import socket as stdlib_socket
from collections.abc import Callable, Iterator
from struct import pack
from typing import Any, TypeVar

from gevent import monkey, socket

from stractory.errors import UnreachableError
from stractory.net.address import Address
from stractory.net.socketlike import CHUNK

S = TypeVar("S", bound="SocketStream")

CONNECT_TIMEOUT = 5.0
"""Seconds within which the other machine's kernel must take a connection."""


def tune(sock: socket.socket) -> None:
    """No Nagle delay (it costs 40 ms a request), and a peer that vanished is noticed within 20 s.

    Keepalive notices while nothing is under way, the user timeout while something is. The kernel does both
    without our loop, which in an unpatched program runs only during calls.
    """
    for level, option, value in (
        (stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1),
        (stdlib_socket.SOL_SOCKET, stdlib_socket.SO_KEEPALIVE, 1),
        (stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPIDLE, 8),
        (stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPINTVL, 4),
        (stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPCNT, 3),
        (stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_USER_TIMEOUT, 20_000),
    ):
        sock.setsockopt(level, option, value)


def tune_for_silence(sock: socket.socket) -> None:
    """As tune(), for a peer that may take nothing for long: an acknowledgement of its machine's is enough.

    With more on its way than that machine has room for, a user timeout would end the connection.
    """
    sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_USER_TIMEOUT, 0)


def connect(address: Address) -> socket.socket:
    """A tuned connection. Raises UnreachableError naming the address."""
    try:
        sock = socket.create_connection(address, timeout=CONNECT_TIMEOUT)
    except OSError as error:
        raise UnreachableError(f"nobody answers at {address}: {plain(error)}") from None
    sock.settimeout(None)
    tune(sock)
    return sock


_Plain = monkey.get_original("socket", "SocketType")


def unwrapped(sock: socket.socket) -> Any:
    """The connection as a socket of the system's, which never waits; ``sock`` is of no use after that."""
    plain = _Plain(fileno=sock.detach())
    plain.setblocking(False)
    return plain


_NO_LINGER = pack("ii", 1, 0)  # struct linger: on, for no time


def reset_at_close(sock: socket.socket) -> None:
    """Have its close() show to the other side that this is no orderly end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, _NO_LINGER)


def plain(error: OSError) -> str:
    """What the operating system says, without what libraries add to it."""
    if isinstance(error, stdlib_socket.gaierror):  # its numbers are not errno's
        return error.strerror or str(error)
    return os.strerror(error.errno) if error.errno else str(error)


class OwnStream:
    """One that has a connection of its own: it iterates and tells its end, as a link's stream does."""

    _at_end: tuple[Callable[[Exception | None], None], ...] = ()

    def recv(self, size: int, /) -> bytes:
        raise NotImplementedError

    def sendall(self, data: Any, /) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def abort(self, code: int = 0) -> None:
        """Close it so that the other side sees that this is no orderly end. There is no room for a code."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        while data := self.recv(CHUNK):
            yield data

    def call_at_end(self, callback: Callable[[Exception | None], None]) -> None:
        """Call it once when the connection is closed here, or is about to be when all was sent."""
        self._at_end += (callback,)

    def tell_end(self) -> None:
        """Tell who asked by call_at_end: its owner will close it, and it is for nobody else to abort."""
        callbacks, self._at_end = self._at_end, ()
        for callback in callbacks:
            callback(None)


class SocketStream(socket.socket, OwnStream):
    """A TCP connection as such a stream."""

    @classmethod
    def over(cls: type[S], sock: socket.socket) -> S:
        """Take the connection over; ``sock`` is of no use after that."""
        return cls(fileno=sock.detach())

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""
        return self.fileno() < 0

    def abort(self, code: int = 0) -> None:
        reset_at_close(self)
        self.close()

    def close(self) -> None:
        super().close()
        self.tell_end()
