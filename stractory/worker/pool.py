"""A pool: starts worker processes, forwards what they print, and starts a dead one again."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent import subprocess
from gevent.event import Event

from stractory.net.process import environment, in_words, pass_on

log = logging.getLogger(__name__)

CHUNK = 64 * 1024
"""Bytes of their output that are read at a time."""

CLOSE_LIMIT = 15.0
"""Seconds that workers have to end in order."""

GATHERING = 0.005
"""Seconds in which more of their output gathers: line by line takes more than twice as long."""

DRAIN_LIMIT = 1.0
"""Seconds until nothing more is expected of a dead worker's output, which its children may hold open."""

READY = "stractory worker ready at "
"""What a worker says, before its address, when it is registered."""


def numbered(line: str, number: int) -> str:
    """A line of what a worker says, as its pool passes it on."""
    return f"[{number}] {line}"


class Member:
    """One worker of a pool: a command that is kept running. ``mark`` is what a line of its log becomes."""

    def __init__(
        self,
        number: int,
        command: list[str],
        respawn_delay: float,
        mark: Callable[[str, int], str] = numbered,
    ) -> None:
        self.ready = Event()
        self.failed = Event()  # it ended before it was ever ready
        self._number = number
        self._command = command
        self._respawn_delay = respawn_delay
        self._mark = mark
        self._address = ""
        self._process: Any = None
        self._forwarding: list[gevent.Greenlet[..., Any]] = []
        self._task: gevent.Greenlet[..., Any] | None = None

    def __str__(self) -> str:
        return f"worker {self._number}" + (f" ({self._address})" if self._address else "")

    @property
    def _fields(self) -> dict[str, Any]:
        return {"slot": self._number, "worker": self._address or None}

    def start(self) -> None:
        self._task = gevent.spawn(self._keep_running)

    def _keep_running(self) -> None:
        while True:
            status = self._run_once()
            if not self.ready.is_set():
                self.failed.set()
                return
            log.warning(
                "%s %s; starting it again in %g s",
                self,
                in_words(status),
                self._respawn_delay,
                extra=self._fields,
            )
            gevent.sleep(self._respawn_delay)

    def _run_once(self) -> int:
        # Its standard input ends when this process does, however it ends, and that ends the worker. A session
        # of its own keeps a terminal's Ctrl-C from it, which comes to the pool and is passed on in order.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        self._forwarding = [
            gevent.spawn(self._forward, self._process.stdout, sys.stdout),
            gevent.spawn(self._forward, self._process.stderr, sys.stderr),
        ]
        status: int = self._process.wait()
        self._end_forwarding()
        self._process.stdin.close()
        return status

    def _end_forwarding(self) -> None:
        gevent.joinall(self._forwarding, timeout=DRAIN_LIMIT)
        gevent.killall(self._forwarding, block=False)

    def _forward(self, source: Any, target: Any) -> None:
        rest = bytearray()
        with source:
            while data := source.read1(CHUNK):
                rest += data
                if b"\n" in data:
                    *lines, rest = rest.split(b"\n")
                    self._pass_on(lines, target)
                if len(data) < CHUNK // 2:
                    gevent.sleep(GATHERING)
        if rest:
            self._pass_on([rest], target)

    def _pass_on(self, lines: list[bytearray], target: Any) -> None:
        texts = [line.decode(errors="backslashreplace") for line in lines]
        mark = self._mark if target is sys.stderr else numbered
        _say("\n".join(mark(text, self._number) for text in texts), target)
        for text in texts:
            if target is sys.stdout and text.startswith(READY):
                self._address = text.removeprefix(READY)
                self.ready.set()

    def pass_on(self, number: int) -> None:
        """Give it the signal."""
        if self._process is not None and self._process.poll() is None:
            pass_on(self._process.pid, number)

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
            log.warning("%s did not end in %g s; killed", self, CLOSE_LIMIT, extra=self._fields)
            process.kill()
            process.wait()
        self._end_forwarding()


class Pool:
    """Members that are started and ended together. ``status`` is the exit status for its process."""

    def __init__(
        self, commands: list[list[str]], respawn_delay: float, mark: Callable[[str, int], str] = numbered
    ) -> None:
        self.status = 0
        self._members = [
            Member(number, command, respawn_delay, mark) for number, command in enumerate(commands, 1)
        ]

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

    def pass_on(self, number: int) -> None:
        """Give the signal to all that handle it by now."""
        for member in self._members:
            member.pass_on(number)

    def close(self) -> None:
        """End all members at once."""
        gevent.joinall([gevent.spawn(member.close) for member in self._members])


def _say(text: str, target: Any) -> None:
    """Print it where that is possible. A worker's print() must not fail because of what became of ours."""
    encoding = getattr(target, "encoding", None) or "utf-8"
    with contextlib.suppress(OSError, ValueError):  # a broken pipe; a closed file
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=target, flush=True)
