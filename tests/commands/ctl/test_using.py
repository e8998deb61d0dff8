"""call, emit, tail."""

from __future__ import annotations

import json

import pytest

import stractory
from tests.commands.ctl.conftest import Ctl, running


@pytest.fixture(autouse=True)
def actors(strac: stractory.Client, ctl: Ctl) -> None:
    strac.create("room", stractory.rpc("play:Room"), options={"topic": "ü"})
    strac.create("board", stractory.eventemitter("play:board"))


@pytest.mark.parametrize(
    ("words", "text", "as_json"),
    [
        (["add", "0"], "0\n", "0\n"),
        (["options"], '{"topic": "ü"}\n', r'{"topic": "\u00fc"}' + "\n"),
        (["close"], "it is called close\n", '"it is called close"\n'),
        (["data"], '"/wA="\n', '"/wA="\n'),
        (["spell", '"ab"'], "a\nb\n", '"a"\n"b"\n'),
        (["control"], "\\x1b[31mred\n", '"\\u001b[31mred"\n'),
        (["nothing"], "", "null\n"),
    ],
)
def test_call(ctl: Ctl, words: list[str], text: str, as_json: str) -> None:
    assert ctl("call", "room", *words) == text
    assert ctl("call", "--json", "room", *words) == as_json


def test_calls_that_fail(ctl: Ctl) -> None:
    assert ctl.complaint(1, "call", "room", "fail") == "ValueError: no way (--verbose shows where)"
    assert "missing 1 required positional argument" in ctl.complaint(1, "call", "room", "add")
    assert "no method 'shout'; it has: add," in ctl.complaint(3, "call", "room", "shout")
    assert ctl.complaint(3, "call", "nobody", "add") == "no actor is named 'nobody'"
    assert "no answer to hang() in 0.3 s" in ctl.complaint(124, "call", "room", "hang", "--timeout=0.3")
    bad = ctl.complaint(2, "call", "room", "add", "three")
    assert bad == "'three' is no JSON: arguments are JSON, so text stands in quotes: '\"three\"'"
    deep = ctl.complaint(2, "call", "room", "add", "[" * 50_000)
    assert deep == "an argument is nested too deeply; it begins with '[[[[[[[[[[[[[[[[[[[['"
    assert ctl.complaint(2, "call", "board", "draw") == (
        "'board' is of the kind eventemitter, and this is for rpc actors"
    )


def test_the_traceback_of_the_other_side(ctl: Ctl) -> None:
    with running(ctl, "call", "--verbose", "room", "fail") as talking:
        output, errors = talking.process.communicate(timeout=20)
    assert output == "" and errors.startswith("stractoryctl: ValueError: no way\n\nTraceback")
    assert "play.py" in errors


def test_emit_and_tail(ctl: Ctl, strac: stractory.Client) -> None:
    with running(ctl, "tail", "board") as text, running(ctl, "tail", "board", "--json") as lines:
        assert text.line() == "hello\n"
        assert json.loads(lines.line()) == {"event": "hello", "data": []}
        assert ctl("emit", "board", "draw.line", "1", r'"\u001b"') == ""
        assert text.line() == 'draw.line 1 "\\u001b"\n'
        assert json.loads(lines.line()) == {"event": "draw.line", "data": [1, "\u001b"]}
        text.interrupt()
        strac.destroy("board")
        assert lines.process.wait(20) == 0
    assert ctl.complaint(3, "emit", "board", "draw.line") == "no actor is named 'board'"


def test_emitting(ctl: Ctl) -> None:
    told = json.loads(ctl("emit", "--json", "board", "x", "[1]"))
    assert told == {"name": "board", "event": "x", "data": [[1]]}
    assert "'close' is told by each side to itself" in ctl.complaint(2, "emit", "board", "close")
    assert "is no JSON" in ctl.complaint(2, "emit", "board", "x", "{")
    assert "this is for eventemitter actors" in ctl.complaint(2, "emit", "room", "x")


def test_the_bytes_of_a_stream(ctl: Ctl, strac: stractory.Client) -> None:
    strac.create("echo", stractory.stream("play:echo"))
    with running(ctl, "tail", "echo") as text, running(ctl, "tail", "echo", "--json") as lines:
        assert text.line() == "welcome\n"
        assert json.loads(lines.line()) == {"data": "d2VsY29tZQo="}
        text.interrupt()
        strac.destroy("echo")
        assert lines.process.wait(20) == 0
    assert "this is for eventemitter or stream or spawn actors" in ctl.complaint(2, "tail", "room")


def test_the_output_of_a_command(ctl: Ctl, strac: stractory.Client) -> None:
    strac.create("talk", stractory.spawn("sh", ["-c", "while echo hi; do sleep 0.1; done"]))
    with running(ctl, "tail", "talk") as text:
        assert text.line() == "hi\n"
        text.interrupt()
