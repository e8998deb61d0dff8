"""The commands of docs/security.md, by a shell: beyond loopback where the system has networks for that."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import BIN, until
from tests.support.network import ROOT, why_not
from tests.support.programs import start_program

MACHINES = ("10.9.0.1", "10.9.0.2")
"""Addresses that are not loopback's: what listens there has to be told how, as on any network."""

ON_LOOPBACK = ("127.9.0.1", "127.9.0.2")

ENTER = ["unshare", "--map-root-user", "--net", "sh", "-ec"]
NETWORK = "\n".join(["ip link set lo up", *(f"ip address add {machine}/32 dev lo" for machine in MACHINES)])

PROMPT = """
{network}
{setup}
tries=0
until ( {use} ) > used 2>> client.err && grep -q 9001 used && grep -q 9002 used; do
    tries=$((tries + 1)); test $tries -lt 60
done
cat used
"""
"""The commands as a user would give them: those that use the factory until all of it is there."""


def commands() -> tuple[str, str]:
    """Those that set up the factory, and those that use it."""
    setup, use = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/security.md").read_text(), flags=re.DOTALL)
    return setup, use


@pytest.fixture
def told(tmp_path: Path) -> Iterator[str]:
    """What they print."""
    setup, use = commands()
    enter, network = (["sh", "-ec"], "") if why_not() else (ENTER, NETWORK)
    registry, workers = MACHINES if network else ON_LOOPBACK
    script = PROMPT.format(network=network, setup=setup, use=use.replace("\n", "; ").rstrip("; "))
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        shell = start_program(
            [*enter, script],
            cwd=tmp_path,
            env={
                "PATH": f"{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "HOME": str(tmp_path),
                "REGISTRY": registry,
                "WORKERS": workers,
            },
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        assert shell.wait(timeout=45) == 0, (tmp_path / "err").read_text()
        yield (tmp_path / "out").read_text()
    finally:
        shell.poll()
        signal_group(shell.pid, signal.SIGTERM)
        until(lambda: not signal_group(shell.pid, 0))


def signal_group(group: int, number: int) -> bool:
    """Whether anything of the group was there to get it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def test_five_commands_are_enough(told: str, tmp_path: Path) -> None:
    setup, _ = commands()
    assert len(setup.splitlines()) == 5
    assert sorted(re.findall(r"WorkerInfo\(address='(?:10|127)\.9\.0\.2:(\d+)'", told)) == ["9001", "9002"], (
        told
    )
    log = (tmp_path / "err").read_text()
    assert "plain text" not in log and "Traceback" not in log and "ERROR" not in log
    for name in ("master.key", "pool1.key", "alice.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    for name, role in (("pool1.key", "node"), ("alice.key", "operator")):
        (line,) = (tmp_path / name).read_text().splitlines()
        assert line.split()[2:4] == [role, name.removesuffix(".key")]
