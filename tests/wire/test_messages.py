from __future__ import annotations

from typing import Any

import msgpack
import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import MESSAGE_LIMIT, SENDERS, MessageReader, encode, pack, unpack
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
    Result(3, [{(1, (2, "b")): {(): 3}}, {4: 5}]),
    Result(
        4, {"time": msgpack.Timestamp(1, 2), "own": [msgpack.ExtType(code, b"\x01") for code in range(7)]}
    ),
    Result(5, {(0, 0): "x" * 5000}),
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
    assert from_value(unpack(encode(Result(1, {(1, (2,)): (3,)})))) == Result(
        1, {(1, (2,)): [3]}
    )  # but as keys


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
        b"\x93\x01\x01\x81\x80\x00",  # a map with a map for a key
        b"\x93\x01\x01\x81" + b"\x91" * 1000 + b"\x01\x02",  # with a key that is nested too deeply
        b"\x93\x01\x01\xd4\xfe\x00",  # an extension type that msgpack keeps for itself
        b"\x91" * 2000,  # nested too deeply
    ],
    ids=["unused", "utf-8", "map as key", "deep key", "extension", "deep"],
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
        MessageReader().feed(pack([1, 1, [*items, None]]))


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
    with pytest.raises(error, match=r"value\[1\] cannot travel"):
        encode(Result(1, ["before", value]))
    # The packer is one for all: what failed must leave nothing behind in it.
    assert encode(Result(1, None)) == b"\x93\x01\x01\xc0"


def test_a_value_that_waits_while_it_is_packed() -> None:
    class Slow(dict[str, int]):
        def items(self) -> Any:
            pack("something else")  # as another thread may meanwhile
            return super().items()

    assert unpack(encode(Result(1, ["before", Slow(a=1), "after"]))) == [1, 1, ["before", {"a": 1}, "after"]]


def test_values_too_deep() -> None:
    value: Any = []
    for _ in range(2000):
        value = [value]
    with pytest.raises(ValueError):
        encode(Result(1, value))


def test_an_array_of_more_items_than_the_other_side_takes() -> None:
    with pytest.raises(
        ValueError, match=r"value\['many'\]\[1\] cannot travel: an array of more than 8388608"
    ):
        encode(
            Result(1, {"few": [bytes(MESSAGE_LIMIT // 8)], "many": [0, [None] * (MESSAGE_LIMIT // 8 + 1)]})
        )


def test_a_value_nested_too_deeply_is_named() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ValueError, match=r"args\[1\] cannot travel: it is nested too deeply"):
        encode(Call(1, "m", [7, deep], {}, None))


# ---- functions, and what contains itself --------------------------------------------------------------


class Numbers:
    """Stands for References."""

    def refer(self, function: Any) -> tuple[int, int]:
        return SENDERS, 7

    def withdraw(self, kind: int, number: int) -> None:
        pass

    def resolve(self, kind: int, number: int) -> Any:
        return function_of_number(number)


def function_of_number(number: int) -> Any:
    return {7: print}[number]


def extension(kind: int, value: Any) -> msgpack.ExtType:
    return msgpack.ExtType(kind, pack(value))


def test_functions_on_the_wire() -> None:
    data = encode(Call(2, "on", [print], {}, None), Numbers())
    assert data == bytes.fromhex("c7 0c 05 96 00 02 a2 6f6e 91 d4 01 07 80 c0")


@every_cut
def test_functions_and_keys_that_are_tuples(cut: Cut) -> None:
    message = Result(1, {(1, 2): print})
    assert read(MessageReader(Numbers()), cut(encode(message, Numbers()) * 2)) == [message, message]


def test_an_extension_of_the_users_beside_functions() -> None:
    # It would be taken for one of ours.
    with pytest.raises(TypeError, match=r"args\[1\]\['x'\] cannot travel: an ExtType"):
        encode(Call(1, "m", [print, {"x": msgpack.ExtType(1, b"\x09")}], {}, None), Numbers())
    cyclic: list[Any] = []
    cyclic += [[cyclic], msgpack.ExtType(9, b"")]
    with pytest.raises(TypeError, match=r"value\[1\] cannot travel: an ExtType"):
        encode(Result(1, cyclic), Numbers())
    looks_like_one = 0xC7D4  # the heads of extensions
    assert encode(Result(1, [print, looks_like_one]), Numbers())


@pytest.mark.parametrize(
    "whole",
    [
        extension(5, [1, 1, msgpack.ExtType(5, b"what")]),
        extension(5, [1, 1, extension(4, 0)]),  # a row outside of a table
        extension(5, [1, 1, extension(3, [[1, 1]])]),  # a table inside
        extension(5, [1, 1, extension(1, -7)]),
        extension(5, {"no": "message"}),
        extension(3, []),  # a table without a row
        extension(3, [1, 2]),  # rows that are no containers
        extension(3, [[1, 1, extension(4, 1)]]),  # a reference beyond the last row
        extension(3, [[1, 1, extension(4, None)]]),
        extension(3, [[1, 1, extension(3, [[1]])]]),  # a table inside of one
        extension(3, [[1, 1, extension(5, [1])]]),
        extension(1, 7),  # no message
        extension(6, [1, 1, 1]),
    ],
    ids=repr,
)
@every_cut
def test_extensions_that_may_not_be(whole: Any, cut: Cut) -> None:
    with pytest.raises(ProtocolError):
        read(MessageReader(Numbers()), cut(msgpack.packb(whole)))


def test_none_are_read_where_no_functions_may_be() -> None:
    for whole in (encode(Result(1, print), Numbers()), pack(extension(3, [[1, 1, 1]]))):
        with pytest.raises(ProtocolError):
            MessageReader().feed(whole)


def test_tables_nested_in_each_other() -> None:
    whole = pack([[1]])
    for _ in range(1000):  # each would be read within the one around it
        whole = pack([[msgpack.ExtType(3, whole)]])
    for reader in (MessageReader(Numbers()), MessageReader()):
        with pytest.raises(ProtocolError):
            reader.feed(pack(msgpack.ExtType(3, whole)))
    assert MessageReader().feed(
        pack([1, 1, msgpack.ExtType(3, whole)])
    )  # the user's own: nobody looks inside
