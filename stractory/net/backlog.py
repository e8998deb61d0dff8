"""Bytes that wait because a peer does not take them fast enough, and when a sender must wait for that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

import gevent
from gevent.event import Event

from stractory.errors import SlowConsumer
from stractory.net.counters import counters

ROOM = 1024 * 1024
"""Bytes that may wait before their sender does."""

PILE_LIMIT = 16 * 1024 * 1024
"""Bytes that may wait for a peer that stands still while its senders go on."""

PILE_PATIENCE = 2.0
"""Seconds for which senders wait for a peer that stands still with so many waiting, before it is given up."""

STILL_LIMIT = 15.0
"""Seconds in which a peer that has bytes waiting must take some."""

GRACE = 0.25
"""Seconds without taking a byte after which a peer is said to stand still."""


class Backlog:
    """Bytes in order. ``size``: how many; ``over``: nobody will take them any more."""

    __slots__ = ("_chunks", "_moved", "_moved_at", "over", "size")

    def __init__(self) -> None:
        self.size = 0
        self.over = False
        self._chunks: deque[memoryview] = deque()
        self._moved_at = monotonic()
        self._moved: Event | None = None  # made when somebody waits

    def append(self, view: memoryview) -> None:
        if not view:
            return
        if not self._chunks:
            self._moved_at = monotonic()
        self._chunks.append(view)
        self.size += len(view)

    def take(self, send: Callable[[memoryview], int]) -> None:
        """Give ``send`` the bytes until it takes nothing; it returns how many it took of a chunk."""
        before = self.size
        chunks = self._chunks
        while chunks:
            view = chunks[0]
            size = send(view)
            if not size or self.over:
                break
            self.size -= size
            if size == len(view):
                chunks.popleft()
            else:
                chunks[0] = view[size:]
        if self.size < before:
            self._moved_at = monotonic()
            self._wake()

    @property
    def crowded(self) -> bool:
        """Whether a sender should make_room(): too much waits, or some does for too long."""
        return self.size > ROOM or (self.size > 0 and monotonic() - self._moved_at > STILL_LIMIT)

    def keep_copies(self) -> None:
        """The owner of the bytes may change them from now on."""
        self._chunks = deque(memoryview(bytes(view)) for view in self._chunks)

    def end(self) -> None:
        """Nobody will take them any more; who waits goes on."""
        self.over = True
        self._chunks.clear()
        self.size = 0
        self._wake()

    def wait(self, at_most: int, late: BaseException, timeout: float | None) -> None:
        """Wait until no more than ``at_most`` bytes wait, or none ever will. Raises ``late``."""
        with gevent.Timeout(timeout, late):
            while self.size > at_most:
                self._wait_moved(None)

    def make_room(self, late: BaseException, timeout: float | None) -> None:
        """Wait until no more than ROOM bytes wait, as long as the peer takes some.

        One that stands still is not waited for, so that its sender can go on with others; when it has taken
        nothing for STILL_LIMIT seconds of however little, or for PILE_PATIENCE with PILE_LIMIT bytes waiting,
        it is to be given up: SlowConsumer.
        Raises ``late`` after ``timeout`` seconds.
        """
        until = None if timeout is None else monotonic() + timeout
        while self.crowded:
            still = monotonic() - self._moved_at
            piled = self.size > PILE_LIMIT
            if still > (PILE_PATIENCE if piled else STILL_LIMIT):
                counters.slow_consumers += 1
                raise SlowConsumer(f"{self.size} bytes are waiting; none was taken for {still:.1f} s")
            if still > GRACE and not piled:
                return
            if until is not None and monotonic() >= until:
                raise late
            self._wait_moved(GRACE)

    def _wait_moved(self, timeout: float | None) -> None:
        if self._moved is None:
            self._moved = Event()
        self._moved.clear()
        self._moved.wait(timeout)

    def _wake(self) -> None:
        if self._moved is not None:
            self._moved.set()
