from __future__ import annotations

from typing import Any

import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import pack
from stractory.wire.occasions import LINE_LIMIT, JsonLines, Msgpack, check_name
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


@pytest.mark.parametrize(
    "value", [[], ["close"], ["error", 1], [1], [""], ["*"], ["a.**"], {"a": 1}, None, "hi"]
)
def test_what_is_no_event(value: Any) -> None:
    with pytest.raises(ProtocolError):
        Msgpack().feed(pack(value))


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'["close"]', b"7", b"\xff", b"[" * 100_000, b'["a\x00"]', b"x" * (LINE_LIMIT + 1)]
)
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        JsonLines().feed(line + b"\n")


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
