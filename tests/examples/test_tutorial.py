"""A newcomer's path, as docs/tutorial.md has it, on two machines where the system has networks for that."""

from __future__ import annotations

import re

import pytest

from tests.examples.tutorial import blocks
from tests.support.network import ROOT, start_inside, why_not


@pytest.mark.timeout(150)
def test_the_tutorial_at_two_terminals() -> None:
    run = start_inside("tests/examples/tutorial.py", alone=not why_not())
    said, _ = run.communicate()
    assert run.returncode == 0 and "1 passed" in said, said


def test_what_it_installs_is_there() -> None:
    (_, install), _ = blocks(1)
    asked = re.findall(r"pip install '\.\[(.+)\]'", install)[0].split(",")
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert {*asked} <= {*known}
