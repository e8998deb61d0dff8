"""log-format = json: each line is an object, whatever others have a word in."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from stractory.commands import logs


def record(text: str, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "file", 1, "%s", (text,), None)
    made.created = 1772366400.1234
    made.__dict__.update(fields)
    return made


def logged(text: str, **fields: Any) -> dict[str, Any]:
    line = logs.Objects().format(record(text, **fields))
    assert line.isascii() and line.isprintable()
    read: dict[str, Any] = json.loads(line)
    return read


def test_what_it_has() -> None:
    assert logged("hello", actor="Zoë", epoch=7, worker=None, other="x") == {
        "time": "2026-03-01T12:00:00.123+00:00",
        "level": "warning",
        "message": "hello",
        "actor": "Zoë",
        "epoch": 7,
    }


@pytest.mark.parametrize("text", ['x\n{"time":1}', "\x1b[2J\x7f\x9b\u2028\r\0", '"\\'])
def test_every_text_is_one_line(text: str) -> None:
    assert logged(text)["message"] == text


def test_half_a_pair_is_spelled_out() -> None:
    assert logged("a\ud800", peer="\udcff") | {"time": ""} == {
        "time": "",
        "level": "warning",
        "message": "a\\ud800",
        "peer": "\\udcff",
    }


def test_a_field_that_is_no_json() -> None:
    assert logged("x", peer={1, 2}.__class__)["peer"] == "<class 'set'>"


def test_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("wrong\nin two lines")
    except ValueError:
        told = logged("failed", exc_info=sys.exc_info())
    assert told["message"] == "failed"
    assert told["traceback"].startswith("Traceback") and told["traceback"].endswith("wrong\nin two lines")


def test_what_is_long_is_cut() -> None:
    told = logged("a" * 10_000_000 + "the end")
    assert len(told["message"]) < logs.RECORD_LIMIT + 100 and told["message"].endswith("the end")


def test_a_line_of_a_worker_has_its_slot() -> None:
    line = logs.Objects().format(record("hello", actor="room"))
    assert json.loads(logs.with_slot(line, 3)) == {**json.loads(line), "slot": 3}


@pytest.mark.parametrize(
    "line",
    [
        "Fatal Python error: \x1b",
        "",
        '{"time":',
        '{"time":NaN}',
        '{"time":1e999}',
        '{"time":' + "[" * 100_000,
        "[1]",
        "7",
    ],
)
def test_any_other_line_of_a_worker_becomes_one(line: str) -> None:
    told = json.loads(logs.with_slot(line, 3))
    assert told.pop("time").endswith("+00:00")
    assert told == {"level": "warning", "message": logs.shortened(line), "slot": 3}
