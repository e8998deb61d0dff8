"""A client whose loop runs in a native thread of its own.

Everything it hands out is a stand-in: its methods run on that thread, in green threads, while the caller's
thread waits; so a stream may be read in one thread and written in another. Functions the user gave (to
``on``, or as callbacks) are called on the client's thread.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from stractory.clients.client import Client
from stractory.clients.loop import Loop, LoopEnded
from stractory.errors import ConnectErrors
from stractory.wire.info import ActorInfo, WorkerInfo

_PLAIN = (str, bytes, bytearray, int, float, complex, type(None), set, frozenset, type, BaseException)


class StandIn:
    """Stands for an object that lives on a loop's thread. There is one at a time for each object."""

    __slots__ = ("__weakref__", "_loop", "_target")

    _loop: Loop
    _target: Any

    def __init__(self, loop: Loop, target: Any) -> None:
        object.__setattr__(self, "_loop", loop)
        object.__setattr__(self, "_target", target)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """That of the object, so that isinstance() tells the same."""
        return type(self._target)

    def __repr__(self) -> str:
        return repr(self._target)

    def __eq__(self, other: object) -> bool:
        return bool(self._target == (other._target if isinstance(other, StandIn) else other))

    def __hash__(self) -> int:
        return hash(self._target)

    def __getattr__(self, name: str) -> Any:
        value = self._run(getattr, self._target, name)
        if not inspect.isroutine(value):
            return self._shown(value)

        @functools.wraps(value)
        def method(*args: Any, **kwargs: Any) -> Any:
            return self._call(value, *args, **kwargs)

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        self._run(setattr, self._target, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._target, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._call(lambda: self._target[key])

    def __iter__(self) -> Iterator[Any]:
        items = self._run(iter, self._target)
        end = object()
        while (item := self._run(next, items, end)) is not end:
            yield self._shown(item)

    def __next__(self) -> Any:
        return self._call(self._target.__next__)

    def __enter__(self) -> Any:
        return self._call(self._target.__enter__)

    def __exit__(self, *error: Any) -> Any:
        return self._run(self._target.__exit__, *error)

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run it on the loop; on this thread once that has ended, when nothing that lived there waits."""
        try:
            return self._loop.run(function, *args, **kwargs)
        except LoopEnded:
            self._loop.join()  # it may be about to close what the function would use
            return function(*args, **kwargs)

    def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        own = [self._meant(argument) for argument in args]
        try:
            return self._shown(
                self._run(function, *own, **{name: self._meant(value) for name, value in kwargs.items()})
            )
        except ConnectErrors as error:
            error.clients = self._shown(error.clients)
            raise

    def _meant(self, argument: Any) -> Any:
        """What goes over to the loop: what a stand-in stands for, for a function one that gets stand-ins.

        For the user's function may give what it gets to any thread.
        """
        if type(argument) is StandIn and argument._loop is self._loop:
            return argument._target
        return told(self._loop, argument) if isinstance(argument, (FunctionType, MethodType)) else argument

    def _shown(self, value: Any) -> Any:
        return self if value is self._target else stand_in(self._loop, value)


def told(loop: Loop, function: Any) -> Any:
    """What calls the user's ``function`` from the loop, the same for the same function while it is held."""
    with loop.lock:
        known = loop.told.get(_key(function))
        if known is None:

            @functools.wraps(function)
            def known(*args: Any, **kwargs: Any) -> Any:
                shown = {name: stand_in(loop, value) for name, value in kwargs.items()}
                return function(*(stand_in(loop, value) for value in args), **shown)

            loop.told[_key(function)] = known
        return known


def _key(function: Any) -> tuple[int, int]:
    return id(getattr(function, "__self__", None)), id(getattr(function, "__func__", function))


def stand_in(loop: Loop, value: Any) -> Any:
    """``value`` itself where it is plain data, else what stands for it."""
    if isinstance(value, StandIn):
        return value
    match value:
        case list():
            return [stand_in(loop, item) for item in value]
        case dict():
            return {key: stand_in(loop, item) for key, item in value.items()}
        case ActorInfo() | WorkerInfo():
            return value
        case tuple():
            return tuple(stand_in(loop, item) for item in value)
    if isinstance(value, _PLAIN):
        return value
    original = getattr(value, "__wrapped__", None) if type(value) is FunctionType else None
    if original is not None and loop.told.get(_key(original)) is value:
        return original  # a function of the user's, come home
    with loop.lock:
        known = loop.stand_ins.get(id(value))  # which keeps ``value``, so that no other has its id
        if known is None:
            known = loop.stand_ins[id(value)] = StandIn(loop, value)
        return known


class BackgroundClient(StandIn):
    """Stands for a client: close() ends the thread too, and the next call starts another."""

    __slots__ = ("_starting",)

    _starting: threading.Lock

    def __init__(self, client: Client) -> None:
        super().__init__(Loop(), client)
        object.__setattr__(self, "_starting", threading.Lock())

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens; :mod:`stractory.clients.events` lists them."""

        def tell(*arguments: Any) -> None:
            function(*(self._shown(argument) for argument in arguments))

        self._run(self._target.on, event, tell if callable(function) else function)

    def _meant(self, argument: Any) -> Any:
        """The functions that a client is given are actors: they travel as they are."""
        return argument._target if type(argument) is StandIn and argument._loop is self._loop else argument

    def close(self) -> None:
        """End all connections. The client can be used again; it dials anew."""
        try:
            self._loop.end(self._target.close)
        except LoopEnded:
            self._loop.join()

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        while True:
            loop = self._loop
            try:
                return loop.run(function, *args, **kwargs)
            except LoopEnded:
                loop.join()  # before it has closed the client nobody else may use that
            with self._starting:
                if self._loop is loop:
                    object.__setattr__(self, "_loop", Loop())
