"""A pool: starts worker processes, forwards what they print, and starts a dead one again."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import gevent
from gevent import subprocess
from gevent.event import Event

log = logging.getLogger(__name__)

CLOSE_LIMIT = 15.0
"""Seconds that workers have to end in order."""


class Member:
    """One worker of a pool: a command that is kept running."""

    def __init__(self, number: int, command: list[str], respawn_delay: float) -> None:
        self.ready = Event()
        self.failed = Event()  # it ended before it was ever ready
        self._number = number
        self._command = command
        self._respawn_delay = respawn_delay
        self._process: Any = None
        self._task: gevent.Greenlet[..., Any] | None = None

    def start(self) -> None:
        self._task = gevent.spawn(self._keep_running)

    def _keep_running(self) -> None:
        while True:
            status = self._run_once()
            if not self.ready.is_set():
                self.failed.set()
                return
            log.warning("worker %d ended with status %s; starting it again in %g s",
                        self._number, status, self._respawn_delay)  # fmt: skip
            gevent.sleep(self._respawn_delay)

    def _run_once(self) -> int:
        # Its standard input ends when this process does, however it ends, and that ends the worker. A session
        # of its own keeps a terminal's Ctrl-C from it, which comes to the pool and is passed on in order.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")},
            start_new_session=True,
        )
        forwarding = [
            gevent.spawn(self._forward, self._process.stdout, sys.stdout),
            gevent.spawn(self._forward, self._process.stderr, sys.stderr),
        ]
        status: int = self._process.wait()
        gevent.joinall(forwarding)
        self._process.stdin.close()
        return status

    def _forward(self, source: Any, target: Any) -> None:
        with source:
            for line in source:
                text = line.decode(errors="replace").rstrip("\n")
                print(f"[{self._number}] {text}", file=target, flush=True)
                if target is sys.stdout and " ready at " in text:
                    self.ready.set()

    def close(self) -> None:
        """End it in order, or by force when it takes too long."""
        if self._task is not None:
            self._task.kill()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(CLOSE_LIMIT)
        except subprocess.TimeoutExpired:
            log.warning("worker %d did not end in %g s; killed", self._number, CLOSE_LIMIT)
            process.kill()
            process.wait()


class Pool:
    """Members that are started and ended together. ``status`` is the exit status for its process."""

    def __init__(self, commands: list[list[str]], respawn_delay: float) -> None:
        self.status = 0
        self._members = [Member(number, command, respawn_delay) for number, command in enumerate(commands, 1)]

    def start(self) -> None:
        for member in self._members:
            member.start()

    def wait_ready(self, told: Event) -> bool:
        """Whether all members became ready, before ``told`` was set and without a failed start."""
        for member in self._members:
            gevent.wait([member.ready, told, *(each.failed for each in self._members)], count=1)
            if any(each.failed.is_set() for each in self._members):
                self.status = 1
                return False
            if told.is_set():
                return False
        return True

    def close(self) -> None:
        """End all members at once."""
        gevent.joinall([gevent.spawn(member.close) for member in self._members])
