from __future__ import annotations

import math
from typing import Any

import pytest

from stractory.errors import ActorLost, CallTimeout, Interruption, ProtocolError, RemoteError
from stractory.wire.codec import pack, unpack
from stractory.wire.facts import BUSIEST, ActorFacts, Busy, Load
from stractory.wire.failures import LINE_LIMIT, in_a_line

LOAD = Load(9.5, 5, 1, 2, 3, 0.25, 4096, 0.0, 70, [Busy("room", 7, 4), Busy("café", 8, 1)])
FACTS = ActorFacts(2, 30, 1, "ValueError: no", 1.5)


@pytest.mark.parametrize("told", [LOAD, FACTS], ids=["load", "facts"])
def test_they_travel(told: Any) -> None:
    arrived = type(told).from_wire(unpack(pack(told)))
    assert arrived == told and repr(arrived) == repr(told)


def malformed(told: Any, **changes: Any) -> list[Any]:
    return list(told._replace(**changes))


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        list(LOAD)[:-1],
        *(malformed(LOAD, calls=value) for value in (-1, 2**63, 1.0, True, "1", None)),
        *(malformed(LOAD, cpu=value) for value in (-0.5, math.inf, math.nan, 1, 2.0**63)),
        *(malformed(LOAD, at=value) for value in (-0.5, math.inf, math.nan, 1, None)),
        malformed(LOAD, busiest={}),
        malformed(LOAD, busiest=[["room", 7]]),
        malformed(LOAD, busiest=[["", 7, 1]]),
        malformed(LOAD, busiest=[["a" * 513, 7, 1]]),
        malformed(LOAD, busiest=[["room", 2**62, 1]]),
        malformed(LOAD, busiest=[["room", 7, -1]]),
        malformed(LOAD, busiest=[["room", 7, 1]] * (BUSIEST + 1)),
    ],
)
def test_a_malformed_load(fields: Any) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        Load.from_wire(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        list(FACTS)[:-1],
        malformed(FACTS, clients=-1),
        malformed(FACTS, errors="none"),
        malformed(FACTS, last_error=b"no"),
        malformed(FACTS, last_error="x" * (LINE_LIMIT + 1)),
        malformed(FACTS, last_error_at=math.nan),
        malformed(FACTS, last_error_at=1e18),
    ],
)
def test_malformed_facts(fields: Any) -> None:
    with pytest.raises(ProtocolError, match="malformed facts"):
        ActorFacts.from_wire(fields)


class Mute(Exception):
    """Its argument is what its text raises."""

    def __str__(self) -> str:
        raise self.args[0]


class Odd(str):
    """No plain text."""

    __slots__ = ()

    def encode(self, *codec: str) -> bytes:
        raise RuntimeError("no bytes")


class Oddly(Exception):
    def __str__(self) -> str:
        return Odd("odd")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no\n\tway "), "ValueError: no way"),
        (ValueError(), "ValueError"),
        (KeyError("a:"), "KeyError: 'a:'"),
        (Mute(RuntimeError()), "Mute: (Mute without a text)"),
        (Mute(SystemExit(1)), "Mute: (Mute without a text)"),
        (Mute(Interruption()), "Mute: (Mute without a text)"),
        (Oddly(), "Oddly: odd"),
        (ActorLost(2**64, worker="w"), f"ActorLost: {2**64}"),
        (ValueError("\ud800"), r"ValueError: \ud800"),
        (ActorLost("gone", worker="w"), "ActorLost: gone"),
        (CallTimeout(), "CallTimeout"),
        (RemoteError("no", "KeyError", "Traceback ..."), "KeyError: no"),
    ],
)
def test_an_error_in_a_line(error: Exception, line: str) -> None:
    assert in_a_line(error) == line


def test_a_long_error_is_cut() -> None:
    line = in_a_line(ValueError("x" * 10**6))
    assert len(line) == LINE_LIMIT and line.startswith("ValueError: xxx")
