"""The msgpack codec: values to bytes and back, and messages with functions in them.

Beyond msgpack's own types, four extension types may stand in a message, each with one packed value as data::

    1  uint    a function of the sender's: calling it is a CALL with this number as its target
    2  uint    a function of the receiver's, come home
    3  array   a value that contains itself, in the form of :mod:`stractory.wire.cycles`
    4  uint    in such a form: a row of the table

What plain packing can carry is packed so; only when it fails are functions and cycles looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import msgpack

from stractory.errors import ProtocolError
from stractory.wire.cycles import Container, from_table, is_cyclic, to_table
from stractory.wire.messages import Message, from_value, to_value

SENDERS, RECEIVERS, CYCLIC, CONTAINER = 1, 2, 3, 4
"""Extension types."""

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Most bytes one message may have, unless a reader is given another limit."""

SMALL = 4096
"""Bytes up to which what arrives is first taken for one value: mostly it is, and that takes half the time."""

T = TypeVar("T")
_ITEM_LIMIT = MESSAGE_LIMIT // 8  # msgpack makes room for an array's items by its header, 8 bytes each

pack = msgpack.Packer(use_bin_type=True).pack


def unpack(data: bytes) -> Any:
    """The one msgpack value in ``data``. Raises ProtocolError when it is not exactly one."""
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except Exception as error:  # msgpack has no common root: ValueError, UnpackException, StackError ...
        raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None


def _no_extension(kind: int, data: bytes) -> Any:
    raise ValueError(kind)


_unpack_plain = partial(msgpack.unpackb, raw=False, strict_map_key=False, ext_hook=_no_extension)


class Functions(Protocol):
    """Numbers for functions, as :class:`stractory.wire.references.References` keeps them."""

    def refer(self, function: Callable[..., Any]) -> tuple[int, int]:
        """The extension type and number to send for a function."""

    def withdraw(self, kind: int, number: int) -> None:
        """The last reference was not sent after all."""

    def resolve(self, kind: int, number: int) -> Callable[..., Any]:
        """What stands here for a reference that arrived. Raises ProtocolError."""


def encode(message: Message, functions: Functions | None = None) -> bytes:
    """The bytes of one message; without ``functions`` none may be in it.

    Raises TypeError, ValueError or OverflowError for what cannot travel, naming where in the message it is.
    """
    value = to_value(message)
    data: bytes
    try:
        data = pack(value)
    except _UNPACKABLE as error:
        if functions is None:
            raise _explained(error, message._asdict()) from None
        try:
            data = _encode_with(functions, value)
        except _UNPACKABLE as error:
            raise _explained(error, message._asdict()) from None
    return _checked(data)


def encode_value(value: Any, name: str) -> bytes:
    """The bytes of a value without functions. Raises as encode(), naming where in ``name`` it is."""
    try:
        data: bytes = pack(value)
    except _UNPACKABLE as error:
        raise _explained(error, {name: value}) from None
    return _checked(data)


def _checked(data: bytes) -> bytes:
    if len(data) > MESSAGE_LIMIT:
        raise ValueError(f"a message of {len(data)} bytes; at most {MESSAGE_LIMIT} can be sent")
    return data


def _encode_with(functions: Functions, value: Any) -> bytes:
    """As pack(), for what holds functions or itself."""
    referred: list[tuple[int, int]] = []

    def extend(thing: Any) -> Any:
        if type(thing) is Container:
            return msgpack.ExtType(CONTAINER, pack(thing.number))
        if not callable(thing):
            raise TypeError(f"can not serialize {type(thing).__name__!r} object")
        referred.append(functions.refer(thing))
        kind, number = referred[-1]
        return msgpack.ExtType(kind, pack(number))

    def withdraw() -> None:
        while referred:
            functions.withdraw(*referred.pop())

    packer = msgpack.Packer(use_bin_type=True, default=extend, buf_size=512)
    data: bytes
    try:
        try:
            data = packer.pack(value)
        except ValueError:  # nested too deeply, for one thing
            withdraw()
            if not is_cyclic(value):
                raise
            data = pack(msgpack.ExtType(CYCLIC, packer.pack(to_table(value))))
        _checked(data)
    except BaseException:
        withdraw()
        raise
    return data


_UNPACKABLE = (TypeError, ValueError, OverflowError)  # what msgpack raises for what it cannot carry
_DEPTH = 50  # levels down to which a bad value is looked for


