"""What strangers can cause as often as they like, told seldom: it would fill a log, or a disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent

log = logging.getLogger(__name__)

QUIET = 10.0
"""Seconds within which no more of a kind is told than may be at once; then how many more there were."""

KINDS = 64
"""Most kinds that are told apart at a time."""

T = TypeVar("T")


class _Heard(Generic[T]):
    """Of one kind: how many were told lately, how many not, and the last of those."""

    def __init__(self) -> None:
        self.told = 0
        self.more = 0
        self.last: T | None = None


class Seldom(Generic[T]):
    """Calls ``tell(thing, 0)`` for the first ``most`` of a kind, and then ``tell(last, how many more)``."""

    def __init__(self, tell: Callable[[T, int], None], most: int = 1, quiet: float = QUIET) -> None:
        self._tell = tell
        self._most = most
        self._quiet = quiet
        self._heard: dict[str, _Heard[T]] = {}

    def hear(self, kind: str, thing: T) -> None:
        """It happened."""
        if kind not in self._heard and len(self._heard) >= KINDS:
            kind = "others"
        heard = self._heard.get(kind)
        if heard is None:
            heard = self._heard[kind] = _Heard()
            gevent.spawn_later(self._quiet, self._look, kind)
        if heard.told < self._most:
            heard.told += 1
            self._tell(thing, 0)
        else:
            heard.more += 1
            heard.last = thing

    def _look(self, kind: str) -> None:
        heard = self._heard.pop(kind)
        if heard.last is not None:
            again = self._heard[kind] = _Heard()
            again.told = 1  # what follows
            gevent.spawn_later(self._quiet, self._look, kind)
            self._tell(heard.last, heard.more)


def _log(refusal: tuple[int, str, dict[str, Any]], more: int) -> None:
    level, text, fields = refusal
    about = {"actor": None, "epoch": None, **fields}  # not who happened to be refused first of such
    log.log(level, "%s%s", text, f" (the last of {more} more such)" if more else "", extra=about)


refusals = Seldom(_log)
"""The lines of this process about those it refused."""


def refused(kind: str, text: str, level: int = logging.WARNING, **fields: Any) -> None:
    """Log that somebody was refused, but not too often. ``fields``: as ``extra=``, ``peer`` being who."""
    refusals.hear(kind, (level, text, fields))
