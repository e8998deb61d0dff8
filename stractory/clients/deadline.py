"""How long a public call may take: one deadline for everything it does, told in the user's own number."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import gevent

from stractory.errors import CallTimeout, StractoryError

DEFAULT_TIMEOUT = 30.0
"""Seconds that a call may take unless told otherwise."""

GRACE = 1.0
"""Seconds that the client waits beyond what it tells the registry: an error from there says more."""


class Deadline:
    """``timeout`` is in seconds from now; None is for ever."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self, grace: float = 0.0) -> float | None:
        """Seconds until then, not below 0."""
        return None if self._at is None else max(0.0, self._at + grace - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left() == 0.0

    def allows(self, seconds: float) -> bool:
        """Whether there is time for so long a wait, and for something after it."""
        left = self.left()
        return left is None or left > seconds

    def told(self) -> float | None:
        """What the registry is told: the very number of the user, unless much of it has gone by."""
        left = self.left(GRACE / 2)
        return self.timeout if left is None or self.timeout is None or left >= self.timeout else left

    def limit(self, what: str, error: Callable[[str], StractoryError], grace: float = 0.0) -> Limit:
        """Cut off what runs inside at the deadline, and ``grace``; raises ``error`` of "``what`` in 30 s".

        It also raises that, with what it was told, where a CallTimeout comes out.
        """
        return Limit(self, what, error, grace)

    def spell(self, what: str) -> str:
        """``what`` with "in 30 s" behind it."""
        return what if self.timeout is None else f"{what} in {self.timeout:g} s"


class Limit:
    """See :meth:`Deadline.limit`."""

    __slots__ = ("_deadline", "_error", "_grace", "_timer", "_what")

    def __init__(
        self, deadline: Deadline, what: str, error: Callable[[str], StractoryError], grace: float
    ) -> None:
        self._deadline = deadline
        self._what = what
        self._error = error
        self._grace = grace

    def __enter__(self) -> Deadline:
        self._timer = gevent.Timeout.start_new(self._deadline.left(self._grace))
        return self._deadline

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.close()
        # Not an error until it is out here: inside, one that is an OSError would be caught as another's.
        if error is self._timer:
            raise self._error(self._deadline.spell(self._what)) from None
        if isinstance(error, CallTimeout):
            raise self._error(f"{self._deadline.spell(self._what)}: {error}") from error
