"""Values as text, and errors as statuses: pure."""

from __future__ import annotations

import json

import pytest

import stractory
from stractory.commands.ctl.exits import status_of
from stractory.commands.ctl.text import (
    Column,
    aligned,
    as_json,
    as_text,
    clock,
    event_text,
    explanation,
    milliseconds,
    moment,
    per_second,
    percent,
    printable,
    size,
    span,
)


def test_terminals_are_given_no_orders() -> None:
    assert printable("a\x1b[2J\nü\u202e\ud800") == r"a\x1b[2J\nü\u202e\ud800"
    assert as_text("\x1b") == r"\x1b"
    assert as_text(["ü\x9b"]) == r'["ü\x9b"]'
    assert event_text("draw\x07", [1, "ü\n"]) == r'draw\x07 1 "ü\n"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True]}, '{"a": [1, 2.5, null, true]}'),
        ("ü\x9b", r'"\u00fc\u009b"'),
        (b"\xff\x00", '"/wA="'),
        ((1, (2,)), "[1, [2]]"),
        ({(1, 2): 3}, '"{(1, 2): 3}"'),
        ({1: b"x"}, '{"1": "eA=="}'),
    ],
)
def test_json(value: object, text: str) -> None:
    assert as_json(value) == text


def test_json_of_what_contains_itself() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert json.loads(as_json(loop)) == "[[...]]"
    assert json.loads(as_json([float("nan")])) == "[nan]"


def test_a_table() -> None:
    columns = [Column("name"), Column("worker"), Column("since", lambda value: f"{value} s")]
    rows = [{"name": "a\n", "worker": "", "since": 1}, {"name": "longer", "worker": "w", "since": 20}]
    assert aligned(columns, rows) == [
        "NAME    WORKER  SINCE",
        r"a\n     -       1 s",
        "longer  w       20 s",
    ]
    assert aligned(columns, []) == ["NAME  WORKER  SINCE"]


def test_a_time_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(clock(1772366400.5).split()) == 1


def test_what_went_wrong() -> None:
    error = stractory.RemoteError("no\nway \x07", "ValueError", "Traceback\n  where")
    assert explanation(error, verbose=False) == r"ValueError: no way \x07 (--verbose shows where)"
    assert explanation(error, verbose=True) == "ValueError: no way \\x07\n\nTraceback\n  where"
    assert explanation(stractory.ActorNotFound("no actor"), verbose=True) == "no actor"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (stractory.StractoryError, 1),
        (stractory.RemoteError, 1),
        (stractory.ActorExists, 1),
        (stractory.ActorEnded, 1),
        (stractory.NoWorkers, 1),
        (stractory.ConfigError, 2),
        (stractory.InvalidName, 2),
        (stractory.ActorNotFound, 3),
        (stractory.WorkerNotFound, 3),
        (stractory.UnknownMethod, 3),
        (stractory.RegistryUnavailable, 4),
        (stractory.WorkerUnavailable, 4),
        (stractory.ActorLost, 4),
        (stractory.AuthError, 5),
        (stractory.ForbiddenRole, 5),
        (stractory.UntrustedWrapper, 5),
        (stractory.CallTimeout, 124),
        (stractory.Recovering, 124),
    ],
)
def test_statuses(error: type[stractory.StractoryError], status: int) -> None:
    assert status_of(error("it")) == status


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (7260, "2h 1m"),
        (86400 * 12 + 3600 * 5 + 9, "12d 5h"),
        (-3, "0s"),
        (None, "-"),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.0K"),
        (1_500_000, "1.4M"),
        (500_000_000, "477M"),
        (3 * 2**40, "3072.0G"),
    ],
)
def test_sizes(value: int, text: str) -> None:
    assert size(value) == text


def test_numbers_that_may_be_unknown() -> None:
    assert [show(None) for show in (percent, per_second, size, span, milliseconds, moment)] == ["-"] * 6
    assert (percent(12.34), per_second(99.94), per_second(1234.5)) == ("12.3%", "99.9", "1234")
    assert moment(0.0) == "-"
