"""A gevent loop in a native thread of its own, to which other threads hand functions."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import gevent
from gevent.event import Event
from gevent.pool import Group

from stractory.clients.home import check_process
from stractory.errors import LinkClosed

KILL_LIMIT = 1.0
"""Seconds that what still runs has to end when the loop does."""


class LoopEnded(Exception):
    """The loop takes nothing more."""


class Loop:
    """Runs from when it is made until :meth:`end`. ``stand_ins`` are by the id of what they stand for.

    ``told`` are what calls functions of the user's, by the ids of whose method each is and of the function.
    """

    def __init__(self) -> None:
        self.stand_ins: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self.told: WeakValueDictionary[tuple[int, int], Any] = WeakValueDictionary()
        self.lock = threading.RLock()  # for the stand-ins, and so that nothing is handed to an ended loop
        self._process = os.getpid()
        self._jobs: deque[Callable[[], Any]] = deque()
        self._ended = False
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="stractory client", daemon=True)
        self._thread.start()
        ready.wait()

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What ``function`` returns or raises, run in a green thread of the loop.

        A caller that is interrupted (Ctrl-C) takes the green thread with it, so that it cannot swallow what
        the next call is meant to get. Raises LoopEnded, LinkClosed when the loop ends under way, and
        RuntimeError in a process that was forked off.
        """
        check_process(self._process)
        if threading.current_thread() is self._thread:
            return function(*args, **kwargs)
        future: Future[Any] = Future()
        work = partial(_fulfil, future, partial(function, *args, **kwargs))
        tasks: list[gevent.Greenlet[..., Any]] = []  # made over there: a green thread is its hub's for good
        self._hand_over(lambda: tasks.append(self._tasks.spawn(work)))
        try:
            return future.result()
        except BaseException:
            if not future.done():
                with contextlib.suppress(LoopEnded):
                    self._hand_over(lambda: tasks[0].kill(block=False))
            raise

    def end(self, last: Callable[[], Any]) -> None:
        """Run ``last``, end the thread and free what the loop has. Calls under way raise LinkClosed.

        Returns when that is done, but at once on the loop's own thread. Raises LoopEnded if it was before.
        """
        check_process(self._process)
        future: Future[Any] = Future()
        with self.lock:
            self._hand_over(self._over.set)
            self._last = partial(_fulfil, future, last)
            self._ended = True
        if threading.current_thread() is not self._thread:
            self.join()
            future.result()

    def join(self) -> None:
        """Wait for the end of the thread."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _hand_over(self, job: Callable[[], Any]) -> None:
        with self.lock:
            if self._ended:
                raise LoopEnded
            self._jobs.append(job)
            self._wake.send()

    def _run(self, ready: threading.Event) -> None:
        hub = gevent.get_hub()
        self._tasks = Group()
        self._over = Event()
        self._wake = hub.loop.async_()
        self._wake.start(self._do_jobs)
        ready.set()
        self._over.wait()
        self._tasks.kill(timeout=KILL_LIMIT)
        self._last()
        self._wake.close()
        hub.destroy(destroy_loop=True)

    def _do_jobs(self) -> None:
        while self._jobs:
            self._jobs.popleft()()


def _fulfil(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except gevent.GreenletExit:
        future.set_exception(LinkClosed("the client was closed"))
    except BaseException as error:
        future.set_exception(error)
