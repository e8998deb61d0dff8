"""The page's pure modules, tested where they can be run without a page: by Node's own test runner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.programs import run_program

HERE = Path(__file__).parent
OPTIONS = "--experimental-detect-module"
"""They are modules by what is in them: the page needs no package.json. Later Nodes find out by themselves."""


@pytest.mark.parametrize(
    "file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.partition(".")[0]
)
def test_module(file: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    environment = {**os.environ, "NODE_OPTIONS": OPTIONS}
    run = run_program(["node", "--test", file], env=environment, capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stdout + run.stderr
