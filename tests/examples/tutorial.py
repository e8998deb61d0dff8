"""docs/tutorial.md at two terminals, as it stands there. test_tutorial.py runs it in a network of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.page import browser as browsers
from tests.support.cluster import BIN, until
from tests.support.network import ROOT, Neighbour
from tests.support.terminal import Terminal

TEXT = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
PLACES = {"machine one": (0,), "machine two": (1,), "both machines": (0, 1)}
PAGE = "http://127.0.0.1:9080/"
LEAVE, INTERRUPT = "\x04", "\x03"
DOWN, ENTER = "\ue015", "\ue007"

AT_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""A program for what follows it: Ctrl-C reaches what runs there."""

SCP = """#!/bin/sh
# Stands for scp -p: copies the files into the other machine's folder, which the last word stands for.
while [ $# -gt 1 ]; do
    [ "$1" = -p ] || cp -p "$1" "$OTHER"
    shift
done
"""


def blocks(number: int, form: str = "sh") -> list[tuple[str, str]]:
    """Those of a section: where they belong, and what to type."""
    (section,) = re.findall(rf"^## {number}\..*?(?=^## )", TEXT, flags=re.DOTALL | re.MULTILINE)
    return re.findall(rf'```{form}(?: title="(.*?)")?\n(.*?)```', section, flags=re.DOTALL)


class Machine(Terminal):
    """A shell on one of the machines, in its folder."""

    def __init__(self, folder: Path, other: Path, inside: Sequence[str]) -> None:
        env = {
            "PATH": f"{folder.parent}:{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "OTHER": str(other),
            "TERM": "dumb",
            "PS1": "[$?] ready> ",
        }
        shell = [*inside, "bash", "--norc", "--noprofile", "--noediting", "-i"]
        super().__init__([sys.executable, "-c", AT_A_TERMINAL, *shell], env)
        self.say(f"cd {folder}")

    def say(self, lines: str) -> str:
        """Type these lines and wait until all are carried out, without an error; what was shown meanwhile."""
        self.begin(f'{lines.strip()}\necho all "done"\n')
        shown = self.wait_for(r"all done\n\[")
        assert {*re.findall(r"\[(\d+)\] ready> ", shown)} <= {"0"}, shown
        return shown

    def __exit__(self, *error: Any) -> None:
        """What it has started ends with it, however the test has."""
        session = self._process.pid
        super().__exit__(*error)
        for process in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with suppress(ProcessLookupError):
                if os.getsid(process) == session:
                    os.kill(process, signal.SIGKILL)

    def begin(self, lines: str) -> None:
        """Type these lines, of which the last goes on."""
        self.seen = ""
        self.press(lines)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two, joined by a cable, or where there are no networks for that two addresses of this one."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        (folder / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "scp").write_text(SCP)
    (tmp_path / "scp").chmod(0o755)
    with ExitStack() as stack:
        addresses, inside = ("127.9.0.1", "127.9.0.2"), []
        if [name for _, name in socket.if_nameindex()] == ["lo"]:
            neighbour = stack.enter_context(Neighbour())
            addresses, inside = (neighbour.here, neighbour.there), neighbour.inside
        one = stack.enter_context(Machine(folders[0], folders[1], []))
        two = stack.enter_context(Machine(folders[1], folders[0], inside))
        for machine in (one, two):
            install, which = blocks(1)
            assert install[0] == "both machines: install"
            machine.say(which[1].replace("10.0.0.1", addresses[0]).replace("10.0.0.2", addresses[1]))
        yield one, two


def follow(machines: tuple[Machine, Machine], number: int) -> str:
    """Do what a section says; what the last block showed."""
    shown = ""
    for title, block in blocks(number):
        for place in PLACES[title.partition(":")[0]]:
            shown = machines[place].say(block)
            if "stractory-workers" in block:
                machines[place].wait_for("stractory pool ready")
    return shown


def see_the_room(clients: int) -> None:
    """As a program does, and as somebody with a browser."""
    with urlopen(f"{PAGE}api/actors/lobby") as answer:  # noqa: S310  # the registry's own address
        actor = json.load(answer)
    assert (actor["kind"], actor["facts"]["clients"]) == ("rpc", clients), actor
    browser = browsers.start()
    try:
        browser.look()
        browser.open(PAGE)
        browser.press("/", "lobby")
        until(lambda: "lobby" in browser.text("#results"))
        browser.press(DOWN, ENTER)
        until(lambda: browser.facts().get("clients") == str(clients))
        browser.picture("tutorial")
    finally:
        browser.driver.quit()


@pytest.mark.timeout(140)
def test_the_tutorial(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    for number in (2, 3):
        follow(machines, number)
    for line in blocks(3, "text")[0][1].splitlines():
        assert re.search(re.escape(line).replace(r"10\.0\.0\.1", r"[\d.]+"), one.seen), one.seen
    shown = follow(machines, 4)
    assert shown.count(":9001") >= 4, shown  # of ping and ps, two each

    (_, alice), (_, bob) = blocks(5)
    one.begin(alice)
    one.wait_for("In the room: Alice")
    two.begin(bob)
    two.wait_for("In the room: Alice, Bob")
    one.wait_for(r"\* Bob joined")
    one.press("Hello from one\n")
    two.wait_for("<Alice> Hello from one")
    two.press("Hello from two\n")
    one.wait_for("<Bob> Hello from two")

    assert PAGE in TEXT
    see_the_room(clients=2)

    one.press(LEAVE)
    (_, shell), (_, watching), (_, counting) = blocks(7)
    shown = one.say(shell)
    assert re.search(r"lobby +rpc", shown) and re.search(r"ready> .*Bob", shown), shown
    two.wait_for("<Alice> I am watching you")
    two.press(LEAVE)
    two.begin(watching)
    two.wait_for("present +lobby")
    one.say(counting)
    two.wait_for(r"born +counter[^$]*died +lobby")
    two.press(INTERRUPT)
    two.wait_for(r"\[130\] ready> ")

    shown = follow(machines, 8)
    assert re.findall(r"(?:ready> |\n)(\d+)(?=\n)", shown) == ["2", "3"], shown
    follow(machines, 9)
