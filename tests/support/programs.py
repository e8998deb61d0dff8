"""The programs that tests run. Their command lines are the tests' own: nobody else has a word in them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any


def run_program(words: Sequence[Any], **options: Any) -> subprocess.CompletedProcess[Any]:
    """As subprocess.run()."""
    return subprocess.run(words, **options)  # noqa: S603  # see above


def start_program(words: Sequence[Any], **options: Any) -> subprocess.Popen[Any]:
    """As subprocess.Popen()."""
    return subprocess.Popen(words, **options)  # noqa: S603  # see above
