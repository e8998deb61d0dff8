"""A client whose loop runs in a native thread of its own.

Everything it hands out is a stand-in: its methods run on that thread, in green threads, while the caller's
thread waits; so a stream may be read in one thread and written in another. Functions the user gave (to
``on``, or as callbacks) are called on the client's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

import gevent

from stractory.clients.client import Client
from stractory.errors import ConnectErrors
from stractory.wire.info import ActorInfo, WorkerInfo

_PLAIN = (str, bytes, bytearray, int, float, complex, bool, type(None), set, frozenset, BaseException)


class Loop:
    """A gevent hub in a daemon thread, to which other threads hand functions."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], Any]] = deque()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stractory client", daemon=True)
        self._thread.start()
        self._ready.wait()

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``function`` returns or raises, run in a green thread of the loop.

        A caller that is interrupted (Ctrl-C) takes the green thread with it, so that it cannot swallow what
        the next call is meant to get.
        """
        if threading.current_thread() is self._thread:
            return function(*args, **kwargs)
        future: Future[Any] = Future()
        work = partial(_fulfil, future, partial(function, *args, **kwargs))
        tasks: list[gevent.Greenlet[..., Any]] = []  # made over there: a green thread is its hub's for good
        self._hand_over(lambda: tasks.append(gevent.spawn(work)))
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._hand_over(lambda: tasks[0].kill(block=False))
            raise

    def _hand_over(self, job: Callable[[], Any]) -> None:
        self._jobs.append(job)
        self._wake.send()

    def _run(self) -> None:
        hub = gevent.get_hub()
        self._wake = hub.loop.async_()
        self._wake.start(self._do_jobs)
        self._ready.set()
        hub.join()  # for ever: the watcher keeps the loop alive

    def _do_jobs(self) -> None:
        while self._jobs:
            self._jobs.popleft()()


def _fulfil(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


class StandIn:
    """Stands for an object that lives on the loop's thread."""

    __slots__ = ("_loop", "_target")

    def __init__(self, loop: Loop, target: Any) -> None:
        object.__setattr__(self, "_loop", loop)
        object.__setattr__(self, "_target", target)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """That of the object, so that isinstance() tells the same."""
        return type(self._target)

    def __repr__(self) -> str:
        return repr(self._target)

    def __getattr__(self, name: str) -> Any:
        value = self._loop.run(getattr, self._target, name)
        return partial(_run, self._loop, value) if callable(value) else _stand_in(self._loop, value)

    def __setattr__(self, name: str, value: Any) -> None:
        self._loop.run(setattr, self._target, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _run(self._loop, self._target, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return _run(self._loop, lambda: self._target[key])

    def __iter__(self) -> Iterator[Any]:
        items = self._loop.run(iter, self._target)
        end = object()
        while (item := self._loop.run(next, items, end)) is not end:
            yield _stand_in(self._loop, item)

    def __enter__(self) -> Any:
        return _run(self._loop, self._target.__enter__)

    def __exit__(self, *error: Any) -> Any:
        return self._loop.run(self._target.__exit__, *error)


def _run(loop: Loop, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return _stand_in(loop, loop.run(function, *args, **kwargs))
    except ConnectErrors as error:
        error.clients = _stand_in(loop, error.clients)
        raise


def _stand_in(loop: Loop, value: Any) -> Any:
    """``value`` itself where it is plain data, else a stand-in for it."""
    match value:
        case list():
            return [_stand_in(loop, item) for item in value]
        case dict():
            return {key: _stand_in(loop, item) for key, item in value.items()}
        case ActorInfo() | WorkerInfo():
            return value
        case tuple():
            return tuple(_stand_in(loop, item) for item in value)
    return value if isinstance(value, _PLAIN) else StandIn(loop, value)


def background_client(*args: Any, **kwargs: Any) -> Client:
    """A :class:`Client` with a loop of its own; takes what Client takes."""
    loop = Loop()
    return cast(Client, StandIn(loop, loop.run(Client, *args, **kwargs)))
