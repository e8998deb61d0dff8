"""A link's way out: what the session has to say, onto the socket.

Whatever is written in one turn of the loop leaves in one send; when the kernel takes no more, a green thread
drains the rest and streams queue up for room, one frame each in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.socket import socket

from stractory.wire.session import Session

HIGH_WATER = 256 * 1024
"""Bytes of frames waiting for the kernel at which streams stop making more."""


class Pumped(Protocol):
    """A stream with bytes to frame."""

    def pump(self) -> None: ...
    def gather(self) -> None: ...


class Writer:
    """``broken`` is told, once, what the socket raised; it must close() then."""

    def __init__(self, sock: socket, session: Session, broken: Callable[[OSError], None]) -> None:
        self._socket = sock
        self._session = session
        self._broken = broken
        self._armed = False
        self._closed = False
        self._draining: gevent.Greenlet[..., None] | None = None
        self._waiting: deque[Pumped] = deque()  # streams with bytes to send, while the kernel takes no more
        self._gathering: list[Pumped] = []
        self._loop = gevent.get_hub().loop

    def has_room(self, stream: Pumped) -> bool:
        """Whether a frame may be made now; if not, the stream is pumped when there is room."""
        if self._session.output_size < HIGH_WATER:
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
        self.flush_soon()

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop."""
        if not self._armed:
            self._armed = True
            self._loop.run_callback(self.flush)

    def flush(self) -> None:
        """Send what is queued as far as the kernel takes it now; a green thread sends the rest."""
        self._armed = True  # what is gathered leaves with this flush
        while self._gathering:
            gathering, self._gathering = self._gathering, []
            for stream in gathering:
                stream.gather()
        self._armed = False
        if self._draining is not None or self._closed:
            return
        output = b"".join(self._session.output())
        if not output:
            return
        try:
            sent = self._socket.send(output, 0, 0.0)  # type: ignore[call-arg]  # 0.0: do not wait
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        if sent < len(output):
            self._draining = gevent.spawn(self._drain, memoryview(output)[sent:])

    def _drain(self, rest: memoryview | bytes) -> None:
        try:
            while rest:
                self._socket.sendall(rest)
                self._pump_waiting()
                rest = b"".join(self._session.output())
        except OSError as error:
            self._broken(error)
        finally:
            self._draining = None

    def _pump_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            if self._session.output_size >= HIGH_WATER:
                break
            self._waiting.popleft().pump()

    def finish(self, linger: float) -> None:
        """Send what is queued, within ``linger`` seconds."""
        self.flush()
        if self._draining is not None:
            self._draining.join(linger)

    def close(self) -> None:
        """Send no more."""
        self._closed = True
        self._waiting.clear()
        if self._draining is not None and self._draining is not gevent.getcurrent():
            self._draining.kill(block=False)
