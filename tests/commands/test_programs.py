"""The programs of bin/, before they do anything."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.programs import run_program

BIN = Path(__file__).resolve().parents[2] / "bin"

HEAVY = ("dill", "importlib.metadata", "stractory.clients", "stractory.net.link", "stractory.wire")


@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_help_loads_nothing_that_it_does_not_need(program: str) -> None:
    command = [sys.executable, "-X", "importtime", str(BIN / program), "--help"]
    run = run_program(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0 and f"usage: {program} " in run.stdout
    loaded = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines()]
    assert "stractory.commands.config" in loaded
    assert not [name for name in loaded if name.startswith(HEAVY)]


def test_help_of_ctl_loads_little() -> None:
    command = [sys.executable, "-X", "importtime", str(BIN / "stractoryctl"), "--help"]
    run = run_program(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0 and "usage: stractoryctl " in run.stdout
    loaded = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines()]
    assert "stractory.commands.ctl.arguments" in loaded
    assert not [name for name in loaded if name.startswith((*HEAVY, "gevent", "configargparse", "rich"))]


def test_making_keys_loads_little() -> None:
    command = [sys.executable, "-X", "importtime", str(BIN / "stractory-keygen"), "--help"]
    run = run_program(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0 and "usage: stractory-keygen " in run.stdout
    loaded = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines()]
    assert "stractory.proof.keys" in loaded
    assert not [name for name in loaded if name.startswith((*HEAVY, "gevent", "configargparse"))]


def test_all_programs_are_installed() -> None:
    settings = (BIN.parent / "pyproject.toml").read_text()
    (line,) = [line for line in settings.splitlines() if line.startswith("script-files")]
    assert sorted(re.findall(r'"bin/([\w-]+)"', line)) == sorted(path.name for path in BIN.iterdir())
