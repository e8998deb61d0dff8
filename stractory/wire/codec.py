"""The msgpack codec: values to bytes and back, and messages with functions in them.

A message is packed plainly, with msgpack's own types and whatever extensions its sender has put in; only when
that fails are functions and cycles looked for. One that holds such travels whole as an extension, with one
packed value as its data::

    3  array   the message in the form of :mod:`stractory.wire.cycles`, since it contains itself
    5  array   the message itself

and in which three more may stand, each with one packed value as its data::

    1  uint    a function of the sender's: calling it is a CALL with this number as its target
    2  uint    a function of the receiver's, come home
    4  uint    in the form of 3 only: a row of the table

So nothing that a user sends plainly can be taken for one of them, and none of them holds another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import msgpack
from msgpack import ExtType, Timestamp

from stractory.errors import ProtocolError
from stractory.wire.cycles import Container, from_table, is_cyclic, to_table
from stractory.wire.messages import TYPES, Message, from_value, to_value
from stractory.wire.refused import UNPACKABLE, check_extensions, check_items, explained

SENDERS, RECEIVERS, CYCLIC, CONTAINER, REFERRING = 1, 2, 3, 4, 5
"""Extension types."""

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Most bytes one message may have, unless a reader is given another limit."""

SMALL = 4096
"""Bytes up to which what arrives is first taken for one value: mostly it is, and that takes half the time."""

COLLISIONS = 64
"""Most keys of one hash in a map: each is compared to all before, and hashes of tuples are no secret."""

T = TypeVar("T")
_NONE: list[Any] = []
_ITEM_LIMIT = MESSAGE_LIMIT // 8  # msgpack makes room for an array's items by its header, 8 bytes each

_LONG = b"\xc7"  # what a timestamp with all of 64 bits begins with: they, too, could be made to have one hash
_HEADS = bytes([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])  # an extension begins with one of these
_unpack = partial(msgpack.unpackb, raw=False, strict_map_key=False)
_packers = [msgpack.Packer()]


def pack(value: Any) -> bytes:
    """The bytes of a value. Raises UNPACKABLE."""
    # One that nobody else has: a dict of the user's may wait in its items() while others pack.
    packer = _packers.pop() if _packers else msgpack.Packer(buf_size=512)
    packed: bytes = packer.pack(value)
    _packers.append(packer)
    return packed


def unpack(data: bytes) -> Any:
    """The one msgpack value in ``data``. Raises ProtocolError when it is not exactly one."""
    try:
        try:
            if len(data) <= SMALL or data.count(_LONG) <= COLLISIONS:
                return _unpack(data)
        except TypeError:  # an array as a key
            pass
        return _unpack(data, object_pairs_hook=_to_map)
    except Exception as error:  # msgpack has no common root: ValueError, UnpackException, StackError ...
        raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None


