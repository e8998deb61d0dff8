"""A network that can be cut without a word, as when a cable is pulled: routes in a namespace of its own.

Tests that want it run in a process of its own, which :func:`start_inside` starts. There a :class:`Path` uses
two addresses of the loopback interface, one for each direction.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path as FilePath

from tests.support.programs import run_program, start_program

ROOT = FilePath(__file__).resolve().parents[2]
_ENTER = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@cache
def why_not() -> str | None:
    """Why there are no namespaces here; None where there are."""
    try:
        tried = run_program([*_ENTER, "ip", "route"], capture_output=True, text=True)
    except FileNotFoundError as error:
        return str(error)
    return tried.stderr.strip() or f"unshare ended with {tried.returncode}" if tried.returncode else None


def start_inside(*arguments: str, alone: bool = True) -> subprocess.Popen[str]:
    """Run pytest, with these arguments, in a network of its own; in this one if not ``alone``."""
    enter = _ENTER if alone else []
    return start_program(
        [*enter, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Neighbour:
    """Another machine at the end of a cable: a namespace joined to this one.

    ``here`` and ``there`` are their addresses; ``inside`` is the command that runs others there.
    """

    here, there = "10.9.0.1", "10.9.0.2"
    cable = "cable"

    def __enter__(self) -> Neighbour:
        self._machine = start_program(
            ["unshare", "--net", "sh", "-c", "echo there; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._machine.stdout is not None
        self._machine.stdout.readline()
        pid = str(self._machine.pid)
        self.inside = ["nsenter", "--net", "--target", pid]
        _ip("link", "add", "name", self.cable, "type", "veth", "peer", "name", self.cable, "netns", pid)
        for address, inside in ((self.here, []), (self.there, self.inside)):
            _ip("address", "add", f"{address}/24", "dev", self.cable, inside=inside)
            for device in (self.cable, "lo"):
                _ip("link", "set", device, "up", inside=inside)
        return self

    def __exit__(self, *error: object) -> None:
        self._machine.communicate()


class Path:
    """Between those who dial ``host``, of which there may be several, and who listens there."""

    def __init__(self, number: int) -> None:
        self.host, self._back = f"127.0.{number}.1", f"127.0.{number}.2"
        self.mend()

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Nothing arrives any more, in one direction or both, and nobody is told."""
        if there:
            _route("replace", "blackhole", f"{self.host}/32")
        if back:
            _route("replace", "blackhole", f"{self._back}/32")

    def mend(self) -> None:
        _route(
            "replace", "local", f"{self._back}/32", "dev", "lo"
        )  # first: it is the source of what goes there
        _route("replace", "local", f"{self.host}/32", "dev", "lo", "src", self._back)


def _route(*words: str) -> None:
    _ip("route", *words, "table", "local")


def _ip(*words: str, inside: Sequence[str] = ()) -> None:
    run_program([*inside, "ip", *words], check=True)