def _explained(error: Exception, named: dict[str, Any]) -> Exception:
    """The same kind of error, naming the innermost part that cannot travel."""
    packer = msgpack.Packer(use_bin_type=True, default=lambda thing: None if callable(thing) else thing)
    seen: set[int] = set()

    def find(part: Any, path: str, depth: int) -> tuple[str, Exception] | None:
        try:
            packer.pack(part)
        except _UNPACKABLE as reason:
            if id(part) in seen:
                return None
            seen.add(id(part))
            for key, inner in _items(part) if depth < _DEPTH else []:
                below = find(inner, f"{path}[{key!r}]", depth + 1)
                if below := below or find(key, f"a key of {path}", depth + 1):
                    return below
            nested_too_deeply = isinstance(reason, ValueError) and _items(part)
            return None if nested_too_deeply else (path, reason)
        return None

    path, reason = "the message", error
    for name, part in named.items():
        if found := find(part, name, 0):
            path, reason = found
            break
    kind = next(kind for kind in _UNPACKABLE if isinstance(reason, kind))
    return kind(f"{path} cannot travel: {reason}")


def _items(part: Any) -> Any:
    if isinstance(part, dict):
        return part.items()
    return list(enumerate(part)) if isinstance(part, (list, tuple)) else []


class ValueReader(Generic[T]):
    """Turns the bytes of one stream, in pieces of any size, into what ``decode`` makes of each value in them.

    At rest it holds nothing: a msgpack Unpacker (tens of KiB) exists only while a value is half read.
    """

    __slots__ = ("_decode", "_fed", "_functions", "_limit", "_unpacker", "_whole")

    def __init__(
        self, decode: Callable[[Any], T], functions: Functions | None = None, limit: int = MESSAGE_LIMIT
    ) -> None:
        self._decode = decode
        self._functions = functions
        self._limit = limit
        self._unpacker: Any = None
        self._fed = 0
        self._whole = 0  # of what was fed, how much whole values took

    def feed(self, data: bytes) -> list[T]:
        """What ``data`` completes. Raises ProtocolError; the reader is of no use after that."""
        limit = self._limit
        if self._unpacker is None:
            if len(data) <= min(SMALL, limit):
                try:
                    value = _unpack_plain(data)
                except Exception:  # it is no single value without extensions
                    pass
                else:
                    return [self._decode(value)]
            # The buffer is not bounded here: it holds whole chunks, and only messages have a limit.
            self._unpacker = msgpack.Unpacker(
                raw=False,
                strict_map_key=False,
                ext_hook=self._extension,
                max_buffer_size=0,
                read_size=min(4096, limit),
                max_str_len=limit,
                max_bin_len=limit,
                max_array_len=min(limit, _ITEM_LIMIT),
                max_map_len=limit,
                max_ext_len=limit,
            )
            self._fed = self._whole = 0
        unpacker, whole = self._unpacker, self._whole
        messages: list[T] = []
        try:
            unpacker.feed(data)
            self._fed += len(data)
            for value in unpacker:
                messages.append(self._decode(value))
                # Asked here and not after the loop, where tell() counts what it took of a half read one too.
                end = unpacker.tell()
                if end - whole > limit:
                    raise ProtocolError(f"a message is over the limit of {limit} bytes")
                whole = end
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None
        if self._fed - whole > limit:
            raise ProtocolError(f"a message is over the limit of {limit} bytes")
        if whole == self._fed:
            self._unpacker = None
        else:
            self._whole = whole
        return messages

    def _extension(self, kind: int, data: bytes) -> Any:
        if kind == CYCLIC:
            table = msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=self._extension_in_table)
            return from_table(table)
        if self._functions is None or kind not in (SENDERS, RECEIVERS):
            raise ProtocolError(f"an extension of type {kind} where none may be")
        return self._functions.resolve(kind, _number(data))

    def _extension_in_table(self, kind: int, data: bytes) -> Any:
        return Container(_number(data)) if kind == CONTAINER else self._extension(kind, data)


class MessageReader(ValueReader[Message]):
    """Reads rpc messages."""

    __slots__ = ()

    def __init__(self, functions: Functions | None = None, limit: int = MESSAGE_LIMIT) -> None:
        super().__init__(from_value, functions, limit)


def _number(data: bytes) -> int:
    number = unpack(data)
    if type(number) is not int or number < 0:
        raise ProtocolError("malformed reference")
    return number
