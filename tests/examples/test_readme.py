"""The Python of the documents against a running cluster: as a file, twice, and the README's at a prompt."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import stractory
from tests.support.cluster import Cluster
from tests.support.programs import run_program
from tests.support.prompt import Prompt

ROOT = Path(__file__).resolve().parents[2]


def blocks_of(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


TOUR = (
    r"mr-echo said: b'Hello'",
    r"beep => BOOP",
    r"\['a', 'b', 'c'\]",
    r"\* Alex joined",
    r"<Alex> Hello",
    r"\(0, 0, 3, 4\)",
    r"present mr-echo",
    r"born mr-guest",
    r"died mr-guest",
    r"he was destroyed",
    r"before the crash: 1",
    r"after the crash: 2",
)
"""What the README's prints, in lines of their own."""

GUIDE = (
    r"said so far: \d+",
    r"cat said: b'meow'",
    r"another",
    r"mr-echo on 127\.0\.0\.1:\d+",
    r"tcp://127\.0\.0\.1:\d+",
    r"said: 1",
    r"also said: \d+",
    r"room is over",
)

FROM_NODE = (
    r"mr-echo said: b'Hello'",
    r"beep => BOOP",
    r"peat => POOT",
    r"\* Alex joined\n\* Bob joined\n<Alex> Hello\n<Bob> Hello back",
    r"cat said: meow",
    r"echo: \{'hello': 'world'\}",
    r"\['mr-echo', 'myroom'\]",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        cluster.env["STRACTORY_REGISTRY"] = cluster.address
        yield cluster


def check(said: str, lines: Sequence[str]) -> None:
    """Whether they are in it, whatever a prompt shows besides."""
    for line in lines:
        assert re.search(f"^{line}$", said, flags=re.MULTILINE), said


@pytest.mark.parametrize(
    ("document", "lines"),
    [("README.md", TOUR), ("docs/guide.md", GUIDE), ("docs/from-node.md", FROM_NODE)],
    ids=["tour", "guide", "from-node"],
)
def test_it_runs_as_a_file(cluster: Cluster, tmp_path: Path, document: str, lines: Sequence[str]) -> None:
    blocks = blocks_of(document)
    assert len(blocks) >= 5
    script = tmp_path / "script.py"
    script.write_text("\n".join(blocks))
    for _ in range(2):
        run = run_program(
            [sys.executable, str(script)], env=cluster.env, cwd=os.sep, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        check(run.stdout, lines)


class Ear:
    """A function of a client's."""

    def __init__(self, *, leaving: bool) -> None:
        self.leaving = leaving
        self.heard: list[Any] = []

    def __call__(self, *what: Any) -> None:
        if self.leaving:  # its on_close is yet to be called
            raise stractory.CallbackGone("it has left")
        self.heard.append(what)

    def on_close(self, function: Any) -> None:
        pass


def defined(document: str, name: str) -> Any:
    """What a document defines: a class or function of that name."""
    (block,) = (block for block in blocks_of(document) if re.search(f"^(class|def) {name}\\b", block, re.M))
    space: dict[str, Any] = {"stractory": stractory}
    exec(  # noqa: S102  # the README's own code
        re.split(r"^strac\.", block, maxsplit=1, flags=re.MULTILINE)[0], space
    )
    return space[name]


def test_who_is_leaving_the_rooms_hurts_nobody() -> None:
    ear = Ear(leaving=False)
    room = defined("README.md", "Room")({})
    room.join("Alex", Ear(leaving=True))
    room.join("Bob", ear)
    room.say("Bob", "Hello")
    chatroom = defined("docs/from-node.md", "chatroom")({})
    chatroom["on"]("msg", Ear(leaving=True))
    chatroom["on"]("msg", ear)
    chatroom["msg"]("Bob", "Hello back")
    assert ear.heard == [("* Bob joined",), ("<Bob> Hello",), ("Bob", "Hello back")]


def test_the_tour_at_a_prompt(cluster: Cluster) -> None:
    said = ""
    with Prompt({**cluster.env, "PYTHONPATH": str(ROOT)}) as prompt:
        for block in blocks_of("README.md"):
            for line in block.splitlines(keepends=True):
                prompt.type(line)
                said += prompt.wait_for(r"(>>>|\.\.\.) $")
            assert said.endswith(">>> "), f"a snippet that does not end by itself:\n{block}"
    assert "Error" not in said, said
    check(said, TOUR)
