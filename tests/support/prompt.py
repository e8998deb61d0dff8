"""A Python prompt at a terminal: type a line, read what appears."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from types import TracebackType

from tests.support.terminal import Terminal


class Prompt(Terminal):
    """An interactive Python. Leaving it ends it by Ctrl-D."""

    def __init__(self, env: Mapping[str, str]) -> None:
        # The plain prompt of all versions: no colours, no redrawn lines, no history file.
        plain = {"TERM": "dumb", "PYTHON_BASIC_REPL": "1", "PYTHONHISTORY": os.devnull}
        super().__init__([sys.executable, "-q", "-i"], {**env, **plain})

    def type(self, text: str) -> None:
        """Type lines, each when the prompt asks for it, and wait until the last was carried out."""
        for line in text.splitlines():
            self.wait_for(r"(>>>|\.\.\.) $")
            self.seen = ""
            self.press(f"{line}\n")
        self.wait_for(r"(>>>|\.\.\.) ")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                self.press("\x04")
            self.join()
        finally:
            super().__exit__(kind, error, traceback)
