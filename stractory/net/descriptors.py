"""The descriptors of this process: whether enough are left, and some that are kept for what must not fail.

Strangers who connect could take all of them, and then a worker could not even dial its registry.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import gevent
from gevent.monkey import get_original

log = logging.getLogger(__name__)

_close: Callable[[int], None] = get_original("os", "close")  # gevent's does so in the loop's next turn

LOW = 16
"""With fewer left, or a sixteenth of all, no more connections are taken: the process itself needs some.

With twice as many left they are taken again.
"""

KEPT = 8
"""Those that are kept; to dial takes one."""

LOOK_EVERY = 0.2
"""Seconds between looks at whether there are enough again."""

QUIET = 30.0
"""Seconds for which it is not told again that there are too few."""

_LACKS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def is_lack(error: BaseException) -> bool:
    """Whether it says that process or system have no room for more, of descriptors or memory."""
    return getattr(error, "errno", None) in _LACKS  # ZeroMQ's errors have one too


class Descriptors:
    """Those of one process; there is :data:`descriptors`."""

    def __init__(self) -> None:
        self._wanted = 0
        self._kept: list[int] = []
        self._waiting: list[Callable[[], None]] = []
        self._told: float | None = None  # when it was last logged that they are few

    # ---- what is kept --------------------------------------------------------------------------------------

    def keep(self, count: int = KEPT) -> None:
        """Keep so many, from now on, for what runs in lent()."""
        self._wanted = count
        with suppress(OSError):  # next time, then
            while len(self._kept) < count:
                self._kept.append(os.open(os.devnull, os.O_RDONLY))

    @contextmanager
    def lent(self) -> Iterator[None]:
        """In here those that are kept may be used."""
        while self._kept:
            _close(self._kept.pop())
        try:
            yield
        finally:
            self.keep(self._wanted)

    # ---- what is left --------------------------------------------------------------------------------------

    @property
    def scarce(self) -> bool:
        """Whether there are too few to take more on. Takes some 20 microseconds."""
        low = min(LOW, max(1, limit() // 16))
        lent = self._wanted - len(self._kept)  # to be kept again
        return not _can_open(lent + (2 * low if self._waiting else low))

    def call_when_enough(self, function: Callable[[], None]) -> None:
        """Call it once there are; that there are not is logged."""
        if not self._waiting:
            quiet = self._told is not None and time.monotonic() - self._told < QUIET
            gevent.spawn(self._watch, logging.DEBUG if quiet else logging.WARNING)
        self._waiting.append(function)

    def _watch(self, level: int) -> None:
        log.log(level, "no more connections are taken: few of %d descriptors are left (ulimit -n)", limit())
        self._told = time.monotonic()
        gevent.sleep(LOOK_EVERY)  # in any case: the system may have none though this process may open more
        while self.scarce:
            gevent.sleep(LOOK_EVERY)
        log.log(level, "there are descriptors again: connections are taken")
        self.keep(self._wanted)
        waiting, self._waiting = self._waiting, []
        for function in waiting:
            function()


def limit() -> int:
    """How many this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _can_open(count: int) -> bool:
    """By trying: a limit does not tell, nor does the number of a new one, as there are gaps below it."""
    opened: list[int] = []
    try:
        opened.append(os.open(os.devnull, os.O_RDONLY))
        while len(opened) < count:
            opened.append(os.dup(opened[0]))
    except OSError:
        return False
    finally:
        for number in opened:
            _close(number)
    return True


descriptors = Descriptors()
"""Of this process."""
