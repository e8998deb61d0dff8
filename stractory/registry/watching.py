"""Who watches: told of the state there is and then of each change, by messages as in wire/changes.

All share one list of the last changes and one of the actors there were at some moment before; each has its
place in them. So a watcher that takes nothing costs no more than its green thread: the changes go on
without it, and when they have gone too far it is told of the whole state anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import gevent
from gevent.event import AsyncResult

from stractory.registry.directory import Directory
from stractory.registry.names import matcher
from stractory.registry.observer import Observer
from stractory.registry.records import Actor, State
from stractory.wire.changes import BEGIN, CURRENT, STATE, Row

REMEMBERED = 8192
"""How many changes a watcher may be behind before it is told of the state anew."""

ROWS = 512
"""Most in one message. Fewer than 100 messages are on the way to a watcher, so it bounds what waits there."""

Told = tuple[str, list[Row]]
"""A phase, and rows."""

Matches = Callable[[str], object]
"""Whether a name is watched."""


class _Moment(NamedTuple):
    """The actors there were after so many changes. Emptied when later changes are not known any more."""

    changes: int
    actors: list[Actor]


class Watching(Observer):
    """``settle`` waits until the registry knows what there is: until then nobody is told of anything."""

    def __init__(
        self, directory: Directory, settle: Callable[[], object], remembered: int = REMEMBERED
    ) -> None:
        self._directory = directory
        self._settle = settle
        self._watchers = 0
        self._last: deque[Row] = deque(maxlen=remembered)
        self._count = 0  # of all changes
        self._moment: _Moment | None = None
        self._waiting: dict[AsyncResult[int], Matches] = {}  # who has been told of all, and waits for what
        directory.observers.append(self)

    @property
    def watchers(self) -> int:
        """How many there are."""
        return self._watchers

    def watch(self, pattern: str) -> Iterator[Told]:
        """What is told of the actors whose name matches the shell-style ``pattern``, for ever."""
        return self._watch(matcher(pattern))

    def _watch(self, matches: Matches) -> Iterator[Told]:
        self._watchers += 1
        try:
            self._settle()
            while True:
                moment = self._recent()
                yield BEGIN, []
                yield from self._state(moment, matches)
                yield from self._changes(moment.changes, matches)
        finally:
            self._watchers -= 1
            if not self._watchers:  # what happens is not noted from now on
                self._last.clear()
                self._forget_moment()

    def _recent(self) -> _Moment:
        """A moment of which all later changes are known."""
        if self._moment is None:
            self._moment = _Moment(self._count, list(self._directory.actors()))
        return self._moment

    def _state(self, moment: _Moment, matches: Matches) -> Iterator[Told]:
        start = 0
        while some := moment.actors[start : start + ROWS]:
            start += ROWS
            holders = [self._directory.find(actor.name) for actor in some if matches(actor.name)]
            rows: list[Row] = [(actor.info, None) for actor in holders if actor and _may_have_run(actor)]
            if rows:
                yield STATE, rows
            gevent.sleep(0)  # others have their turn

    def _changes(self, known: int, matches: Matches) -> Iterator[Told]:
        """From those that follow on the first ``known``, until some are not known any more."""
        current = False
        while (skipped := len(self._last) - (self._count - known)) >= 0:
            some = [self._last[index] for index in range(skipped, min(skipped + ROWS, len(self._last)))]
            known += len(some)
            rows = [row for row in some if matches(row[0].name)]
            if rows or (known == self._count and not current):
                current = current or known == self._count
                yield CURRENT if current else STATE, rows
            elif known == self._count:
                known = self._await_match(matches)

    def _await_match(self, matches: Matches) -> int:
        """Until there is a change for it; returns how many there were before that."""
        waiting: AsyncResult[int] = AsyncResult()
        self._waiting[waiting] = matches
        try:
            count = waiting.get()
            assert count is not None  # noqa: S101  # for the type checker
            return count
        finally:
            self._waiting.pop(waiting, None)

    # ---- as Observer -----------------------------------------------------------------------------------

    def began(self, actor: Actor) -> None:
        if self._watchers:
            self._note(actor, None)

    def freed(self, actor: Actor, reason: str) -> None:
        if self._watchers:
            self._note(actor, reason)

    def _note(self, actor: Actor, reason: str | None) -> None:
        for waiting in [waiting for waiting, matches in self._waiting.items() if matches(actor.name)]:
            del self._waiting[waiting]
            waiting.set(self._count)
        self._last.append((actor.info, reason))
        self._count += 1
        if self._moment is not None and self._count - self._moment.changes > len(self._last):
            self._forget_moment()

    def _forget_moment(self) -> None:
        if self._moment is not None:
            self._moment.actors.clear()
            self._moment = None


def _may_have_run(actor: Actor) -> bool:
    """Whether watchers may know this name, or are to: it runs, or has, or a life before it has."""
    return actor.state is not State.PENDING or actor.life.terms.comes_back
