"""Where a client is at home: the process and native thread whose loop its connections live in."""

from __future__ import annotations

import os
from typing import Any

import gevent
from gevent import monkey


def check_process(process: int) -> None:
    """Raises RuntimeError in any other: sockets that a fork copied would be read and written by both."""
    if os.getpid() != process:
        raise RuntimeError("this client was used before a fork: make a new one in the child process")


class Home:
    """That of the first use; a closed client has none, until it is used again."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._hub: Any = None

    def enter(self) -> None:
        """Every use begins with it. Raises RuntimeError anywhere else."""
        hub: Any = gevent.get_hub()
        if self._process is None:
            self._process, self._hub = os.getpid(), hub
            if KeyboardInterrupt not in hub.NOT_ERROR and not monkey.is_module_patched("socket"):
                hub.NOT_ERROR += (KeyboardInterrupt,)  # not to be printed: the call that waits raises it
        check_process(self._process)
        if self._hub is not hub:
            raise RuntimeError(
                "this client belongs to another thread; make one with background=True to share it"
            )

    def leave(self) -> None:
        """It may be used somewhere else next."""
        self._process = self._hub = None
