"""Each example, run as a user would: a process of its own beside a running cluster."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        yield cluster


def run(cluster: Cluster, script: Path) -> str:
    environment = {**cluster.env, "STRACTORY_REGISTRY": cluster.address}
    command = [sys.executable, str(script)]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout.strip()


def test_echo(cluster: Cluster) -> None:
    for _ in range(2):  # the second time the actor is there already
        assert run(cluster, ROOT / "examples" / "echo.py") == "mr-echo said: Hello"


def test_line_counter(cluster: Cluster) -> None:
    program, host, port = run(cluster, ROOT / "examples" / "line_counter.py").split()
    assert program == "nc"
    for expected in ("1\n2\n", "3\n4\n"):
        with socket.create_connection((host, int(port))) as anybody, anybody.makefile("r") as lines:
            anybody.sendall(b"one\ntwo\n")
            assert lines.readline() + lines.readline() == expected


def test_web_page(cluster: Cluster) -> None:
    address = run(cluster, ROOT / "examples" / "web_page.py")
    for visit in (1, 2):
        with urlopen(f"{address}/some/page") as answer:
            page = answer.read().decode()
        assert "Hello from an actor" in page and f"Visit {visit} to /some/page" in page
