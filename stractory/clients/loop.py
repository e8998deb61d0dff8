"""A gevent loop in a native thread of its own, to which other threads hand functions."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any
from weakref import finalize

import gevent
from gevent.event import Event
from gevent.pool import Group

from stractory.clients.home import check_process
from stractory.errors import LinkClosed
from stractory.net.threads import threads

KILL_LIMIT = 1.0
"""Seconds that what still runs has to end when the loop does."""


LOOK = 0.005
"""Seconds between looks whether links are closed."""


class LoopEnded(Exception):
    """The loop does not run."""


class Loop:
    """Runs from start() to end(), any number of times; and ends when nobody holds it."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._thread: _Thread | None = None
        self._when_dropped: finalize[[], Loop] | None = None

    def start(self) -> None:
        """Have it run, if it does not. Raises RuntimeError in a process that was forked off while it did."""
        with self._starting:
            if self._thread is not None and self._when_dropped is not None:
                check_process(self._thread.process)
                if not self._thread.ended:
                    return
                self._thread.join()
                self._when_dropped.detach()
            self._thread = _Thread()
            self._when_dropped = finalize(self, self._thread.drop)
            self._when_dropped.atexit = False

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What ``function`` returns or raises, run in a green thread of the loop.

        A caller that is interrupted (Ctrl-C) takes the green thread with it, so that it cannot swallow what
        the next call is meant to get. Raises LoopEnded, LinkClosed when the loop ends under way, and
        RuntimeError in a process that was forked off.
        """
        thread = self._running()
        if threading.current_thread() is thread:
            return function(*args, **kwargs)
        future: Future[Any] = Future()
        work = partial(_fulfil, future, partial(function, *args, **kwargs))
        tasks: list[gevent.Greenlet[..., Any]] = []  # made over there: a green thread is its hub's for good
        thread.hand_over(lambda: tasks.append(thread.tasks.spawn(work)))
        try:
            return future.result()
        except BaseException:
            if not future.done():
                with contextlib.suppress(LoopEnded):
                    thread.hand_over(lambda: tasks[0].kill(block=False))
            raise

    def end(self, last: Callable[[], Any]) -> None:
        """Run ``last``, end the thread and free what the loop has. Calls under way raise LinkClosed.

        Returns when that is done, but at once on the loop's own thread. Raises LoopEnded if it was before.
        """
        thread = self._running()
        future: Future[Any] = Future()
        thread.finish(partial(_fulfil, future, last))
        if threading.current_thread() is not thread:
            thread.join()
            future.result()

    def join(self) -> None:
        """Wait for the end of a thread that was told to end."""
        if self._thread not in (None, threading.current_thread()):
            self._running().join()

    def _running(self) -> _Thread:
        if self._thread is None:
            raise LoopEnded
        check_process(self._thread.process)
        return self._thread


class _Thread(threading.Thread):
    """The loop's. It refers to nobody who uses it, but while it runs something for them."""

    def __init__(self) -> None:
        super().__init__(name="stractory client", daemon=True)
        self.process = os.getpid()
        self.ended = False
        self._last: Callable[[], Any] | None = None
        self._jobs: deque[Callable[[], Any]] = deque()
        self._lock = threading.RLock()  # so that nothing is handed to an ended loop
        self._ready = threading.Event()
        self.start()
        self._ready.wait()

    def hand_over(self, job: Callable[[], Any]) -> None:
        """Have ``job`` called on this thread; it must not wait. Raises LoopEnded."""
        with self._lock:
            if self.ended:
                raise LoopEnded
            self._jobs.append(job)
            self._wake.send()

    def finish(self, last: Callable[[], Any] | None = None) -> None:
        """Take nothing more, call ``last``, and end. Raises LoopEnded."""
        with self._lock:
            if self.ended:
                raise LoopEnded
            self._last = last  # before the thread hears that it is over, for it does not wait for the lock
            self.hand_over(self._over.set)
            self.ended = True

    def drop(self) -> None:
        """Nobody needs it any more. It may be called from any thread, at any moment."""
        if os.getpid() == self.process:
            with contextlib.suppress(LoopEnded):
                self.finish()

    def run(self) -> None:
        hub = gevent.get_hub()
        self.tasks = Group()
        self._over = Event()
        self._wake = hub.loop.async_()
        self._wake.start(self._do_jobs)
        self._ready.set()
        self._over.wait()
        self.tasks.kill(timeout=KILL_LIMIT)
        if self._last is not None:
            self._last()
        self._wait_for_links()
        threads().close()
        self._wake.close()
        hub.destroy(destroy_loop=True)

    def _wait_for_links(self) -> None:
        """Those that were dropped with it: another thread, which may just not run, has them closed here."""
        late = monotonic() + KILL_LIMIT
        while threads().links and monotonic() < late:
            gevent.sleep(LOOK)

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
