"""What a caller waits for: one answer, or items one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any

from gevent import getcurrent
from gevent.event import AsyncResult, Event
from gevent.hub import Waiter

from stractory.errors import CallTimeout, ProtocolError
from stractory.wire.messages import ITEMS_AHEAD

DEFAULT_TIMEOUT = 30.0
"""Seconds a call waits for its answer unless told otherwise."""

deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the caller of the method that runs now stops waiting, by the monotonic clock."""


def within_deadline(timeout: float | None) -> float | None:
    """``timeout``, or less where a caller of ours waits no longer than that; never below 0, nor NaN."""
    if timeout is not None:
        timeout = max(0.0, timeout)  # the other side refuses others, and the stream with them
    until = deadline.get()
    if until is None:
        return timeout
    left = max(0.0, until - monotonic())
    return left if timeout is None else min(timeout, left)


class Answer(Waiter):  # type: ignore[type-arg]  # generic in the stubs only
    """What one green thread waits for, such as a call's answer. An AsyncResult takes twice as long."""

    def set(self, value: Any) -> None:
        if getcurrent() is self.hub:
            self.switch(value)
        else:
            self.hub.loop.run_callback(self.switch, value)

    def set_exception(self, error: BaseException) -> None:
        if getcurrent() is self.hub:
            self.throw(error)
        else:
            self.hub.loop.run_callback(self.throw, error)

    def wait(self, timeout: float | None) -> Any:
        """The value, or the Answer itself after ``timeout`` seconds; raises the error."""
        if timeout is None:
            return self.get()
        timer = self.hub.loop.timer(timeout)
        timer.start(self.switch, self)
        try:
            return self.get()
        finally:
            timer.close()


class Future(AsyncResult):  # type: ignore[type-arg]  # generic in the stubs only
    """The answer to a call of ``target``, for whoever asks for it, at any time.

    ``late(target, seconds)`` makes the CallTimeout. Both are set by who makes it: a constructor of its own
    would take longer than the rest of it.
    """

    __slots__ = ("late", "target")

    late: Callable[[str | int, float], CallTimeout]
    target: str | int

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """What the call returned. Raises what it raised, and CallTimeout after ``timeout`` seconds."""
        seconds = timeout if block else 0.0
        if seconds is not None and not self.ready():
            self.wait(seconds)
            if not self.ready():
                raise self.late(self.target, seconds)
        return super().get()


class Inbox:
    """Items that have arrived for a caller. It stands where an answer did, and may be told the same."""

    __slots__ = ("arrived", "error", "over", "values")

    def __init__(self) -> None:
        self.values: deque[Any] = deque()
        self.over = False
        self.error: BaseException | None = None
        self.arrived = Event()

    def put(self, value: Any) -> None:
        """One came. Raises ProtocolError for far more than were asked for."""
        if len(self.values) > 2 * ITEMS_AHEAD:
            raise ProtocolError("more items than were asked for")
        self.values.append(value)
        self.arrived.set()

    def end(self, error: BaseException | None = None) -> None:
        self.over = True
        self.error = error
        self.arrived.set()

    def set(self, value: Any) -> None:
        """A result where items were to come: the other side breaks the rules, and is not waited for."""
        self.end()

    set_exception = end


class Items:
    """What a remote generator yields, as an iterator. Iterating waits for each, at most ``timeout`` seconds.

    At most ITEMS_AHEAD are on the way: a slow loop slows the generator. close() tells it to stop, and so does
    dropping the iterator.
    """

    def __init__(self, inbox: Inbox, more: Callable[[int], None], cancel: Callable[[], None]) -> None:
        self.timeout: float | None = None
        self._inbox = inbox
        self._more = more
        self._cancel = cancel
        self._taken = 0

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> Any:
        inbox = self._inbox
        while not inbox.values:
            if inbox.over:
                error, inbox.error = inbox.error, None
                raise error or StopIteration
            inbox.arrived.clear()
            timeout = within_deadline(self.timeout)
            if not inbox.arrived.wait(timeout):
                raise CallTimeout(f"no item in {timeout:g} s")
        self._taken += 1
        if self._taken >= ITEMS_AHEAD // 2 and not inbox.over:
            self._more(self._taken)
            self._taken = 0
        return inbox.values.popleft()

    def close(self) -> None:
        """Take no more."""
        if not self._inbox.over:
            self._inbox.end()
            self._cancel()
        self._inbox.values.clear()

    def __del__(self) -> None:
        if not self._inbox.over:
            self._cancel()
