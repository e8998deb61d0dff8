"""The log of a daemon, on standard error: lines for people, or objects of JSON for programs."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

import gevent

RECORD_LIMIT = 16 * 1024
"""Most characters of what is logged at a time."""

FIELDS = ("actor", "epoch", "worker", "slot", "peer")
"""What a record may be about, as ``extra=`` or a filter says it."""


def set_up_logging(level: str, form: str = "text") -> None:
    """Log to standard error, the least severe of ``level``; and what is printed appears line by line.

    ``form``: "text", or "json" for a line of JSON each, also of warnings and of what ends green threads.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(Objects())
        logging.captureWarnings(True)
        gevent.get_hub().print_exception = _log_failure  # type: ignore[assignment, method-assign]
    else:
        handler.setFormatter(Lines("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _log_failure(context: Any, kind: Any, error: Any, trace: Any) -> None:
    logging.getLogger(__name__).error("a green thread failed", exc_info=(kind, error, trace))


def always_log(**fields: Any) -> None:
    """Give these fields to all that this process logs, unless a record has others."""

    def add(record: logging.LogRecord) -> bool:
        record.__dict__.update(fields | record.__dict__)
        return True

    logging.root.handlers[0].addFilter(add)


def shortened(text: str) -> str:
    """It, without its middle if it is too long to be logged."""
    if len(text) <= RECORD_LIMIT:
        return text
    half = RECORD_LIMIT // 2
    return f"{text[:half]} ... {len(text) - 2 * half} characters ... {text[-half:]}"


class Lines(logging.Formatter):
    """Spells each second once. What others have put in acts on no terminal and passes for no line of ours."""

    _second = 0
    _spelled = ""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if text.isprintable() and len(text) <= RECORD_LIMIT:
            return text
        return "\n    ".join(map(_printable, shortened(text).split("\n")))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        if self._second != int(record.created):
            self._second, self._spelled = int(record.created), super().formatTime(record, datefmt)
        return self._spelled


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in line])


class Objects(logging.Formatter):
    """An object of JSON a line, in ASCII: time, level, message, what is known of FIELDS, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        told = _told(record.created, record.levelname.lower(), record.getMessage())
        told |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}
        if record.exc_info and record.exc_info[0]:
            told["traceback"] = shortened(self.formatException(record.exc_info))
        if record.stack_info:
            told["stack"] = shortened(record.stack_info)
        return _spell(told)


def with_slot(line: str, slot: int) -> str:
    """A line of a worker's standard error, as the object that it is or else as the message of one.

    ``slot``: the number of the worker in its pool.
    """
    if line.startswith('{"time":'):
        with contextlib.suppress(ValueError, RecursionError):  # it only looked like one
            return _spell(json.loads(line) | {"slot": slot})
    return _spell(_told(time.time(), "warning", line) | {"slot": slot})


def _told(when: float, level: str, message: str) -> dict[str, Any]:
    spelled = datetime.fromtimestamp(when, timezone.utc).isoformat(timespec="milliseconds")
    return {"time": spelled, "level": level, "message": shortened(message)}


def _spell(told: dict[str, Any]) -> str:
    """In ASCII. Half a surrogate pair, which many readers of JSON refuse, is spelled out."""
    plain = {name: _whole(value) if isinstance(value, str) else value for name, value in told.items()}
    return json.dumps(plain, separators=(",", ":"), allow_nan=False, default=str).replace("\x7f", "\\u007f")


def _whole(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
