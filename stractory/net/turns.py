"""Turns: no more than so many at a time, the others in the order in which they came."""

from __future__ import annotations

from collections import deque

from gevent.event import Event


class Turns:
    """``with turns:`` waits for one. Unlike a gevent semaphore it lets no newcomer overtake who waits."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Event] = deque()

    def __enter__(self) -> None:
        if self._free:  # then nobody waits
            self._free -= 1
            return
        mine = Event()
        self._waiting.append(mine)
        try:
            mine.wait()
        except BaseException:
            if mine.is_set():
                self._pass_on()
            else:
                self._waiting.remove(mine)
            raise

    def __exit__(self, *error: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1
