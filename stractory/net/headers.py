"""Reading so many bytes, such as the header that a stream begins with, and not one of what follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from stractory.errors import ProtocolError, StractoryError
from stractory.wire.dialling import HEADER_LENGTH

T = TypeVar("T")


class LeftAtOnce(ProtocolError):
    """Whoever connected went without a word, as those do who only look whether somebody listens."""


class Readable(Protocol):
    """A stream or a socket."""

    def recv(self, size: int, /) -> bytes: ...


def receive_header(stream: Readable, decode: Callable[[bytes], T], ended: StractoryError) -> T:
    """The header, by one of the decoders of :mod:`stractory.wire.dialling`.

    Raises ``ended`` when the stream ends before it is whole, and ProtocolError when it is malformed.
    """
    (size,) = HEADER_LENGTH.unpack(receive_exactly(stream, HEADER_LENGTH.size, ended))
    return decode(receive_exactly(stream, size, ended))


def receive_exactly(stream: Readable, size: int, ended: StractoryError) -> bytes:
    """So many bytes. Raises ``ended`` when the stream ends before."""
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ended
        data += more
    return data
