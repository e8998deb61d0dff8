from __future__ import annotations

from typing import Any

import msgpack
import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import MESSAGE_LIMIT, MessageReader, encode, pack, unpack
from stractory.wire.messages import Call, Failure, Message, Result, from_value
from tests.wire.cuts import Cut, every_cut

MESSAGES: list[Message] = [
    Call(1, "join", ["Alex"], {}, None),
    Call(2, "join", [], {"name": "Alex", "age": 7}, 2.5),
    Call(3, "join", [[1, [2, {"three": 3}]]], {}, 30),
    Call(None, "tell", [b"\x00\xff" * 200, None, True, -1, 1.5], {}, None),
    Call(2**63, "", [], {}, 0),
    Result(1, None),
    Result(2, {"a": [1, 2, 3], b"b": {1: 2}}),
    Result(0xFFFFFFFF, "x" * 70_000),
    Failure(3, "RemoteError", "no", {"type": "ValueError", "remote_traceback": "Traceback ..."}),
    Failure(4, "CallTimeout", "", {}),
]


def read(reader: MessageReader, pieces: object) -> list[Message]:
    return [message for piece in pieces for message in reader.feed(piece)]


def test_bytes_on_the_wire() -> None:
    assert encode(Call(1, "hi", [2], {"k": None}, None)) == b"\x96\x00\x01\xa2hi\x91\x02\x81\xa1k\xc0\xc0"
    assert encode(Call(None, "hi", [], {}, 1.5)) == b"\x96\x00\xc0\xa2hi\x90\x80\xcb" + bytes.fromhex(
        "3ff8" + 12 * "0"
    )
    assert encode(Result(1, b"b")) == b"\x93\x01\x01\xc4\x01b"
    assert encode(Failure(1, "E", "m", {})) == b"\x95\x02\x01\xa1E\xa1m\x80"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: repr(message)[:40])
@every_cut
def test_each_message_alone(message: Message, cut: Cut) -> None:
    reader = MessageReader()
    assert read(reader, cut(encode(message))) == [message]
    assert reader._unpacker is None  # at rest it holds nothing


@every_cut
def test_all_messages_in_a_row(cut: Cut) -> None:
    assert read(MessageReader(), cut(b"".join(map(encode, MESSAGES)))) == MESSAGES


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: repr(message)[:40])
def test_a_message_with_part_of_the_next_behind_it(message: Message) -> None:
    following = Call(9, "next", [1, {"two": [3]}], {"k": "v"}, 1.0)
    data = encode(following)
    for cut in range(1, len(data)):
        reader = MessageReader()
        assert reader.feed(encode(message) + data[:cut]) == [message]
        assert reader.feed(data[cut:]) == [following]
        assert reader._unpacker is None


def test_a_reader_serves_one_message_after_another() -> None:
    reader = MessageReader()
    for _ in range(3):
        assert read(reader, (b"", *[encode(message) for message in MESSAGES], b"")) == MESSAGES


def test_tuples_arrive_as_lists() -> None:
    assert from_value(unpack(encode(Result(1, (1, (2,)))))) == Result(1, [1, [2]])


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "CALL",
        {},
        [],
        [0],
        [3, 1, None],
        [-1, 1, None],
        ["0", 1, None],
        [0, 1, "m", [], {}],
        [0, 1, "m", [], {}, None, None],
        [0, "1", "m", [], {}, None],
        [0, 1.0, "m", [], {}, None],
        [0, 1, b"m", [], {}, None],
        [0, 1, None, [], {}, None],
        [0, 1, "m", {}, {}, None],
        [0, 1, "m", None, {}, None],
        [0, 1, "m", [], [], None],
        [0, 1, "m", [], {1: 2}, None],
        [0, 1, "m", [], {b"k": 2}, None],
        [0, 1, "m", [], {}, "1"],
        [1, 1],
        [1, None, 1],
        [1, 1, 1, 1],
        [2, None, "code", "text", {}],
        [2, 1, b"code", "text", {}],
        [2, 1, "code", 5, {}],
        [2, 1, "code", "text", None],
        [2, 1, "code", "text", {1: 2}],
        [2, 1, "code", "text"],
        [False, 1, "m", [], {}, None],
        [1.0, 1, None],
        [0, True, "m", [], {}, None],
        [0, -1, "m", [], {}, None],
        [0, 1, "m", [], {}, -1],
        [0, 1, "m", [], {}, True],
        [0, 1, "m", [], {}, float("nan")],
        [1, True, None],
        [1, -1, None],
        [2, -1, "code", "text", {}],
    ],
    ids=repr,
)
@every_cut
def test_malformed_messages(value: Any, cut: Cut) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        from_value(value)
    with pytest.raises(ProtocolError, match="malformed"):
        read(MessageReader(), cut(pack(value)))


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",  # never used in msgpack
        b"\x93\x01\x01\xa2\xff\xff",  # text that is not UTF-8
        b"\x93\x01\x01\x81\x90\x00",  # a map with an array for a key
        b"\x91" * 2000,  # nested too deeply
    ],
    ids=["unused", "utf-8", "unhashable", "deep"],
)
@every_cut
def test_malformed_msgpack(data: bytes, cut: Cut) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        read(MessageReader(), cut(data))


