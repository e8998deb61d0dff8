"""Lines that are appended to a file, without the loop waiting for the disk.

They are gathered, and a native thread appends what has come. It opens the file anew each time, so that may be
moved away (logrotate) at any moment.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from stractory.errors import ConfigError
from stractory.net.descriptors import descriptors, is_lack
from stractory.net.files import open_itself

log = logging.getLogger(__name__)

GATHER = 0.1
"""Seconds for which lines are gathered before they are written."""

RETRY = 1.0
"""Seconds after which what could not be written is tried again."""

WAITING = 50_000
"""Most lines that wait to be written; those beyond are counted."""

CLOSING = 5.0
"""Seconds that are left at the end to write what waits."""


class Lines:
    """Those for one file, made for its owner alone. ``setting``: where its ``path`` comes from.

    ``missing`` makes a line that stands for so many.
    """

    def __init__(self, setting: str, path: Path, missing: Callable[[int], str]) -> None:
        """Raises ConfigError when the file cannot be written at all."""
        if error := _append(path, b""):
            raise ConfigError(f"{setting}: cannot write {path}: {error.strerror}")
        self._path = path
        self._name = f"{setting} {path}"
        self._make_missing = missing
        self._lines: deque[bytes] = deque()
        self._missing = 0
        self._failing = False
        self._closing = Event()
        self._thread = ThreadPool(1)
        self._writer: gevent.Greenlet[[], None] | None = None

    def add(self, line: str) -> None:
        """Have it written, soon."""
        if len(self._lines) >= WAITING:
            self._missing += 1
            return
        self._lines.append(line.encode() + b"\n")
        if self._writer is None:
            self._writer = gevent.spawn(self._write_all)

    def close(self) -> None:
        """Write what waits, within CLOSING seconds."""
        self._closing.set()
        if self._writer is not None:
            self._writer.join(CLOSING)
        if self._writer is None:  # else the disk hangs, and its thread with it
            self._thread.kill()

    def _write_all(self) -> None:
        """Until nothing waits."""
        while self._lines:
            self._closing.wait(RETRY if self._failing else GATHER)
            lines = list(self._lines)
            error = self._write(b"".join(lines))
            if error is None:
                self._written(len(lines))
            else:
                self._failed(error)
                if self._closing.is_set():
                    log.error("%s: %d lines were not written", self._name, len(lines) + self._missing)
                    break
        self._writer = None

    def _write(self, data: bytes) -> OSError | None:
        error: OSError | None = self._thread.apply(_append, (self._path, data))
        if error is not None and is_lack(error):
            with descriptors.lent():
                error = self._thread.apply(_append, (self._path, data))
        return error

    def _written(self, count: int) -> None:
        for _ in range(count):
            self._lines.popleft()
        if self._failing:
            self._failing = False
            log.info("%s can be written again", self._name)
        if self._missing:
            log.warning("%s: %d lines are missing, as it could not be written", self._name, self._missing)
            self.add(self._make_missing(self._missing))
            self._missing = 0

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            log.error("%s cannot be written: %s", self._name, error.strerror)


def _append(path: Path, data: bytes) -> OSError | None:
    """All of it or nothing; in the native thread. What it raised is a value, or gevent prints it."""
    try:
        with open(path, "ab", buffering=0, opener=open_itself) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "Not a regular file")
            left = memoryview(data)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(status.st_size)
                raise
    except OSError as error:
        return error
    return None
