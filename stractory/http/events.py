"""Those who follow what happens: one look and one encoding for all of them, however many there are.

Each has a green thread of its own that writes to it. Who does not take an event before the next is due gets
the whole state instead of what was missed, and who takes nothing for long is dropped: so nothing gathers for
anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.event import Event

from stractory.errors import ProtocolError
from stractory.http.answers import BUSY, EVENTS, OK, Answer, encode, problem
from stractory.http.loads import Loads
from stractory.http.picture import Picture, Step
from stractory.http.request import Request
from stractory.http.rows import Row
from stractory.net.secured import Connection

STEP = 0.5
"""Seconds between looks."""

SIGN_OF_LIFE = 5.0
"""Seconds after which there is an event though nothing has changed."""

WATCHERS = 256
"""Most who follow at a time."""

WRITE_LIMIT = 10.0
"""Seconds for an event to be taken."""


NEVER = -2
"""The number of an event that is long past."""


class _Watcher:
    """``told``: the number of the last event it was told of. ``news``: there may be others, or it is gone."""

    def __init__(self) -> None:
        self.told = NEVER
        self.news = Event()
        self.gone = False

    def hear(self, sock: Connection) -> None:
        """Until it has nothing more to say: so do those go who follow no more."""
        try:
            while sock.recv(4096):
                gevent.sleep(0)  # however much it says
        except (OSError, ProtocolError):
            pass
        self.gone = True
        self.news.set()


class Events:
    """Of ``picture``, with ``loads``, for those whom ``admits`` still lets in.

    While nobody follows nothing is looked at.
    """

    names = "/api/events"

    def __init__(self, picture: Picture, loads: Loads, admits: Callable[[Request], bool]) -> None:
        self._admits = admits
        self._picture = picture
        self._loads = loads
        self._watchers: dict[_Watcher, Any] = {}  # and their green threads
        self._looking: Any = None
        self._number = 0
        self._last = b""  # the event of this number
        self._state: tuple[int, bytes] = (NEVER, b"")  # of after the event of some number

    def __len__(self) -> int:
        return len(self._watchers)

    def answer(self, request: Request) -> Answer | None:
        """As a part of pages."""
        if request.path != "/api/events":
            return None
        if len(self) >= WATCHERS:
            return problem(request, BUSY, f"there are {WATCHERS} who follow: look again later")
        return Answer(OK, b"", EVENTS, follow=partial(self.follow, lambda: self._admits(request)))

    def close(self) -> None:
        """All have to go."""
        gevent.killall([*self._watchers.values()], block=False)

    def follow(self, admitted: Callable[[], bool], sock: Connection) -> None:
        """Write events for as long as they are ``admitted`` and take them. Raises ProtocolError, OSError."""
        watcher = _Watcher()
        self._add(watcher)
        hearing = gevent.spawn(watcher.hear, sock)
        try:
            while not watcher.gone and admitted():
                watcher.news.clear()
                late = ProtocolError(f"it took no event for {WRITE_LIMIT:g} s")
                with gevent.Timeout(WRITE_LIMIT, late):
                    sock.sendall(self._next(watcher))
                watcher.news.wait()
        finally:
            hearing.kill(block=False)
            self._remove(watcher)

    def _add(self, watcher: _Watcher) -> None:
        if not self._watchers:
            self._picture.begin()
            self._loads.begin()
            self._looking = gevent.spawn(self._look)
        self._watchers[watcher] = gevent.getcurrent()

    def _remove(self, watcher: _Watcher) -> None:
        del self._watchers[watcher]
        if not self._watchers:
            self._looking.kill(block=False)
            self._loads.end()
            self._picture.end()
            self._last, self._state = b"", (NEVER, b"")

    def _next(self, watcher: _Watcher) -> bytes:
        """What it has to be told now."""
        missed, watcher.told = self._number - watcher.told, self._number
        if missed == 0:
            return b""
        return self._last if missed == 1 else self._whole()

    def _whole(self) -> bytes:
        """The state, encoded once for all who need it before the next look, which tells what comes after."""
        number, event = self._state
        if number != self._number:
            event = _event(self._number, "state", self._picture.state(time.time()))
            self._state = self._number, event
        return event

    def _look(self) -> None:
        told = time.monotonic()
        while True:
            gevent.sleep(STEP)
            step, now = self._picture.step(time.time()), time.monotonic()
            if step.changed or now - told >= SIGN_OF_LIFE:
                told = now
                self._tell(step)

    def _tell(self, step: Step) -> None:
        self._number += 1
        self._last = _event(self._number, "tick", step.tick)
        if step.afresh:
            self._last += self._whole()
        for watcher in self._watchers:
            watcher.news.set()


def _event(number: int, kind: str, content: Row) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {encode(content)}\n\n".encode()
