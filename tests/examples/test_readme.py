"""The README's Python, from top to bottom, against a running cluster."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]


def test_the_tour() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) >= 5
    with Cluster(workers=2) as cluster:
        program = "\n".join(blocks).replace("127.0.0.1:9000", cluster.address)
        tour = cluster.folder / "tour.py"
        tour.write_text(program)
        run = subprocess.run(
            [sys.executable, str(tour)], env=cluster.env, cwd=os.sep, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        lines = run.stdout.splitlines()
    assert lines[0] == "mr-echo said: b'Hello'"
    assert lines[1] == "BEEP!"
    assert lines[2].startswith("mr-echo on 127.0.0.1:")
    assert any(line.startswith("tcp://127.0.0.1:") for line in lines)
    assert "open-echo is over" in lines
