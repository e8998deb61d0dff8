"""The tests of docs/testing.md, run as a user would, and what becomes of a cluster that goes wrong."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import stractory
from stractory import testing
from tests.support.actors import echo
from tests.support.cluster import alive
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]


def test_the_document(tmp_path: Path) -> None:
    text = (ROOT / "docs/testing.md").read_text()
    fixtures, tests = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "conftest.py").write_text(fixtures)
    (tmp_path / "test_counter.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = run_program(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and "2 passed" in run.stdout, run.stdout


def test_all_of_it_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), testing.cluster(1, env={"OTHER": "kept"}) as cluster:
        strac, background = cluster.client(), cluster.client(background=True)
        strac.create("env", stractory.spawn("sh", ["-c", "read line; echo $OTHER; cat"]))
        env = strac.get("env")
        env.sendall(b"\n")
        assert env.recv(5) == b"kept\n"
        assert background.list() == strac.list()
        assert cluster.registry is not None and cluster.pool is not None
        pids = cluster.registry.pid, cluster.pool.pid, strac.workers()[0].pid
        assert all(map(alive, pids)) and cluster.folder.exists()
        raise ZeroDivisionError
    assert not any(map(alive, pids)) and not cluster.folder.exists()
    assert capfd.readouterr() == ("", "")


def test_settings_go_to_whom_they_are_for() -> None:
    settings = {"heartbeat-timeout": 3, "max_actors": 1, "log-format": "json", "insecure-plaintext": True}
    with testing.cluster(1, settings=settings) as cluster, cluster.client() as strac:
        assert cluster.errors().splitlines()[0].startswith('{"time":')
        strac.create("one", echo)
        with pytest.raises(stractory.WorkerFull, match="max-actors = 1"):
            strac.create("two", echo)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heartbeat-timout": 3}, "'heartbeat-timout' is no setting.*did you mean 'heartbeat-timeout'"),
        ({"listen": 9000}, "listen is what a cluster for tests chooses itself"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(stractory.ConfigError, match=message):
        testing.cluster(settings=settings)


def test_a_start_that_fails_shows_the_log() -> None:
    cluster = testing.cluster(settings={"respawn-delay": "soon"})
    with pytest.raises(stractory.DaemonFailed, match=r"(?s)ended with status 2:.*--respawn-delay: 'soon'"):
        cluster.start()
    assert not cluster.folder.exists() and cluster.registry is None
