"""The functions that one connection refers to: ours that the other side holds, and its that we hold.

Counted as in any distributed object system: each time a reference is sent it counts one more, the side that
holds it counts what it received, and gives the count back (RELEASE) when it needs the function no more. So a
release that crosses another sending of the same function on the way does no harm.

Pure: what stands here for the other side's functions is made by ``make``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import BuiltinMethodType, MethodType
from typing import Any

from stractory.errors import LinkClosed, ProtocolError
from stractory.wire.codec import RECEIVERS, SENDERS

_NONE: dict[Any, Any] = {}


class References:
    """Both tables of one end of a connection. ``make(number)`` makes what stands for a remote function:
    a callable with its ``number``, and with ``received``, how many references to it came.
    """

    __slots__ = ("_cleared", "_keys", "_last", "_make", "_ours", "_theirs")

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make
        self._last = 0
        self._cleared = False
        # The tables are made when they are needed: most connections never pass a function.
        self._ours: dict[int, list[Any]] = _NONE  # number: [function, references sent, its key]
        self._keys: dict[Any, int] = _NONE
        self._theirs: dict[int, weakref.ref[Any]] = _NONE

    def __repr__(self) -> str:
        return f"<References to {len(self._ours)} functions here and {self.held} there>"

    @property
    def given(self) -> int:
        """How many of our functions the other side holds."""
        return len(self._ours)

    @property
    def held(self) -> int:
        """How many of its functions we hold."""
        return sum(reference() is not None for reference in self._theirs.values())

    def refer(self, function: Callable[..., Any]) -> tuple[int, int]:
        """The kind and number by which to send a function. Raises LinkClosed after clear()."""
        if self._cleared:
            raise LinkClosed("the connection is over: no function can be passed")
        theirs = getattr(function, "number", None)
        if type(theirs) is int and self._standing_for(theirs) is function:
            return RECEIVERS, theirs
        key = _key(function)
        number = self._keys.get(key)
        if number is None:
            if not self._last:
                self._ours, self._keys = {}, {}
            self._last += 1
            number = self._keys[key] = self._last
            self._ours[number] = [function, 0, key]
        self._ours[number][1] += 1
        return SENDERS, number

    def withdraw(self, kind: int, number: int) -> None:
        """A reference was not sent after all."""
        if kind == SENDERS:
            self.release(number, 1)

    def resolve(self, kind: int, number: int) -> Any:
        """What stands here for a reference that arrived."""
        if kind == RECEIVERS:
            return self.find(number)
        remote = self._standing_for(number)
        if remote is None:
            remote = self._make(number)
            if self._theirs is _NONE:
                self._theirs = {}
            self._theirs[number] = weakref.ref(remote)
        remote.received += 1
        return remote

    def _standing_for(self, number: int) -> Any:
        reference = self._theirs.get(number)
        return reference() if reference is not None else None

    def find(self, number: int) -> Any:
        """Our function. Raises ProtocolError when the other side holds none of that number."""
        try:
            return self._ours[number][0]
        except KeyError:
            raise ProtocolError(f"there is no function {number}") from None

    def release(self, number: int, count: int) -> None:
        """The other side gave back ``count`` references. Raises ProtocolError for more than it had."""
        entry = self._ours.get(number)
        if entry is None or count > entry[1]:
            raise ProtocolError(f"it gave back {count} references to function {number}, more than it has")
        entry[1] -= count
        if not entry[1]:
            del self._ours[number], self._keys[entry[2]]

    def forget(self, number: int, remote: Any = None) -> None:
        """``remote``, or what was collected, stands for that function no more."""
        # Equal, for what stands there may stand for ``remote`` in other threads.
        if number in self._theirs and self._standing_for(number) == remote:
            del self._theirs[number]

    def clear(self) -> list[Any]:
        """The connection is over. Returns what stood for the other side's functions."""
        theirs = [remote for reference in self._theirs.values() if (remote := reference()) is not None]
        self._cleared = True
        self._ours = self._keys = self._theirs = _NONE
        return theirs


def _key(function: Callable[..., Any]) -> Any:
    """Equal for what is the same function: ``thing.method`` is made anew each time it is asked for."""
    if type(function) is MethodType:
        return id(function.__self__), id(function.__func__)
    if type(function) is BuiltinMethodType and function.__self__ is not None:
        return id(function.__self__), function.__name__
    return id(function)
