"""A Python prompt at a terminal, driven as a person would: type a line, read what appears."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tests.support.cluster import PATIENCE


class Prompt:
    """An interactive Python. Leaving it ends it by Ctrl-D."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._terminal, other = pty.openpty()
        self._seen = ""
        self._process = subprocess.Popen(
            [sys.executable, "-q", "-i"],
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            # The plain prompt of all versions: no colours, no redrawn lines, no history file.
            env={**env, "TERM": "dumb", "PYTHON_BASIC_REPL": "1", "PYTHONHISTORY": os.devnull},
        )
        os.close(other)

    def type(self, text: str) -> None:
        """Type lines, each when the prompt asks for it, and wait until the last was carried out."""
        for line in text.splitlines():
            self.wait_for(r"(>>>|\.\.\.) $")
            self._seen = ""
            os.write(self._terminal, line.encode() + b"\n")
        self.wait_for(r"(>>>|\.\.\.) ")

    def wait_for(self, pattern: str) -> str:
        """What was shown since the last typed line, once ``pattern`` is in it."""
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._terminal, selectors.EVENT_READ)
            while not re.search(pattern, self._seen):
                left = deadline - time.monotonic()
                ready = left > 0 and selector.select(left)
                assert ready, f"{pattern!r} did not appear: {self._seen!r}"
                self._seen += os.read(self._terminal, 65536).decode().replace("\r", "")
        return self._seen

    def __enter__(self) -> Prompt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            os.write(self._terminal, b"\x04")
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._terminal)
