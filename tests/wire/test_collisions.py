"""Maps whose keys were chosen to have one hash: each takes as long to put in as all before it together."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count, islice

import msgpack
import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import COLLISIONS, SMALL, MessageReader, encode, unpack
from stractory.wire.messages import Result

MANY = 1000
WORD = 2**64
# The primes of xxHash: see tupleobject.c.
ONE, TWO, FIVE = 11400714785074694791, 14029467366897019727, 2870177450012600261


def turned(number: int, bits: int) -> int:
    return (number << bits | number >> 64 - bits) % WORD


def as_hash(number: int) -> int | None:
    """The int whose hash this is, if there is one."""
    signed = number - WORD if number >= WORD // 2 else number
    return signed if abs(signed) < 2**61 - 2 and signed != -1 else None


def pairs() -> Iterator[tuple[int, int]]:
    """Different ones with the same hash: for each number of nanoseconds, the seconds that give it."""
    for nanoseconds in count(1):
        inner = turned(-nanoseconds * TWO * pow(ONE, -1, WORD) % WORD, 33)
        if (seconds := as_hash((inner - FIVE) * pow(TWO, -1, WORD) % WORD)) is not None:
            yield seconds, nanoseconds


def a_map(keys: list[bytes]) -> bytes:
    return b"\xdf" + struct.pack(">I", len(keys)) + b"".join(key + b"\x00" for key in keys)


CHOSEN = list(islice(pairs(), MANY))
ARRAYS = a_map([msgpack.packb(pair) for pair in CHOSEN])
TIMESTAMPS = a_map([msgpack.packb(msgpack.Timestamp(*pair)) for pair in CHOSEN])


def test_they_have_one_hash() -> None:
    assert len(set(CHOSEN)) == MANY
    assert len({hash(pair) for pair in CHOSEN}) == 1
    assert len({hash(msgpack.Timestamp(*pair)) for pair in CHOSEN}) == 1


@pytest.mark.parametrize("map", [ARRAYS, TIMESTAMPS], ids=["arrays", "timestamps"])
def test_maps_of_such_keys_are_refused(map: bytes) -> None:
    whole = b"\x93\x01\x01" + map
    with pytest.raises(ProtocolError, match="malformed msgpack"):
        unpack(whole)
    for step in (1, 7, len(whole)):
        reader = MessageReader()
        with pytest.raises(ProtocolError, match="malformed msgpack"):
            for start in range(0, len(whole), step):
                reader.feed(whole[start : start + step])


def test_maps_with_other_keys_of_these_types_are_not() -> None:
    value = {msgpack.Timestamp(2**40 + number): number for number in range(MANY)}
    grid = {(row, column): 0 for row in range(100) for column in range(100)}
    for expected in (value, grid, [value, grid], dict.fromkeys(CHOSEN[:COLLISIONS])):
        packed = encode(Result(1, expected))
        assert len(packed) > SMALL or len(expected) == COLLISIONS
        assert MessageReader().feed(packed) == [Result(1, expected)]
        assert unpack(packed)[2] == expected
