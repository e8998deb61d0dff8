"""Rpc messages: calls both ways, functions as arguments, and streams of items.

Every message is one msgpack array that begins with its type::

    CALL     [0, id: uint or nil, target: str or uint, args: array, kwargs: map, timeout: float or nil]
    RESULT   [1, id, value]                the call returned
    FAILURE  [2, id, code: str, message: str, details: map]      it raised, or its items ended so
    OPENED   [3, id]                       it returned items, one after another: a generator
    ITEM     [4, id, value]
    ENDED    [5, id]                       there are no more items
    MORE     [6, id, credit: uint]         the caller takes so many more items
    CANCEL   [7, id]                       the caller takes no more
    RELEASE  [8, function: uint, times: uint]      so many references to it are gone

``target`` is a method's name, or the number of a function of the receiver's that it referred to before. A
CALL whose id is nil is one-way: it has no answer. Ids are the caller's, one count a stream and direction; an
answer carries the id of its CALL. ``timeout`` is how many seconds the caller will wait. At first ITEMS_AHEAD
items may be sent.

Values are what msgpack has (tuples arrive as lists), and functions: see :mod:`stractory.wire.codec`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stractory.errors import ProtocolError
from stractory.wire.frames import new

ITEMS_AHEAD = 64
"""Items that may be on the way before the caller asks for more."""


class Call(NamedTuple):
    """Run ``target``; ``id`` is None where no answer is wanted."""

    id: int | None
    target: str | int
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: float | None


class Result(NamedTuple):
    """The call ``id`` returned ``value``."""

    id: int
    value: Any


class Failure(NamedTuple):
    """The call ``id`` raised; the fields are those of :func:`stractory.wire.failures.from_wire`."""

    id: int
    code: str
    message: str
    details: dict[str, Any]


class Opened(NamedTuple):
    """The call ``id`` returned items."""

    id: int


class Item(NamedTuple):
    """One of them."""

    id: int
    value: Any


class Ended(NamedTuple):
    """That was the last."""

    id: int


class More(NamedTuple):
    """The caller takes ``credit`` more."""

    id: int
    credit: int


class Cancel(NamedTuple):
    """The caller takes no more."""

    id: int


class Release(NamedTuple):
    """``times`` references to a function of the receiver's are gone."""

    function: int
    times: int


Message = Call | Result | Failure | Opened | Item | Ended | More | Cancel | Release

KINDS: tuple[type[Message], ...] = (Call, Result, Failure, Opened, Item, Ended, More, Cancel, Release)
TYPES: dict[type, int] = {kind: number for number, kind in enumerate(KINDS)}


def to_value(message: Message) -> tuple[Any, ...]:
    """The array that stands for a message."""
    return (TYPES[type(message)], *message)


def from_value(value: Any) -> Message:
    """The message that an unpacked array stands for. Raises ProtocolError."""
    try:
        if type(value) is list and type(value[0]) is int:
            return _READERS[value[0]](*value)
    except (IndexError, KeyError, TypeError):  # empty, of no type that there is, another number of fields
        pass
    raise ProtocolError("malformed rpc message")


def _check(good: bool) -> None:
    if not good:
        raise TypeError


def _read_call(_: int, id: Any, target: Any, args: Any, kwargs: Any, timeout: Any) -> Call:
    if (
        (id is None or (type(id) is int and id >= 0))
        and (type(target) is str or (type(target) is int and target >= 0))
        and type(args) is list
        and type(kwargs) is dict
        and (not kwargs or _are_names(kwargs))
        and (timeout is None or (type(timeout) in (float, int) and timeout >= 0))  # NaN is not
    ):
        return new(Call, (id, target, args, kwargs, timeout))  # type: ignore[no-any-return]
    raise TypeError


def _read_result(_: int, id: Any, value: Any) -> Result:
    if type(id) is int and id >= 0:
        return new(Result, (id, value))  # type: ignore[no-any-return]
    raise TypeError


def _read_failure(_: int, id: Any, code: Any, message: Any, details: Any) -> Failure:
    _check(type(id) is int and id >= 0 and type(code) is str and type(message) is str)
    _check(type(details) is dict and _are_names(details))
    return Failure(id, code, message, details)


def _read_item(_: int, id: Any, value: Any) -> Item:
    _check(type(id) is int and id >= 0)
    return Item(id, value)


def _are_names(mapping: dict[Any, Any]) -> bool:
    return all(type(key) is str for key in mapping)


def _of_counts(kind: Callable[..., Message]) -> Callable[..., Message]:
    def read(_: int, *counts: Any) -> Message:
        _check(all(type(count) is int and count >= 0 for count in counts))
        return kind(*counts)

    return read


_READERS: dict[int, Callable[..., Message]] = {
    TYPES[Call]: _read_call,
    TYPES[Result]: _read_result,
    TYPES[Failure]: _read_failure,
    TYPES[Item]: _read_item,
    **{TYPES[kind]: _of_counts(kind) for kind in (Opened, Ended, More, Cancel, Release)},
}
