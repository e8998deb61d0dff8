"""What is logged may hold what others have sent: names, errors, addresses."""

from __future__ import annotations

import logging

import pytest

from stractory.commands import logs


def logged(text: str) -> str:
    record = logging.LogRecord("name", logging.WARNING, "file", 1, "%s", (text,), None)
    return logs.Lines("%(levelname)s %(message)s").format(record)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("actor 'Zoë', ended", "WARNING actor 'Zoë', ended"),
        ("x\n2026-01-01 ERROR forged", "WARNING x\n    2026-01-01 ERROR forged"),
        ("x\r2026", "WARNING x\\r2026"),
        ("\x1b]0;title\x07\x1b[2J\x9b", "WARNING \\x1b]0;title\\x07\\x1b[2J\\x9b"),
        ("\u202ereversed\ud800", "WARNING \\u202ereversed\\ud800"),
    ],
)
def test_nothing_acts_on_a_terminal_or_passes_for_another_line(text: str, line: str) -> None:
    assert logged(text) == line


def test_what_is_long_is_cut() -> None:
    line = logged("a" * 10_000_000 + "the end")
    assert len(line) < logs.RECORD_LIMIT + 100
    assert line.startswith("WARNING aaa")
    assert line.endswith("the end")
