"""Green threads that are used again, because a new one costs more than most of what is done in one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.monkey import get_original

native_thread: Callable[[], int] = get_original("_thread", "get_ident")
"""The number of the native thread that runs; in a program that gevent has patched, too."""

SPARE = 256
"""Green threads without work that each loop keeps."""


class Threads:
    """The green threads of one loop. ``links``: how many it reads and has to close."""

    def __init__(self) -> None:
        self.links = 0
        self._hub: Any = gevent.get_hub()
        self._native = native_thread()
        self._spare: list[_Thread] = []

    def start(self, function: Callable[..., None], *args: Any) -> None:
        """Run it in a green thread until it waits or is done, and only then return; for the hub alone.

        What it raises ends that green thread and is printed, as what any other raises.
        """
        thread = self._spare.pop() if self._spare else _Thread(self._spare)
        thread.work = function, args
        thread.switch()

    def start_soon(self, function: Callable[..., None], *args: Any) -> None:
        """As start(), in the loop's next turn; for anybody."""
        self._hub.loop.run_callback(self.start, function, *args)

    def call_soon(self, function: Callable[..., None], *args: Any) -> None:
        """Have the hub call it, in the loop's next turn; for anybody, in any native thread and at any moment.

        Raises ValueError when the loop is gone.
        """
        loop = self._hub.loop
        if loop is None:
            raise ValueError("the loop is gone")
        if native_thread() == self._native:
            loop.run_callback(function, *args)
        else:
            loop.run_callback_threadsafe(function, *args)  # which wakes the loop, and so takes longer

    def spawn(self, function: Callable[..., Any], *args: Any) -> Task:
        """As gevent.spawn(): it begins in the loop's next turn, and can be waited for and killed."""
        task = Task()
        self.start_soon(task.run, self._hub, function, args)
        return task

    def close(self) -> None:
        """End those without work."""
        gevent.killall(self._spare)


class _Thread(gevent.Greenlet):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, spare: list[_Thread]) -> None:
        super().__init__()
        self.work: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self._spare = spare

    def _run(self) -> None:
        switch_to_hub = gevent.get_hub().switch
        while self.work is not None:
            function, args = self.work
            self.work = None
            function(*args)
            del function, args
            self.gr_context = None  # what was set for that work is not for the next
            if len(self._spare) >= SPARE:
                return
            self._spare.append(self)
            try:
                while self.work is None:  # something that was waited for before may come again
                    switch_to_hub()
            except BaseException:  # killed, or a timeout that the work has left behind
                if self in self._spare:
                    self._spare.remove(self)
                raise


class Task(AsyncResult):  # type: ignore[type-arg]  # generic in the stubs only
    """A function's run: what it returns or raises can be waited for, as an AsyncResult."""

    def __init__(self) -> None:
        super().__init__()
        self._thread: Any = None
        self._killed = False

    def run(self, hub: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call it, in this green thread."""
        if self._killed:
            return
        self._thread = gevent.getcurrent()
        try:
            value = function(*args)
        except gevent.GreenletExit as error:
            self.set(error)
            raise
        except BaseException as error:
            self.set_exception(error)
            hub.handle_error(self, *sys.exc_info())
        else:
            self.set(value)
        if self._killed:  # a green thread that is being killed must not go on to something else
            raise gevent.GreenletExit

    def kill(self, block: bool = True, timeout: float | None = None) -> None:
        """Raise GreenletExit in it, which is its value then."""
        if not self.ready():
            self._killed = True
            if self._thread is None:
                self.set(gevent.GreenletExit())
            else:
                self._thread.kill(block=False)
        if block:
            self.wait(timeout)


def threads() -> Threads:
    """Those of the current loop."""
    hub = gevent.get_hub()
    found: Threads | None = hub.__dict__.get("stractory_threads")
    if found is None:
        found = hub.__dict__["stractory_threads"] = Threads()
    return found
