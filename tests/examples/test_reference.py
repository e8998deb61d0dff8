"""Whether docs/reference/ has all that is public."""

from __future__ import annotations

import re

import stractory
from tests.support.network import ROOT

PAGES = ROOT / "docs/reference"


def test_every_public_name_is_there() -> None:
    shown = {
        name
        for page in PAGES.iterdir()
        for name in re.findall(r"^::: stractory\.(\w+)", page.read_text(), re.M)
    }
    assert shown - {"errors", "testing"} == {*stractory.__all__} - {*stractory.errors.__all__, "__version__"}


def test_every_program_is_there() -> None:
    asked = re.findall(r"<!-- help: (\S+) -->", (PAGES / "commands.md").read_text())
    assert sorted(asked) == sorted(program.name for program in (ROOT / "bin").iterdir())
