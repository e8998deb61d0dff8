"""Whose code holds up the worker: what is marked on green threads, and what their stacks tell.

The mark stands where gevent keeps what a green thread has in common with those that it begins, so that all
that an actor begins, by whatever means, bears it too.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import gevent

_KEY = "stractory.culprit"

_LIBRARIES = frozenset({*sys.stdlib_module_names, "gevent", "greenlet", "msgpack", "zerorpc", "zmq"})
"""Top names of modules that do what others ask of them."""


class Culprit(NamedTuple):
    """An actor's name, the label of its definition, and the epoch."""

    name: str
    definition: str
    epoch: int = 0

    @property
    def fields(self) -> dict[str, Any]:
        """For what is logged about it: ``extra=``."""
        return {"actor": self.name, "epoch": self.epoch}

    def __str__(self) -> str:
        return f"actor {self.name!r} ({self.definition})"


def marks(culprit: Culprit) -> dict[str, Any]:
    """What all green threads of an actor have in common."""
    return {_KEY: culprit}


@contextmanager
def marked(marks: dict[str, Any]) -> Iterator[None]:
    """Whatever this green thread does within, and those that it begins there, is for these marks to tell."""
    thread: Any = gevent.getcurrent()
    before = getattr(thread, "spawn_tree_locals", None)
    thread.spawn_tree_locals = marks
    try:
        yield
    finally:
        thread.spawn_tree_locals = before


def culprit_of(thread: Any) -> Culprit | None:
    """The actor whose green thread it is."""
    found: Culprit | None = (getattr(thread, "spawn_tree_locals", None) or {}).get(_KEY)
    return found


def whose(thread: Any) -> dict[str, Any]:
    """The ``actor`` and ``epoch`` of a green thread; empty for one that is no actor's."""
    culprit = culprit_of(thread)
    return culprit.fields if culprit else {}


def note_whose(record: logging.LogRecord) -> bool:
    """A filter of logs that drops none: what an actor's green thread logs has ``actor`` and ``epoch``."""
    record.__dict__.update(whose(gevent.getcurrent()) | record.__dict__)
    return True


def is_ours(frame: FrameType | None) -> bool:
    """Whether code of stractory is at work there, which must not be cut into, or a library for it."""
    while frame is not None and (top := _top_module(frame)) in _LIBRARIES:
        frame = frame.f_back
    return frame is not None and top == "stractory"


def spell(frame: FrameType | None) -> str:
    """What runs there, libraries aside: the line, and the function of the actor's that led to it."""
    line = name = ""
    while frame is not None and not (line and _top_module(frame) == "stractory"):
        if _top_module(frame) not in _LIBRARIES:
            line = line or f"{frame.f_code.co_filename}:{frame.f_lineno}"
            name = frame.f_code.co_name
        frame = frame.f_back
    return f"in {name}() at {line}" if line else "in C code"


def _top_module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