@pytest.mark.parametrize("data", [b"", b"\x92\x01", b"\x01\x01", b"\xc1", b"\xa1\xff", b"\x91" * 2000])
def test_unpack_wants_exactly_one_value(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="malformed msgpack"):
        unpack(data)


# ---- the limit ----------------------------------------------------------------------------------------


def sized(size: int) -> bytes:
    """A message of exactly ``size`` bytes (from 37 to 260)."""
    data = encode(Result(1, bytes(size - 5)))
    assert len(data) == size
    return data


@every_cut
def test_a_message_of_just_the_limit(cut: Cut) -> None:
    assert len(read(MessageReader(limit=200), cut(sized(200) * 3))) == 3
    with pytest.raises(ProtocolError, match="over the limit of 200"):
        read(MessageReader(limit=200), cut(sized(201)))


def test_the_limit_is_a_messages_not_a_chunks() -> None:
    assert len(MessageReader(limit=100).feed(sized(100) * 1000)) == 1000
    with pytest.raises(ProtocolError, match="over the limit of 100"):
        MessageReader(limit=100).feed(sized(100) * 1000 + sized(101))


def test_the_limit_holds_for_what_the_unpacker_took_already() -> None:
    # Small values are taken out of the unpacker's buffer at once: its own limit never sees them pile up.
    reader = MessageReader(limit=1000)
    reader.feed(b"\x93\x01\x01\xdc\x03\xe8")  # an array of 1000
    with pytest.raises(ProtocolError, match="over the limit of 1000"):
        for _ in range(1000):
            reader.feed(b"\x01")


@pytest.mark.parametrize("head", [b"\xdd", b"\xdf"], ids=["array", "map"])
def test_a_size_that_nobody_may_send_is_refused_by_its_head(head: bytes) -> None:
    # Of these msgpack makes room for all items at once: 16 GiB here.
    with pytest.raises(ProtocolError, match="malformed msgpack"):
        MessageReader(limit=1000).feed(b"\x93\x01\x01" + head + b"\x7f\xff\xff\xff")


def test_the_largest_array() -> None:
    items = [None] * (MESSAGE_LIMIT // 8)
    assert MessageReader().feed(encode(Result(1, items))) == [Result(1, items)]
    with pytest.raises(ProtocolError, match="malformed msgpack"):
        MessageReader().feed(encode(Result(1, [*items, None])))


def test_the_default_limit() -> None:
    with pytest.raises(ValueError, match=f"at most {MESSAGE_LIMIT}"):
        encode(Result(1, bytes(MESSAGE_LIMIT)))
    data = pack([1, 1, bytes(MESSAGE_LIMIT)])
    reader = MessageReader()
    assert reader.feed(data[: MESSAGE_LIMIT // 2]) == []
    with pytest.raises(ProtocolError, match=f"over the limit of {MESSAGE_LIMIT}"):
        reader.feed(data[MESSAGE_LIMIT // 2 :])


# ---- sending ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error"),
    [(object(), TypeError), ({1, 2}, TypeError), (2**64, OverflowError), ("\ud800", ValueError)],
    ids=["object", "set", "65 bits", "surrogate"],
)
def test_values_msgpack_cannot_carry(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(Result(1, ["before", value]))
    # The packer is one for all: what failed must leave nothing behind in it.
    assert encode(Result(1, None)) == b"\x93\x01\x01\xc0"


def test_values_too_deep() -> None:
    value: Any = []
    for _ in range(2000):
        value = [value]
    with pytest.raises(ValueError):
        encode(Result(1, value))


@pytest.mark.parametrize(
    "data",
    [
        msgpack.ExtType(1, b"\x01"),  # functions, where none may be
        msgpack.ExtType(2, b"\x01"),
        msgpack.ExtType(3, b"\x90"),  # a table without a row
        msgpack.ExtType(3, b"\x92\x01\x02"),  # rows that are no containers
        msgpack.ExtType(3, b"\x91\x91\xd4\x04\x01"),  # a reference beyond the last row
        msgpack.ExtType(3, b"\x91\x91\xd4\x04\xc0"),
        msgpack.ExtType(4, b"\x00"),  # a reference outside of a table
        msgpack.ExtType(5, b"what"),
    ],
    ids=repr,
)
def test_extensions_that_may_not_be(data: Any) -> None:
    with pytest.raises(ProtocolError):
        MessageReader().feed(msgpack.packb([1, 1, data]))
