"""What makes a stream feel like a socket beyond reading, writing and closing."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar

CHUNK = 64 * 1024
"""Most bytes that iterating a stream gives at once."""

S = TypeVar("S", bound="SocketLike")


class SocketLike:
    """Built on recv(), sendall() and close(); ``_io_refs`` counts the files made of it."""

    __slots__ = ("_close_asked", "_io_refs", "_timeout")

    _io_refs: int
    _close_asked: bool
    _timeout: float | None

    def recv(self, size: int, flags: int = 0) -> bytes:
        raise NotImplementedError

    def sendall(self, data: Any, flags: int = 0) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As recv(), into ``buffer``; returns how many bytes, 0 at the end."""
        view = memoryview(buffer).cast("B")
        if nbytes > len(view):
            raise ValueError(f"a buffer of {len(view)} bytes is too small for {nbytes}")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def __iter__(self) -> Iterator[bytes]:
        while data := self.recv(CHUNK):
            yield data

    def send(self, data: Any, flags: int = 0) -> int:
        """As sendall(): it never sends less."""
        self.sendall(data)
        return len(memoryview(data).cast("B"))

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def settimeout(self, seconds: float | None) -> None:
        """How long reading and writing may wait; None is for ever. There is no non-blocking mode."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *options: Any) -> None:
        """Accepted and ignored: the link's socket is shared."""

    def fileno(self) -> int:
        """-1: it has no descriptor of its own."""
        return -1

    makefile = stdlib_socket.socket.makefile  # asks only for recv_into, send, _io_refs and the next method

    def _decref_socketios(self) -> None:
        self._io_refs -= 1
        if self._close_asked:
            self.close()
