"""Waiting until something happens to a name."""

from __future__ import annotations

import time
from weakref import WeakValueDictionary

from gevent.event import Event

from stractory.errors import CallTimeout


def left(deadline: float) -> float:
    """Seconds until then, by the monotonic clock; not below 0."""
    return max(0.0, deadline - time.monotonic())


class Changes:
    """Wakes those who wait for a name. Each then looks for itself at what has happened, if anything has."""

    def __init__(self) -> None:
        self._events: WeakValueDictionary[str, Event] = WeakValueDictionary()  # held by those who wait

    def wait(self, name: str, deadline: float | None, late: str) -> None:
        """Until something may have happened to it. Raises CallTimeout, with the text ``late``."""
        event = self._events.get(name)
        if event is None:
            event = self._events[name] = Event()
        if not event.wait(None if deadline is None else left(deadline)):
            raise CallTimeout(late)

    def notify(self, name: str) -> None:
        """Wake those who wait for this name."""
        if event := self._events.pop(name, None):
            event.set()

    def notify_all(self) -> None:
        """Wake everybody."""
        events = list(self._events.values())
        self._events.clear()
        for event in events:
            event.set()
