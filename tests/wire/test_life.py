from __future__ import annotations

import math
from typing import Any

import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import pack, unpack
from stractory.wire.life import CREATOR_LIMIT, PLAIN, Life, Terms, creator


@pytest.mark.parametrize(
    "terms",
    [
        Terms(),
        Terms(True, "always"),
        Terms(False, "on-failure", "each call"),
        Terms(False, "always", 0.5),
        Terms(False, "always", 5),
    ],
)
def test_terms_travel(terms: Terms) -> None:
    assert Terms.from_wire(unpack(pack(terms))) == terms


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [1, "never", "none"],
        [False, "sometimes", "none"],
        [False, "always", "often"],
        [False, "always", 0.0],
        [False, "always", math.nan],
        [False, "always", math.inf],
        [False, "always", True],
        [False, "always", ["each call"]],
        [False, "never", "each call"],
        [False, "never", 1.0],
    ],
)
def test_malformed_terms(fields: Any) -> None:
    for isolate in ([], [False], [1]):
        with pytest.raises(ProtocolError, match="malformed terms"):
            Terms.from_wire([*fields, *isolate])


@pytest.mark.parametrize("epoch", [-1, 2**62, 2**64 - 1, "7", 7.0])
def test_epochs_that_leave_no_room_for_others(epoch: Any) -> None:
    fields = ["room", "rpc", 7, 1.0, b"", False, list(PLAIN), ""]
    assert Life.from_wire(fields).epoch == 7
    fields[2] = epoch
    with pytest.raises(ProtocolError):
        Life.from_wire(fields)


def life(who: Any) -> list[Any]:
    return ["room", "rpc", 7, 1.0, b"", False, list(PLAIN), who]


def test_who_made_many_is_kept_once() -> None:
    told = creator("cluster", "127.0.0.1")
    assert told == "cluster at 127.0.0.1"
    assert creator("cluster", "127.0.0.1") is told
    first, second = (Life.from_wire(unpack(pack(life(told)))) for _ in range(2))
    assert first.creator == told and first.creator is second.creator


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\ud800", "x" * 2000, ""])
def test_a_creator_can_always_be_told(name: str) -> None:
    told = creator(name, "fe80::1%eth0")
    assert told.endswith(" at fe80::1%eth0")
    assert Life.from_wire(unpack(pack(life(told)))).creator == told


@pytest.mark.parametrize("who", [None, b"cluster", "a\nb", "\x1b", "x" * (CREATOR_LIMIT + 1)])
def test_a_malformed_creator(who: Any) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        Life.from_wire(life(who))
