"""Yamux frames: the twelve-byte header, and a reader that cuts a byte stream into frames.

The format is HashiCorp's (https://github.com/hashicorp/yamux/blob/master/spec.md), all fields big-endian::

    offset  size  field
    0       1     version, always 0
    1       1     type: 0 data, 1 window update, 2 ping, 3 go away
    2       2     flags: 1 SYN, 2 ACK, 4 FIN, 8 RST
    4       4     stream id: odd from the side that dialled, even from the other, 0 for the session itself
    8       4     length: bytes that follow (data), credit (window update), value (ping), code (go away)

Only data frames have bytes after the header.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from stractory.errors import ProtocolError, VersionMismatch

VERSION = 0
HEADER = Struct(">BBHII")

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
ALL_FLAGS = SYN | ACK | FIN | RST

new: Any = tuple.__new__
"""``new(Frame, fields)`` makes a NamedTuple in half the time of ``Frame(*fields)``, a function in Python."""

_unpack = HEADER.unpack_from


class Frame(NamedTuple):
    """One frame. ``length`` is what the header said; ``payload`` is empty but for data frames."""

    type: int
    flags: int
    stream_id: int
    length: int
    payload: bytes = b""


def header(type: int, flags: int, stream_id: int, length: int) -> bytes:
    """The twelve bytes before a frame's payload."""
    return HEADER.pack(VERSION, type, flags, stream_id, length)


class FrameReader:
    """Cuts bytes, in pieces of any size, into frames.

    A data frame over ``limit`` bytes is refused by its header, before any of it is kept.
    """

    __slots__ = ("_limit", "_missing", "_pieces")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # of a frame that is not whole yet
        self._missing = 0  # bytes without which no frame can become whole

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes. Exhaust it before feeding more.

        Raises ProtocolError or VersionMismatch; the reader is of no use after that.
        """
        position, end = 0, len(data)
        while self._pieces:  # only what completes the frame is joined, and once, however small the pieces
            piece = data[position : position + self._missing]
            self._pieces.append(piece)
            self._missing -= len(piece)
            position += len(piece)
            if self._missing:
                return
            whole = b"".join(self._pieces)
            version, type, flags, stream_id, length = _unpack(whole)
            self._check(version, type, flags, length)
            self._missing = HEADER.size + length - len(whole) if type == DATA else 0
            if self._missing:  # it was only the header that is whole now
                self._pieces = [whole]
            else:
                self._pieces = []
                yield Frame(type, flags, stream_id, length, whole[HEADER.size :])
        missing = HEADER.size
        while end - position >= HEADER.size:
            version, type, flags, stream_id, length = _unpack(data, position)
            if version or type or flags > ALL_FLAGS or length > self._limit:  # not as most are
                self._check(version, type, flags, length)
                if type != DATA:
                    position += HEADER.size
                    yield Frame(type, flags, stream_id, length)
                    continue
            after = position + HEADER.size + length
            if after > end:
                missing = HEADER.size + length
                break
            yield new(Frame, (DATA, flags, stream_id, length, data[position + HEADER.size : after]))
            position = after
        if position < end:
            self._pieces = [data[position:]]
            self._missing = missing - (end - position)

    def _check(self, version: int, type: int, flags: int, length: int) -> None:
        if version != VERSION:
            raise VersionMismatch(f"yamux version {version} instead of {VERSION}")
        if type > GO_AWAY or flags > ALL_FLAGS:
            raise ProtocolError(f"yamux frame with type {type} and flags {flags:#x}")
        if type == DATA and length > self._limit:
            raise ProtocolError(f"yamux frame of {length} bytes; the limit is {self._limit}")
