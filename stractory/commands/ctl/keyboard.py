"""Keys that are pressed while something is shown."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent.socket import wait_read


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Gives what waits so many seconds for a key, and returns it; "" for none. The end of the input is "q".

    Keys are not shown; Ctrl-C does what it always does. It reads none unless a terminal is what a person both
    types at and looks at.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        yield _none
        return
    terminal = sys.stdin.fileno()

    def pressed(seconds: float) -> str:
        try:
            wait_read(terminal, timeout=seconds)
        except TimeoutError:
            return ""
        return os.read(terminal, 64).decode(errors="replace")[:1] or "q"

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _none(seconds: float) -> str:
    gevent.sleep(seconds)
    return ""
