"""Runs the tests of cuts.py, that of the kernel's slow limits beside the others: mostly they wait."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import network

SELECTIONS = ["not vanishes", "vanishes"]

pytestmark = [
    pytest.mark.skipif(network.why_not() is not None, reason=f"no namespaces: {network.why_not()}"),
    pytest.mark.timeout(240),  # for all of its tests
]


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, subprocess.Popen[str]]]:
    cuts = str(Path(__file__).with_name("cuts.py"))
    started = {selection: network.start_inside(cuts, "-k", selection) for selection in SELECTIONS}
    yield started
    for run in started.values():
        if run.poll() is None:
            run.kill()
            run.communicate()


@pytest.mark.parametrize("selection", SELECTIONS)
def test_in_a_network_of_its_own(runs: dict[str, subprocess.Popen[str]], selection: str) -> None:
    output, _ = runs[selection].communicate()
    assert runs[selection].returncode == 0, output
