from __future__ import annotations

import math
import re
from typing import Any

import pytest
from msgpack import Timestamp

from stractory.errors import ProtocolError
from stractory.wire.codec import pack
from stractory.wire.occasions import DEPTH_LIMIT, LINE_LIMIT, JsonLines, Msgpack, Unfit, check_name
from tests.wire.cuts import Cut, every_cut

EVENTS: list[list[Any]] = [["echo"], ["draw.line", 1, [2.5, None]], ["ü", {"x": "ÿ\n"}], ["long", "x" * 5000]]


@pytest.mark.parametrize("make", [Msgpack, JsonLines])
@every_cut
def test_round_trip(make: Any, cut: Cut) -> None:
    writer, reader = make(), make()
    data = b"".join(writer.encode(event) for event in EVENTS)
    assert [event for piece in cut(data) for event in reader.feed(piece)] == EVENTS


def test_bytes_on_the_wire() -> None:
    assert Msgpack().encode(["hi", 1]) == b"\x92\xa2hi\x01"
    assert JsonLines().encode(["hi", {"to": "ü"}]) == '["hi",{"to":"ü"}]\n'.encode()
    assert JsonLines().feed(b'\n  \r\n["hi", 1]\r\n') == [["hi", 1]]


LOOP: list[Any] = [1]
LOOP.append({"loop": LOOP})


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([[1, print]], "event[1][1]"),
        ([1, {"a": {2}}], "event[2]['a']"),
        ([1, LOOP], "event[2]"),
        ([{"x": "\ud800"}], "event[1]['x']"),
    ],
)
@pytest.mark.parametrize("make", [Msgpack, JsonLines])
def test_data_that_cannot_travel_is_named(make: Any, data: Any, place: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"{re.escape(place)} cannot travel"):
        make().encode(["y", *data])


@pytest.mark.parametrize(
    "value", [[], ["close"], ["error", 1], [1], [""], ["*"], ["a.**"], {"a": 1}, None, "hi"]
)
def test_what_is_no_event(value: Any) -> None:
    with pytest.raises(ProtocolError):
        Msgpack().feed(pack(value))


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'["close"]', b"7", b"\xff", b"[" * 100_000, b'["a\x00"]', b"x" * (LINE_LIMIT + 1)]
    + [
        b'["x",%s]' % number
        for number in (b"NaN", b"-Infinity", b"1e999", b"[-1e999]", b"1" + b"0" * 400 + b".0")
    ]
    + [b'["x",1180591620717411303424]', b'["x","\\ud800"]', '["ü"]'.encode("utf-16")],
    ids=lambda line: repr(line)[:30],
)
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        JsonLines().feed(line + b"\n")


@pytest.mark.parametrize("opening", [b"[", b'{"k":[1,'])
def test_how_deep_a_line_may_be(opening: bytes) -> None:
    def line(levels: int) -> bytes:
        closing = bytes(b"]}"[byte == ord("{")] for byte in reversed(opening) if byte in b"[{")
        times = levels // len(closing)
        return b'["x",' + opening * times + closing * times + b"]\n"

    opening = opening.replace(b"1,", b"")
    (event,) = JsonLines().feed(line(DEPTH_LIMIT - 2))
    assert JsonLines().feed(JsonLines().encode(event)) == [event]
    with pytest.raises(ProtocolError, match="deep"):
        JsonLines().feed(line(DEPTH_LIMIT))
    with pytest.raises(Unfit, match="deep"):
        JsonLines().encode(["x", [event] if len(opening) == 1 else [[event]]])


def test_what_only_looks_deep_or_infinite() -> None:
    for data in ("[{" * 1000, [[1]] * 1000, 0x40F0_0000_0000_0000, -(2**52)):
        (event,) = JsonLines().feed(JsonLines().encode(["x", data]))
        assert event == ["x", data]


@pytest.mark.parametrize(
    "data",
    [
        math.nan,
        [math.inf],
        {b"k": 1},
        [{1: {(2, 3): 4}}],
        Timestamp(1),
        "x" * LINE_LIMIT,
    ],
    ids=lambda data: repr(data)[:30],
)
def test_what_only_msgpack_has(data: Any) -> None:
    assert repr(Msgpack().feed(Msgpack().encode(["x", data]))) == repr([["x", data]])
    with pytest.raises(Unfit):
        JsonLines().encode(["x", data])


def test_a_line_without_an_end() -> None:
    reader = JsonLines()
    with pytest.raises(ProtocolError, match="a line of over"):
        for _ in range(LINE_LIMIT // 1000 + 1):
            reader.feed(b"x" * 1000)


@pytest.mark.parametrize("name", ["close", "error", "", "*", "room.*", "**.x", 7, None])
def test_names_that_cannot_be_emitted(name: Any) -> None:
    with pytest.raises(ValueError):
        check_name(name)


def test_names_that_can() -> None:
    for name in ("echo", "room.message", "closed", "a*b", "with space"):
        assert check_name(name) == name
