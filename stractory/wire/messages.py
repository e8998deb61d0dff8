"""Rpc messages and the msgpack codec.

Every message is one msgpack array that begins with its type::

    CALL    [0, id: uint or nil, method: str, args: array, kwargs: map, timeout: float or nil]
    RESULT  [1, id: uint, value]
    FAILURE [2, id: uint, code: str, message: str, details: map]

A CALL whose id is nil is one-way: it has no answer. Ids are the caller's, one count a stream and direction;
an answer carries the id of its CALL. ``timeout`` is how many seconds the caller will wait. Types 3 and up,
and msgpack's extension types, are kept for callbacks.

Values are what msgpack has: nil, bool, int (64 bit), float, str, bytes, array, map. Tuples arrive as lists.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack

from stractory.errors import ProtocolError

CALL, RESULT, FAILURE = 0, 1, 2

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Most bytes one message may have, unless a reader is given another limit."""

_ITEM_LIMIT = MESSAGE_LIMIT // 8  # msgpack makes room for an array's items by its header, 8 bytes each


class Call(NamedTuple):
    """Run ``method``; ``id`` is None where no answer is wanted."""

    id: int | None
    method: str
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


Message = Call | Result | Failure

pack = msgpack.Packer(use_bin_type=True).pack


def unpack(data: bytes) -> Any:
    """The one msgpack value in ``data``. Raises ProtocolError when it is not exactly one."""
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except Exception as error:  # msgpack has no common root: ValueError, UnpackException, StackError ...
        raise ProtocolError(f"malformed msgpack: {type(error).__name__}") from None


def encode(message: Message) -> bytes:
    """The bytes of one message.

    Raises TypeError, ValueError or OverflowError for what msgpack cannot carry or is over MESSAGE_LIMIT.
    """
    data: bytes
    match message:
        case Call(id, method, args, kwargs, timeout):
            data = pack([CALL, id, method, args, kwargs, timeout])
        case Result(id, value):
            data = pack([RESULT, id, value])
        case Failure(id, code, text, details):
            data = pack([FAILURE, id, code, text, details])
    if len(data) > MESSAGE_LIMIT:
        raise ValueError(f"a message of {len(data)} bytes; at most {MESSAGE_LIMIT} can be sent")
    return data


def decode(value: Any) -> Message:
    """The message an unpacked array stands for. Raises ProtocolError."""
    match value:
        case [kind, *_] if type(kind) is not int:
            pass
        case [0, None | int() as id, str() as method, list() as args, dict() as kwargs, timeout] if (
            (id is None or _is_id(id)) and _is_named(kwargs) and _is_timeout(timeout)
        ):
            return Call(id, method, args, kwargs, timeout)
        case [1, int() as id, result] if _is_id(id):
            return Result(id, result)
        case [2, int() as id, str() as code, str() as text, dict() as details] if _is_id(id) and _is_named(
            details
        ):
            return Failure(id, code, text, details)
    raise ProtocolError("malformed rpc message")


def _is_id(value: int) -> bool:
    return value is not True and value is not False and value >= 0


def _is_named(mapping: dict[Any, Any]) -> bool:
    return all(type(key) is str for key in mapping)


def _is_timeout(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and value >= 0)  # NaN is not


class MessageReader:
    """Turns the bytes of one stream, in pieces of any size, into messages.

    At rest it holds nothing: a msgpack Unpacker (tens of KiB) exists only while a message is half read.
    """

    __slots__ = ("_fed", "_limit", "_unpacker", "_whole")

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        self._unpacker: Any = None
        self._fed = 0
        self._whole = 0  # of what was fed, how much whole messages took

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Raises ProtocolError; the reader is of no use after that."""
        limit = self._limit
        if self._unpacker is None:
            # The buffer is not bounded here: it holds whole chunks, and only messages have a limit.
            self._unpacker = msgpack.Unpacker(
                raw=False,
                strict_map_key=False,
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
        messages: list[Message] = []
        try:
            unpacker.feed(data)
            self._fed += len(data)
            for value in unpacker:
                messages.append(decode(value))
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