def _to_map(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map whose keys may be arrays: those are tuples again. msgpack's own maps are faster.

    Raises ValueError where too many have the same hash.
    """
    keyed = [(_to_key(key), value) for key, value in pairs]
    if len(keyed) > COLLISIONS:
        hashes = Counter([hash(key) for key, _ in keyed if type(key) in (tuple, Timestamp)])
        if hashes and max(hashes.values()) > COLLISIONS:
            raise ValueError("too many keys of a map have the same hash")
    return dict(keyed)


def _to_key(key: Any) -> Any:
    return tuple(map(_to_key, key)) if type(key) is list else key


class Functions(Protocol):
    """Numbers for functions, as :class:`stractory.wire.references.References` keeps them."""

    def refer(self, function: Callable[..., Any]) -> tuple[int, int]:
        """The extension type and number to send for a function."""

    def withdraw(self, kind: int, number: int) -> None:
        """The last reference was not sent after all."""

    def resolve(self, kind: int, number: int) -> Callable[..., Any]:
        """What stands here for a reference that arrived. Raises ProtocolError."""


def encode(message: Message, functions: Functions | None = None, limit: int = MESSAGE_LIMIT) -> bytes:
    """The bytes of one message, ``limit`` at most; without ``functions`` none may be in it.

    Raises TypeError, ValueError or OverflowError for what cannot travel, naming where in the message it is.
    """
    data: bytes
    try:
        data = pack((TYPES[type(message)], *message))  # to_value(), without a call
    except UNPACKABLE as error:
        if functions is None:
            raise explained(error, message._asdict()) from None
        return _encode_with(functions, message, limit)
    if len(data) > limit or len(data) > _ITEM_LIMIT:
        _check_large(len(data), message._asdict(), limit)
    return data


def encode_value(value: Any, name: str) -> bytes:
    """The bytes of a value without functions. Raises as encode(), naming where in ``name`` it is."""
    try:
        data: bytes = pack(value)
    except UNPACKABLE as error:
        raise explained(error, {name: value}) from None
    if len(data) > _ITEM_LIMIT:
        _check_large(len(data), {name: value})
    return data


def check_value(value: Any, name: str) -> None:
    """Raises as encode_value() for what cannot travel, but for what is too large only as a whole."""
    try:
        pack(value)
    except UNPACKABLE as error:
        raise explained(error, {name: value}) from None
    check_items({name: value}, _ITEM_LIMIT)


def _check_large(size: int, named: dict[str, Any], limit: int = MESSAGE_LIMIT) -> None:
    """Of more than _ITEM_LIMIT bytes: with less, no array has so many items. Raises ValueError."""
    if size > limit:
        # Only registries have others than MESSAGE_LIMIT.
        setting = "" if limit == MESSAGE_LIMIT else " (client-message-limit, or operator-, of the registry)"
        raise ValueError(f"a message of {size} bytes; at most {limit} can be sent{setting}")
    check_items(named, _ITEM_LIMIT)


def _encode_with(functions: Functions, message: Message, limit: int) -> bytes:
    """As encode(), for what holds functions or itself."""
    value = to_value(message)
    referred: list[tuple[int, int]] = []

    def extend(thing: Any) -> ExtType:
        if type(thing) is Container:
            return ExtType(CONTAINER, pack(thing.number))
        if not callable(thing):
            raise TypeError(f"can not serialize {type(thing).__name__!r} object")
        referred.append(functions.refer(thing))
        kind, number = referred[-1]
        return ExtType(kind, pack(number))

    def withdraw() -> None:
        while referred:
            functions.withdraw(*referred.pop())

    packer = msgpack.Packer(use_bin_type=True, default=extend, buf_size=512)
    try:
        try:
            try:
                kind, packed = REFERRING, packer.pack(value)
            except ValueError:  # nested too deeply, for one thing
                withdraw()
                if not is_cyclic(value):
                    raise
                kind, packed = CYCLIC, packer.pack(to_table(value))
        except UNPACKABLE as error:
            raise explained(error, message._asdict(), functions=True) from None
        if len(packed) - len(packed.translate(None, _HEADS)) > len(referred):  # there may be others
            check_extensions(message._asdict())
        data: bytes = pack(ExtType(kind, packed))
        if len(data) > limit or len(data) > _ITEM_LIMIT:
            _check_large(len(data), message._asdict(), limit)
    except BaseException:
        withdraw()
        raise
    return data


class ValueReader(Generic[T]):
    """Turns the bytes of one stream, in pieces of any size, into what ``decode`` makes of each value in them.

    At rest it holds nothing: a msgpack Unpacker (tens of KiB) exists only while a value is half read.
    """

    __slots__ = ("_decode", "_fed", "_functions", "_half", "_limit", "_long", "_small", "_unpacker", "_whole")

    def __init__(
        self, decode: Callable[[Any], T], functions: Functions | None = None, limit: int = MESSAGE_LIMIT
    ) -> None:
        self._decode = decode
        self._functions = functions
        self._limit = limit
        self._small = min(SMALL, limit)
        self._unpacker: Any = None
        self._fed = 0
        self._whole = 0  # of what was fed, how much whole values took
        self._half: list[bytes | memoryview] = _NONE  # the rest

    def feed(self, data: bytes) -> list[T]:
        """What ``data`` completes. Raises ProtocolError; the reader is of no use after that."""
        if self._unpacker is None:
            if len(data) <= self._small:
                try:
                    value = _unpack(data)
                except Exception:  # noqa: S110  # it is no single value, or has an array as a key
                    pass
                else:
                    return [self._decode(value if type(value) is not ExtType else self._open(value))]
            self._begin(None)
        values: list[T] = []
        try:
            try:
                self._read(data, values)
            except TypeError:  # an array as a key, or what may be too many timestamps
                rest = b"".join([*self._half, data])[-(self._fed - self._whole) :]
                self._begin(_to_map)
                self._read(rest, values)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None
        return values

    def _begin(self, to_map: Callable[..., Any] | None) -> None:
        limit = self._limit
        # The buffer is not bounded here: it holds whole chunks, and only messages have a limit.
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=False,
            object_pairs_hook=to_map,
            max_buffer_size=0,
            read_size=min(4096, limit),
            max_str_len=limit,
            max_bin_len=limit,
            max_array_len=min(limit, _ITEM_LIMIT),
            max_map_len=limit,
            max_ext_len=limit,
        )
        self._fed = self._whole = 0
        self._long: float = 0 if to_map is None else -math.inf  # marks of such timestamps since then
        self._half = []

    def _read(self, data: bytes, values: list[T]) -> None:
        """Add what ``data`` completes. Raises what msgpack does, and ProtocolError."""
        unpacker, limit = self._unpacker, self._limit
        unpacker.feed(data)
        self._fed += len(data)
        self._long += data.count(_LONG)
        if self._long > COLLISIONS:
            raise TypeError("there may be timestamps as keys")
        for value in unpacker:
            values.append(self._decode(value if type(value) is not ExtType else self._open(value)))
            # Asked here and not after the loop, where tell() counts what it took of a half read one too.
            end = unpacker.tell()
            if end - self._whole > limit:
                raise ProtocolError(f"a message is over the limit of {limit} bytes")
            self._whole = end
        half = self._fed - self._whole
        if half > limit:
            raise ProtocolError(f"a message is over the limit of {limit} bytes")
        if not half:
            self._unpacker = None
            self._half = _NONE
        elif half <= len(data):
            self._half = [memoryview(data)[-half:]]
        else:
            self._half.append(data)

    def _open(self, whole: ExtType) -> Any:
        """The message in one that holds functions or itself; anything else as it is. Raises ProtocolError."""
        if self._functions is None:
            return whole
        try:
            if whole.code == REFERRING:
                return _unpack(whole.data, ext_hook=self._function, object_pairs_hook=_to_map)
            if whole.code == CYCLIC:
                table = _unpack(whole.data, ext_hook=self._part_of_table, object_pairs_hook=_to_map)
                return from_table(table)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None
        return whole

    def _function(self, kind: int, data: bytes) -> Any:
        if self._functions is None or kind not in (SENDERS, RECEIVERS):
            raise ProtocolError(f"an extension of type {kind} where none may be")
        return self._functions.resolve(kind, _number(data))

    def _part_of_table(self, kind: int, data: bytes) -> Any:
        return Container(_number(data)) if kind == CONTAINER else self._function(kind, data)


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
