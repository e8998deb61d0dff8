"""A connection of its own to an actor's own port."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stractory.net.carrier import BlockingCarrier
from stractory.net.secured import Connection, TlsStream
from stractory.net.sockets import OwnStream, SocketStream
from stractory.net.stream import Stream


class DirectStream(OwnStream):
    """It counts as ended as soon as its use shows that: no loop reads ahead, as a link's does."""

    _ended: tuple[Callable[[Exception | None], None], ...] = ()

    def call_at_end(self, callback: Callable[[Exception | None], None]) -> None:
        """Call it once, with what broke the connection or None, when it is closed or seen to be over."""
        self._ended += (callback,)

    def recv(self, size: int, *args: Any) -> bytes:
        with self._watching():
            data: bytes = super().recv(size, *args)
        if size and not data:
            self._end(None)
        return data

    def recv_into(self, *args: Any) -> int:
        with self._watching():
            size: int = super().recv_into(*args)  # type: ignore[misc]
        if not size:
            self._end(None)
        return size

    def send(self, *args: Any, **kwargs: Any) -> int:
        with self._watching():
            return super().send(*args, **kwargs)  # type: ignore[misc,no-any-return]

    def sendall(self, *args: Any) -> Any:
        with self._watching():
            return super().sendall(*args)

    def close(self) -> None:
        super().close()
        self._end(None)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (None, errno.EAGAIN):  # those tell only that it takes longer
                self._end(error)
            raise

    def _end(self, error: Exception | None) -> None:
        callbacks, self._ended = self._ended, ()
        for callback in callbacks:
            callback(error)


class DirectSocket(DirectStream, SocketStream):
    """In plain text: a socket of the user's own."""


class DirectTlsStream(DirectStream, TlsStream):
    """In TLS."""


def over(connection: Connection) -> DirectSocket | DirectTlsStream:
    """Take the connection over."""
    if isinstance(connection, TlsStream):
        return DirectTlsStream.over(connection)
    return DirectSocket.over(connection)


Carried = Stream | DirectStream | BlockingCarrier
"""All that a connection to an actor may be: shared, a socket of its own, or what another protocol carries."""
