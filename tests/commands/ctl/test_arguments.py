"""The command line."""

from __future__ import annotations

import pytest

from stractory.commands.ctl.arguments import make_parser, option, snapshot


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--registry", "1", "--timeout=2", "ls", "a*"],
        ["ls", "--json", "--registry", "1", "--timeout=2", "a*"],
        ["--json", "ls", "a*", "--timeout=2", "--registry=1"],
    ],
)
def test_options_stand_anywhere(words: list[str]) -> None:
    given = make_parser().parse_args(words)
    assert (given.json, given.registry, given.timeout, given.pattern) == (True, "1", 2.0, "a*")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: command; see stractoryctl --help"),
        (["list"], "argument command: invalid choice: 'list'"),
        (["ls", "a", "b"], "unrecognized arguments: b"),
        (["ls", "--js"], "unrecognized arguments: --js"),
        (["--timeout", "soon", "ls"], "argument --timeout: 'soon' is not a number of seconds, 0 or more;"),
        (["destroy"], "the following arguments are required: name; see stractoryctl destroy --help"),
        (["create", "a", "m:f", "--kind", "web"], "argument --kind: invalid choice: 'web'"),
        (["create", "a", "m:f", "--option", "3"], "argument --option: '3' is not key=value;"),
        (["create", "a", "m:f", "--snapshot", "often"], "argument --snapshot: 'often' is not a number"),
        (["top", "--count", "-1"], "argument --count"),
        (["completion", "fish"], "argument shell: invalid choice: 'fish'"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        make_parser().parse_args(words)
    told = capsys.readouterr()
    assert (exit.value.code, told.out) == (2, "")
    assert told.err.startswith(f"stractoryctl: {message}") and told.err.count("\n") == 1


def test_options_of_actors() -> None:
    assert option("n=3") == ("n", 3)
    assert option("n={bad") == ("n", "{bad")
    assert option('n="3"') == ("n", "3")
    assert option("n=a=b") == ("n", "a=b")
    assert option("n=") == ("n", "")
    deep = "[" * 50_000
    assert option(f"n={deep}") == ("n", deep)


def test_when_state_is_kept() -> None:
    assert [snapshot(text) for text in ("none", "each-call", "each call", "2.5")] == [
        "none",
        "each call",
        "each call",
        2.5,
    ]
