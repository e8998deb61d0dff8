"""The README's Python against a running cluster: as a file, twice, and pasted at a prompt."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.prompt import Prompt

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        cluster.env["STRACTORY_REGISTRY"] = cluster.address
        yield cluster


def check(said: str) -> None:
    """What it prints, whatever a prompt shows besides."""
    for expected in (
        r"^mr-echo said: b'Hello'$",
        r"^BEEP!$",
        r"^mr-echo on 127\.0\.0\.1:\d+$",
        r"^tcp://127\.0\.0\.1:\d+$",
        r"^open-echo is over$",
    ):
        assert re.search(expected, said, flags=re.MULTILINE), said


def test_the_tour_as_a_file(cluster: Cluster, tmp_path: Path) -> None:
    assert len(BLOCKS) >= 5
    tour = tmp_path / "tour.py"
    tour.write_text("\n".join(BLOCKS))
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, str(tour)], env=cluster.env, cwd=os.sep, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        check(run.stdout)


def test_the_tour_at_a_prompt(cluster: Cluster) -> None:
    said = ""
    with Prompt({**cluster.env, "PYTHONPATH": str(ROOT)}) as prompt:
        for block in BLOCKS:
            for line in block.splitlines(keepends=True):
                prompt.type(line)
                said += prompt.wait_for(r"(>>>|\.\.\.) $")
            assert said.endswith(">>> "), f"a snippet that does not end by itself:\n{block}"
    assert "Error" not in said, said
    check(said)
