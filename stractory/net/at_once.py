"""Logging where nothing may be waited for: in handlers of signals, and beside a loop that stands still."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)


def log_at_once(level: int, text: str, fields: Mapping[str, Any]) -> None:
    """Log past all locks, buffers and levels: some of the first may be what is being waited for.

    ``fields``: what it is about, as ``extra=`` of others. Nothing is said where nobody can hear it any more.
    """
    record = log.makeRecord(log.name, level, __file__, 0, "%s", (text,), None, extra=dict(fields))
    line = text
    for handler in logging.root.handlers[:1]:
        handler.filter(record)
        line = handler.format(record)
    data = f"{line}\n".encode(errors="replace")
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, data) :]
