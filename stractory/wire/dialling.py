"""The two headers with which a stream begins.

The side that opens says what it wants; the other accepts or refuses. Each header is a big-endian 16-bit
length and so many bytes of msgpack::

    dial     [service: str, name: str, epoch: uint,     service is "actor", "registry" or "worker"; the
              ticket: bin]                              rest is empty or 0 but for actors
    answer   []                                         accepted
             [limit: uint]                              accepted; no message may have more bytes
             [code: str, message: str, details: map]    refused, as in stractory.wire.failures

Bytes for the service may follow the dial in the same frame: opening costs no extra round trip.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Generic, NamedTuple, TypeVar

from stractory.errors import ProtocolError, StractoryError
from stractory.wire.codec import MESSAGE_LIMIT, pack, unpack
from stractory.wire.failures import from_wire, to_wire

HEADER_LENGTH = Struct(">H")
T = TypeVar("T")


class Dial(NamedTuple):
    """What a new stream is for."""

    service: str
    name: str = ""
    epoch: int = 0
    ticket: bytes = b""


def _frame(packed: bytes) -> bytes:
    return HEADER_LENGTH.pack(len(packed)) + packed


def encode_dial(dial: Dial) -> bytes:
    """The header that opens a stream."""
    return _frame(pack(dial))


def decode_dial(packed: bytes) -> Dial:
    """Raises ProtocolError."""
    match unpack(packed):
        case [str() as service, str() as name, int() as epoch, bytes() as ticket]:
            return Dial(service, name, epoch, ticket)
    raise ProtocolError("malformed dial header")


ACCEPTED = _frame(pack([]))


def encode_acceptance(limit: int) -> bytes:
    """The answer that accepts a stream of messages of at most so many bytes."""
    return ACCEPTED if limit == MESSAGE_LIMIT else _frame(pack([limit]))


def encode_refusal(error: StractoryError) -> bytes:
    """The answer that refuses a stream; long texts are cut to fit."""
    code, message, _ = to_wire(error, "")
    return _frame(pack([code, message[:4096], {}]))


def decode_answer(packed: bytes) -> StractoryError | int:
    """The error where the stream was refused, else the most bytes of a message. Raises ProtocolError."""
    match unpack(packed):
        case []:
            return MESSAGE_LIMIT
        case [int() as limit] if limit > 0:
            return min(limit, MESSAGE_LIMIT)
        case [str() as code, str() as message, dict() as details]:
            return from_wire(code, message, details)
    raise ProtocolError("malformed answer to a dial header")


class HeaderReader(Generic[T]):
    """Collects one header from pieces of any size; ``decode`` is one of the functions above."""

    __slots__ = ("_buffer", "_decode")

    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self._decode = decode
        self._buffer = b""

    def feed(self, data: bytes) -> tuple[T, bytes] | None:
        """The header and the bytes after it, once it is whole; until then None. Raises ProtocolError."""
        self._buffer += data
        if len(self._buffer) < 2:
            return None
        (length,) = HEADER_LENGTH.unpack_from(self._buffer)
        if len(self._buffer) < 2 + length:
            return None
        return self._decode(self._buffer[2 : 2 + length]), self._buffer[2 + length :]
