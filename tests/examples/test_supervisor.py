"""etc/supervisord.conf under the real supervisor, with the ports replaced by free ones."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import stractory
from tests.support.actors import echo
from tests.support.cluster import alive, until
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]


def free_base() -> int:
    """A number n such that the ports n0 to n4 are free."""
    for base in range(2000, 3200):
        try:
            taken = [socket.create_server(("127.0.0.1", base * 10 + last)) for last in range(5)]
        except OSError:
            continue
        for each in taken:
            each.close()
        return base
    raise AssertionError("no free ports")


def lay_out(folder: Path, environment: Path) -> int:
    """A project in ``folder`` as supervisor sees it, with a .venv; returns the registry's port."""
    base = free_base()
    shutil.copytree(ROOT / "etc", folder / "etc")
    (folder / "bin").symlink_to(ROOT / "bin")
    (folder / ".venv").symlink_to(environment)
    for file in filter(Path.is_file, (folder / "etc").iterdir()):
        file.write_text(re.sub(r"\b900(?=\d\b|%)", str(base), file.read_text()))
    return base * 10


def control(folder: Path, environment: dict[str, str], command: str) -> list[str]:
    """What supervisorctl says, over the unix socket."""
    return run_program(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", "etc/supervisord.conf", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    ).stdout.splitlines()


def states(folder: Path, environment: dict[str, str]) -> list[str]:
    return [line.split()[1] for line in control(folder, environment, "status")]


@contextmanager
def supervised(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor, while the block runs."""
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", "etc/supervisord.conf"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield supervisor
    finally:
        if supervisor.poll() is None:
            supervisor.terminate()
            supervisor.wait(30)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One that names no registry and no Python, with a key of the test's own."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")}
    plain.pop("VIRTUAL_ENV", None)
    own = {"STRACTORY_KEY_FILE": tmp_path / "cluster.key", "XDG_STATE_HOME": tmp_path}
    return {**plain, **{name: str(path) for name, path in own.items()}}


def test_supervisor_runs_the_whole(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "a project"  # paths with a space work too
    port = lay_out(folder, Path(sys.prefix))
    with supervised(folder, environment) as supervisor:
        client = until(lambda: reach(port, tmp_path))
        until(lambda: len(client.workers()) == 4)
        until(lambda: states(folder, environment) == ["RUNNING"] * 5)
        client.create("supervised", echo)
        stream = client.connect("supervised")
        stream.sendall(b"hello")
        assert stream.recv(100) == b"hello"
        victim = client.workers()[0].pid
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in [worker.pid for worker in client.workers()])
        until(lambda: len(client.workers()) == 4)
        pids = [worker.pid for worker in client.workers()]
        client.close()
        supervisor.terminate()
        assert supervisor.wait(30) == 0
        assert not any(alive(pid) for pid in pids)


def test_the_activated_environment_comes_before_the_projects_own(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    broken = tmp_path / "broken"
    (broken / "bin").mkdir(parents=True)
    (broken / "bin" / "python3").symlink_to("/bin/false")
    port = lay_out(tmp_path / "project", broken)
    environment["VIRTUAL_ENV"] = sys.prefix
    with supervised(tmp_path / "project", environment) as supervisor:
        client = until(lambda: reach(port, tmp_path))
        until(lambda: len(client.workers()) == 4)
        client.close()
        assert control(tmp_path / "project", environment, "shutdown") == ["Shut down"]
        assert supervisor.wait(30) == 0


def reach(port: int, folder: Path) -> stractory.Client | None:
    try:
        client = stractory.client(port=port, key_file=folder / "cluster.key")
        client.workers()
    except (stractory.RegistryUnavailable, stractory.AuthError):
        return None
    return client
