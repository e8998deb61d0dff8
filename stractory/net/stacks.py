"""SIGUSR2: where all green threads of this process are, and its other native ones, goes to the log.

The signal's handler writes, so the loop need not turn. C code that holds the interpreter has it wait.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import gevent
from greenlet import greenlet

from stractory.net.at_once import log_at_once
from stractory.net.threads import native_thread

MOST = 100
"""Stacks that are told, of those that differ: first of those that most green threads have."""

DEEP = 30
"""Innermost frames that are told of a stack."""

NAMED = 10
"""Actors that are named of those that have a stack."""

Whose = Callable[[Any], Mapping[str, Any]]
"""The ``actor`` and ``epoch`` of a green thread; empty for one that is no actor's."""


def nobodys(thread: Any) -> Mapping[str, Any]:
    """The green threads of a process without actors."""
    return {}


def dump_on_signal(whose: Whose = nobodys, pass_on: Callable[[int], None] | None = None) -> None:
    """From now on SIGUSR2 has the stacks logged, whatever the level; the loop calls ``pass_on`` with it."""

    def dump(number: int, frame: FrameType | None) -> None:
        for text, fields in stacks(frame, whose):
            log_at_once(logging.INFO, text, {"actor": None, "epoch": None, **fields})
        if pass_on is not None:
            gevent.spawn(pass_on, number)

    signal.signal(signal.SIGUSR2, dump)


def stacks(running: FrameType | None, whose: Whose) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What to log, with the fields of the actor if it is of one alone. ``running``: where this thread was."""
    alike: dict[Any, list[Any]] = {}  # green threads, by where they are
    frames: dict[Any, FrameType] = {}
    for thread in _green_threads():
        frame = running if thread is gevent.getcurrent() else thread.gr_frame
        if frame is not None:
            place = _place(frame)
            frames[place] = frame
            alike.setdefault(place, []).append(thread)
    native = [frame for number, frame in sys._current_frames().items() if number != native_thread()]
    yield f"{sum(map(len, alike.values()))} green threads, and {len(native)} other native threads:", {}
    for place in sorted(alike, key=lambda place: -len(alike[place]))[:MOST]:
        actors = {fields["actor"]: fields for fields in map(whose, alike[place]) if fields}
        count = len(alike[place])
        who = (f"{count} green threads" if count > 1 else "a green thread") + _of(actors)
        runs = ", running" if running is not None and place == _place(running) else ""
        (fields,) = actors.values() if len(actors) == 1 else ({},)
        yield _spell(who + runs, frames[place]), fields
    for frame in native[:MOST]:
        yield _spell("a native thread", frame), {}
    if more := max(0, len(alike) - MOST) + max(0, len(native) - MOST):
        yield f"and {more} more stacks", {}


def _green_threads() -> list[Any]:
    hub = gevent.get_hub()
    # By their types: isinstance() would ask what others have made, which may be anything.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), greenlet)]
    return [*{id(thread): thread for thread in (*found, hub, hub.parent)}.values()]  # gc.freeze() hides some


def _place(frame: FrameType | None) -> tuple[Any, ...]:
    place: list[Any] = []
    while frame is not None and len(place) < 2 * DEEP:
        place += frame.f_code, frame.f_lineno
        frame = frame.f_back
    return tuple(place)


def _of(actors: Mapping[str, Any]) -> str:
    if not actors:
        return ""
    more = f" and {len(actors) - NAMED} more" if len(actors) > NAMED else ""
    return f" of {'actors' if len(actors) > 1 else 'actor'} {', '.join(map(repr, [*actors][:NAMED]))}{more}"


def _spell(who: str, frame: FrameType) -> str:
    return f"{who}:\n{''.join(traceback.format_stack(frame, DEEP)).rstrip()}"
