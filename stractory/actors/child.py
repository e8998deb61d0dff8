"""A child process of a worker, kept by :mod:`stractory.actors.keeper`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gevent import socket, subprocess

from stractory.net.process import environment
from stractory.net.socketlike import CHUNK

END_LIMIT = 4.0
"""Seconds that the keeper has to end the command and its group, of which it gives them two."""

_KEEPER = str(Path(__file__).with_name("keeper.py"))


class Command(NamedTuple):
    """What to run. ``env`` is the whole environment; by default the worker's without STRACTORY_ variables."""

    words: list[str]
    cwd: str | None
    env: Mapping[str, str] | None


class Child:
    """A running command. Raises OSError when it cannot be started."""

    def __init__(self, command: Command) -> None:
        ours, keepers = socket.socketpair()
        with keepers:
            try:
                self._keeper: Any = subprocess.Popen(
                    [sys.executable, "-I", "-S", _KEEPER, str(keepers.fileno()), *command.words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    pass_fds=[keepers.fileno()],
                    start_new_session=True,
                    cwd=command.cwd,
                    env=environment() if command.env is None else dict(command.env),
                )
            except BaseException:
                ours.close()
                raise
        self._control = ours
        self._told = b""
        self._ended = False
        self.pid: int | None = None
        word, text = self._listen()
        if word == "forked":
            self.pid = int(text)
            word, text = self._listen()
        if word != "started":
            self.end()
            raise OSError(text or "the process that was to start it ended")

    def write(self, data: bytes) -> None:
        """To its standard input. Waits while it does not read; raises OSError when it has closed it."""
        view = memoryview(data)
        while view:
            view = view[self._keeper.stdin.write(view) :]

    def output(self) -> Iterator[bytes]:
        """What it writes to its standard output, to the end."""
        while data := self._read(self._keeper.stdout):
            yield data

    def errors(self) -> Iterator[str]:
        """The lines it writes to its standard error; one that is very long comes in pieces."""
        rest = ""
        while data := self._read(self._keeper.stderr):
            *lines, rest = (rest + data.decode(errors="replace")).split("\n")
            yield from lines
            if len(rest) > CHUNK:
                yield rest
                rest = ""
        if rest:
            yield rest

    @staticmethod
    def _read(pipe: Any) -> bytes:
        try:
            data: bytes = pipe.read(CHUNK) or b""
        except (OSError, ValueError):  # closed here meanwhile
            return b""
        return data

    def wait(self) -> int | None:
        """How it ended: its status, the negative number of a signal, or None when it was ended from here."""
        word, text = self._listen()
        if word == "exit":
            return int(text)
        if self._ended:
            return None
        self._kill_group()  # its keeper is gone, so nobody knows how it fares
        return -signal.SIGKILL

    def _kill_group(self) -> None:
        pid, self.pid = self.pid, None  # once: later its number may be another's
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _listen(self) -> tuple[str, str]:
        """The next line that the keeper says: a word and a text. Both are empty when it says no more."""
        with contextlib.suppress(OSError):  # end() takes the socket from under it
            while b"\n" not in self._told and (more := self._control.recv(CHUNK)):
                self._told += more
        line, _, self._told = self._told.partition(b"\n")
        word, _, text = line.decode(errors="replace").partition(" ")
        return word, text

    def end(self) -> None:
        """End it with all its process group; it has the keeper's GRACE for that."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._keeper.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode:  # it was killed before it could
            self._kill_group()
        self._control.close()
        for pipe in (self._keeper.stdin, self._keeper.stdout, self._keeper.stderr):
            pipe.close()


def command_of(options: Mapping[str, Any]) -> Command:
    """The init of every spawn actor. Raises ValueError for options that are no command."""
    match options:
        case {"cmd": str() as cmd, "args": list() as args, "cwd": (str() | None) as cwd, "env": env}:
            words = [cmd, *args]
            if all(isinstance(word, str) for word in words) and (env is None or isinstance(env, dict)):
                return Command(words, cwd, env)
    raise ValueError("the options cmd, args, cwd and env do not make a command")
