"""Events of eventemitter actors on the wire: an array of the event's name and its data.

Over a link each is one msgpack array; on an actor's own port one line of JSON, so that any program can join.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from itertools import chain
from typing import Any, NoReturn, Protocol

from stractory.errors import ProtocolError
from stractory.wire.codec import ValueReader, encode_value, pack

LINE_LIMIT = 1024 * 1024
"""Most bytes of one line of JSON."""

DEPTH_LIMIT = 100
"""Most arrays and objects within each other in a line of JSON. Programs that read it may use recursion."""

NAME_LIMIT = 512
"""Most characters of an event's name."""

LOCAL = frozenset({"close", "disconnect", "error", "reconnect"})
"""Events that each side tells itself; they never travel."""

WILDCARDS = frozenset({"*", "**"})
"""Words that stand for others in patterns."""


def check_name(event: Any) -> str:
    """Raises ValueError unless ``event`` may be emitted: a str without wildcards that is not one of LOCAL."""
    if not isinstance(event, str) or not 0 < len(event) <= NAME_LIMIT:
        raise ValueError(f"an event's name is a str of at most {NAME_LIMIT} characters, not {event!r:.80}")
    if event in LOCAL:
        raise ValueError(f"the event {event!r} is told by each side to itself; emit another")
    if "*" in event and not WILDCARDS.isdisjoint(event.split(".")):
        raise ValueError(f"{event!r} is a pattern to listen by; emit an event")
    return event


class Unfit(ValueError):
    """This format cannot carry the event; another could."""


class Format(Protocol):
    """How events are written and read; one for each connection, as it keeps what is half read."""

    @staticmethod
    def encode(event: list[Any]) -> bytes:
        """The bytes of one, on any connection.

        Raises Unfit, and TypeError, ValueError or OverflowError if no format can carry it.
        """

    def feed(self, data: bytes) -> list[list[Any]]:
        """The events that ``data`` completes. Raises ProtocolError."""


def _decode(value: Any) -> list[Any]:
    if type(value) is list and value:
        try:
            check_name(value[0])
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        return value
    raise ProtocolError("malformed event")


class Msgpack:
    """Over a link."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = ValueReader(_decode)

    @staticmethod
    def encode(event: list[Any]) -> bytes:
        return encode_value(event, "event")

    def feed(self, data: bytes) -> list[list[Any]]:
        return self._reader.feed(data)


def _to_json(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    raise TypeError(f"there is no {type(value).__name__} in it")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_to_json, check_circular=False
)


def _to_finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_FINITE_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_to_finite)  # slower
_INFINITE = bytes.fromhex("f0 000000000000")  # the last bytes of an infinite float in msgpack


def _is_deep(value: Any) -> bool:
    """Whether a value without cycles is nested over DEPTH_LIMIT."""
    level = [value]
    for _ in range(DEPTH_LIMIT):
        parts = chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level)
        level = [part for part in parts if isinstance(part, (list, tuple, dict))]
        if not level:
            return False
    return True


def _may_be_deep(line: bytes) -> bool:
    """Whether it is worth while to ask _is_deep()."""
    return line.count(b"[") + line.count(b"{") > DEPTH_LIMIT


class JsonLines:
    """On an actor's own port. Bytes travel as base64."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    @staticmethod
    def encode(event: list[Any]) -> bytes:
        try:
            line = _ENCODER.encode(event).encode() + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            encode_value(event, "event")  # raises for what no format has
            raise Unfit(f"JSON cannot carry it: {error}") from None
        if len(line) > LINE_LIMIT:
            raise Unfit(f"it has {len(line)} bytes as JSON; at most {LINE_LIMIT} go into a line")
        if _may_be_deep(line) and _is_deep(event):
            raise Unfit(f"it is nested over {DEPTH_LIMIT} deep")
        return line

    def feed(self, data: bytes) -> list[list[Any]]:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._pieces, lines[0]])
            self._pieces, self._size = [], 0
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
        if self._size > LINE_LIMIT or any(len(line) > LINE_LIMIT for line in lines):
            raise ProtocolError(f"a line of over {LINE_LIMIT} bytes")
        return [self._parse(line) for line in lines if line.strip()]

    def _parse(self, line: bytes) -> list[Any]:
        try:
            text = line.decode()
            value = _DECODER.decode(text)
            if _INFINITE in pack(value):  # what could not be sent on, as a number of 70 bits, is not taken
                _FINITE_DECODER.decode(text)
        except (ValueError, OverflowError, RecursionError):
            raise ProtocolError("a line that is not JSON that can travel on") from None
        if _may_be_deep(line) and _is_deep(value):
            raise ProtocolError(f"an event nested over {DEPTH_LIMIT} deep")
        return _decode(value)
