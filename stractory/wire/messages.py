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
    """The call ``id`` raised; the fields are those of :func:`stractory.errors.from_wire`."""

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
_TYPES: dict[type, int] = {kind: number for number, kind in enumerate(KINDS)}


def to_value(message: Message) -> tuple[Any, ...]:
    """The array that stands for a message."""
    return (_TYPES[type(message)], *message)


def from_value(value: Any) -> Message:
    """The message that an unpacked array stands for. Raises ProtocolError."""
    if type(value) is list and value and type(value[0]) is int and 0 <= value[0] < len(KINDS):
        kind, *fields = value
        try:
            if _CHECKS[kind](*fields):
                return KINDS[kind](*fields)
        except TypeError:  # another number of fields
            pass
    raise ProtocolError("malformed rpc message")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_named(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str for key in value)


def _is_timeout(value: Any) -> bool:
    return value is None or (type(value) in (float, int) and value >= 0)  # NaN is not


def _is_call(id: Any, target: Any, args: Any, kwargs: Any, timeout: Any) -> bool:
    return (
        (id is None or _is_count(id))
        and (type(target) is str or _is_count(target))
        and type(args) is list
        and (kwargs == {} or _is_named(kwargs))
        and _is_timeout(timeout)
    )


_CHECKS: tuple[Callable[..., bool], ...] = (
    _is_call,
    lambda id, value: _is_count(id),
    lambda id, code, message, details: (
        _is_count(id) and type(code) is str and type(message) is str and _is_named(details)
    ),
    lambda id: _is_count(id),
    lambda id, value: _is_count(id),
    lambda id: _is_count(id),
    lambda id, count: _is_count(id) and _is_count(count),
    lambda id: _is_count(id),
    lambda function, count: _is_count(function) and _is_count(count),
)
