"""A client whose loop runs in a native thread of its own.

Its connections are handed out as stand-ins, and so are the functions that actors pass: what they do runs on
that thread, in green threads, while the caller's thread waits; so a stream may be read in one thread and
written in another. All else is handed out as it is: what the user's wrappers make, and what arrives.
Functions the user gave (to ``on``, or as callbacks) are called on the client's thread.
"""

from __future__ import annotations

import functools
import inspect
import io
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from gevent.event import AsyncResult
from gevent.socket import socket

from stractory.actors.rpc import RemoteMethod, RpcClient
from stractory.clients.client import Client
from stractory.clients.loop import Loop, LoopEnded
from stractory.clients.watching import Watch
from stractory.net.answers import Items

_LIVING = (RpcClient, RemoteMethod, Items, Watch, AsyncResult, io.IOBase, socket)
"""What methods of connections, and of clients, give out that needs the loop too."""

_SPECIAL = ("__call__", "__enter__", "__exit__", "__getitem__", "__next__")


class StandIn:
    """Stands for an object that lives on a loop's thread, and keeps that running. stand_in() makes it."""

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

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run it on the loop; on this thread once that has ended, when nothing that lived there waits."""
        try:
            return self._loop.run(function, *args, **kwargs)
        except LoopEnded:
            self._loop.join()  # it may be about to close what the function would use
            return function(*args, **kwargs)

    def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._shown(self._run(function, *args, **kwargs))

    def _shown(self, value: Any) -> Any:
        """A stand-in for what lives on the loop; else ``value``, which may be the user's own, come home."""
        if value is self._target:
            return self
        if isinstance(value, StandIn):
            return value
        decorator = type(value) is FunctionType and value.__module__ == type(self._target).__module__
        return stand_in(self._loop, value) if decorator or isinstance(value, _LIVING) else value


def stand_in(loop: Loop, target: Any) -> Any:
    """What stands for ``target``, with the special methods that it has."""
    return _class_for(type(target))(loop, target)  # type: ignore[arg-type]  # a class can be hashed


@functools.cache
def _class_for(kind: type) -> type[StandIn]:
    has = {name for base in kind.__mro__ for name in vars(base)}  # hasattr() finds those of its class too
    methods: dict[str, Any] = {name: _special(name) for name in _SPECIAL if name in has}
    if "__iter__" in has:
        methods["__iter__"] = _iterate
    return type(StandIn.__name__, (StandIn,), {"__slots__": (), **methods})


def _special(name: str) -> Callable[..., Any]:
    def method(self: StandIn, *args: Any, **kwargs: Any) -> Any:
        return self._call(getattr(self._target, name), *args, **kwargs)

    return method


def _iterate(self: StandIn) -> Iterator[Any]:
    items = self._run(iter, self._target)
    end = object()
    while (item := self._call(next, items, end)) is not end:
        yield item


class BackgroundClient(StandIn):
    """Stands for a client, made by ``make`` of what makes its stand-ins.

    close() ends the thread too, and the next call starts another.
    """

    __slots__ = ()

    def __init__(self, make: Callable[[Callable[[Any], Any]], Client]) -> None:
        loop = Loop()
        super().__init__(loop, make(functools.partial(stand_in, loop)))

    def close(self) -> None:
        """End all connections. The client can be used again; it dials anew."""
        try:
            self._loop.end(self._target.close)
        except LoopEnded:
            self._loop.join()

    def __enter__(self) -> BackgroundClient:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                return self._loop.run(function, *args, **kwargs)
            except LoopEnded:
                self._loop.start()
