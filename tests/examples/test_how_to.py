"""What the pages of docs/how-to tell their readers to do: the files they show, and the commands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cluster import BIN, Cluster, until
from tests.support.network import ROOT
from tests.support.programs import run_program, start_program

PAGES = ROOT / "docs/how-to"
UNITS = sorted((ROOT / "etc/systemd").iterdir())


def blocks(page: str, form: str) -> dict[str, str]:
    """Those of a page in this language, by their titles; one without has its number."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    found = re.findall(rf'```{form}(?: title="(.*?)")?\n(.*?)```', text, flags=re.DOTALL)
    return {title or str(number): block for number, (title, block) in enumerate(found)}


INI = [
    pytest.param(block, id=f"{page.stem}-{title}")
    for page in sorted(PAGES.iterdir())
    for title, block in blocks(page.stem, "ini").items()
    if "[Service]" not in block
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        tell(cluster)
        yield cluster


def tell(cluster: Cluster) -> None:
    """What commands need to know."""
    cluster.env["STRACTORY_REGISTRY"] = cluster.address
    cluster.env["PATH"] = f"{BIN}:{Path(sys.executable).parent}:{cluster.env['PATH']}"
    cluster.env["PYTHONPATH"] = str(ROOT)


@contextmanager
def going_on(cluster: Cluster, folder: Path, commands: str) -> Iterator[None]:
    """What these commands of a shell start, while the block runs."""
    shell = start_program(
        ["sh", "-ec", f"{commands}\nwait"],
        cwd=folder,
        env=cluster.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(20)


def test_there_are_files_to_look_at() -> None:
    assert len(INI) >= 3 and len(UNITS) == 2


@pytest.mark.parametrize("block", INI)
def test_a_file_has_no_mistakes(block: str, tmp_path: Path) -> None:
    (tmp_path / "the.ini").write_text(block)
    words = [sys.executable, BIN / "stractoryctl", "check-config", "the.ini"]
    run = run_program(words, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """With the programs of this tree, as it looks whether they are there."""
    text = unit.read_text(encoding="utf-8")
    assert "/opt/stractory/bin/" in text
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/opt/stractory/bin", str(BIN)))
    run = run_program(["systemd-analyze", "verify", copy], capture_output=True, text=True)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_a_unit_names_what_the_page_has() -> None:
    for unit in UNITS:
        settings = blocks("systemd", "ini")
        (file,) = re.findall(r"-c /etc/stractory/(\w+)\.ini", unit.read_text(encoding="utf-8"))
        assert any(block.startswith(f"[{file}]") for block in settings.values())


def test_a_kind_of_ones_own(cluster: Cluster, tmp_path: Path) -> None:
    page = blocks("kinds", "python")
    (tmp_path / "journals.py").write_text(page["journals.py"])
    (tmp_path / "use.py").write_text(page["use"])
    for _ in range(2):
        run = run_program(
            [sys.executable, "use.py"], cwd=tmp_path, env=cluster.env, capture_output=True, text=True
        )
        assert (run.returncode, run.stdout) == (0, "1 It rained.\n2 It still rains.\n"), run.stderr


def test_deploying_a_release(tmp_path: Path) -> None:
    page = blocks("code", "sh")
    with Cluster(workers=0) as cluster, cluster.client() as strac:
        tell(cluster)
        with going_on(cluster, tmp_path, page["first"]):
            until(lambda: len(strac.workers()) == 2)
            assert said(cluster, tmp_path, page["use"]).splitlines()[-1] == "1"
            assert said(cluster, tmp_path, page["again"]).splitlines()[-1] == "11"


def test_taking_a_worker_out(cluster: Cluster, tmp_path: Path) -> None:
    drain = next(block for block in blocks("scale", "sh").values() if "drain" in block)
    assert "has left" in said(cluster, tmp_path, drain)


def said(cluster: Cluster, folder: Path, commands: str) -> str:
    """What a shell prints of them."""
    run = run_program(["sh", "-ec", commands], cwd=folder, env=cluster.env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return str(run.stdout + run.stderr)
