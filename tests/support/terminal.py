"""A program at a terminal, driven as a person would: read what appears, type an answer."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from tests.support.cluster import PATIENCE


class Terminal:
    """Runs ``words``. Leaving it ends the program, if it has not ended by itself."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._terminal, other = pty.openpty()
        self.seen = ""
        self._process = subprocess.Popen(  # noqa: S603  # the words are the test's
            words, stdin=other, stdout=other, stderr=other, start_new_session=True, env=env
        )
        os.close(other)

    def press(self, text: str) -> None:
        """Press these keys. Ctrl-C is "\\x03"; it reaches only a program whose terminal this is."""
        os.write(self._terminal, text.encode())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_for(self, pattern: str) -> str:
        """What was shown, once ``pattern`` is in it."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert self._read(deadline), f"{pattern!r} did not appear: {self.seen!r}"
        return self.seen

    def join(self) -> int:
        """Read to the end; its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, deadline: float) -> bool:
        """Whether something more was shown in time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._terminal, selectors.EVENT_READ)
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the program has ended
            return False
        self.seen += data.decode().replace("\r", "")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        os.close(self._terminal)
