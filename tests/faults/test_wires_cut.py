"""What became of the tests of cuts.py, which have run beside the others."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import network

SELECTIONS = ["not vanishes", "vanishes"]
"""Of those tests, each in a network of its own: the second waits for the kernel's slow limits."""


@pytest.mark.skipif(network.why_not() is not None, reason=f"no namespaces: {network.why_not()}")
@pytest.mark.parametrize("selection", SELECTIONS)
def test_in_a_network_of_its_own(cuts: dict[str, subprocess.Popen[str]], selection: str) -> None:
    output, _ = cuts[selection].communicate()
    assert cuts[selection].returncode == 0, output
