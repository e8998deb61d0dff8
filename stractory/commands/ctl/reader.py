"""Whether somebody still reads what a command prints that may print nothing for long."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent.socket import wait_read


@contextmanager
def while_somebody_reads() -> Iterator[None]:
    """Raises BrokenPipeError in what waits inside as soon as the other end of a pipe is closed.

    Without it ``watch | head -1`` would end with the next change only.
    """
    output = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        yield
        return
    who = gevent.getcurrent()

    def look() -> None:
        wait_read(output)  # of the end that is written to, only an error can be told
        gevent.kill(who, BrokenPipeError())

    looking = gevent.spawn(look)
    try:
        yield
    finally:
        looking.kill()
