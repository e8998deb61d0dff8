"""Each example, run as a user would: a process of its own beside a running cluster."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from stractory.proof import keys
from tests.support.cluster import Cluster
from tests.support.programs import run_program, start_program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        yield cluster


def run(cluster: Cluster, script: Path, *arguments: str) -> str:
    environment = {**cluster.env, "STRACTORY_REGISTRY": cluster.address}
    command = [sys.executable, str(script), *arguments]
    return run_program(command, env=environment, capture_output=True, check=True, text=True).stdout.strip()


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
        with urlopen(f"{address}/some/page") as answer:  # noqa: S310  # the example's own address
            page = answer.read().decode()
        assert "Hello from an actor" in page and f"Visit {visit} to /some/page" in page
    with urlopen(f"{address}/%3Cscript%3E") as answer:  # noqa: S310
        assert b"to /&lt;script&gt;<" in answer.read()


def test_transformer(cluster: Cluster) -> None:
    for _ in range(2):
        said = run(cluster, ROOT / "examples" / "transformer.py", "beep", "a queue", "try")
        assert said == "beep -> BOOP\na queue -> A QOO\ntry -> TRY"


def test_counter(cluster: Cluster) -> None:
    assert run(cluster, ROOT / "examples" / "counter.py") == "1"
    said = run(cluster, ROOT / "examples" / "counter.py", "--crash")
    assert said == "2\nits worker was killed\n3"


@pytest.mark.parametrize("key", ["", "a key"])
@pytest.mark.parametrize(
    "example",
    [
        "echo",
        "line_counter",
        "counter",
        "web_page",
        "chatroom listen room",
        "chatroom talk room Alex",
        "transformer beep",
        "multicast events",
        "multicast cat",
        "tictactoe game",
        "drawing board",
        "encoder listen gzip",
        "encoder play gzip",
    ],
)
def test_without_a_registry(example: str, key: str, tmp_path: Path) -> None:
    key_file = tmp_path / "cluster.key"
    if key:
        keys.write_new(key_file)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    example, *arguments = example.split()
    run = run_program(
        [sys.executable, str(ROOT / "examples" / f"{example}.py"), *arguments],
        env={**os.environ, "STRACTORY_REGISTRY": nobody, "STRACTORY_KEY_FILE": str(key_file)},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
    assert run.stderr.startswith(f"{example}: ") and (nobody if key else str(key_file)) in run.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_usage(cluster: Cluster, path: Path) -> None:
    assert run(cluster, path, "--help").startswith(f"usage: {path.name}")
    with cluster.client() as strac:
        before = strac.list()
        wrong = run_program(
            [sys.executable, str(path), "--wrong"],
            env={**cluster.env, "STRACTORY_REGISTRY": cluster.address},
            capture_output=True,
            text=True,
        )
        assert (wrong.returncode, wrong.stdout) == (2, "") and wrong.stderr.startswith("usage: ")
        assert strac.list() == before


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo under way, with ``tmp_path`` as its temporary folder."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(ROOT / "examples" / "demo.py")]
    with start_program(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def nothing_left(said: str, folder: Path) -> None:
    """The demo's daemons listen no more, and its folder is gone."""
    addresses = re.findall(r" ready at 127\.0\.0\.1:(\d+)", said)
    assert len(addresses) == 5
    for port in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)))
    assert list(folder.iterdir()) == []


def test_demo(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    said = demo.communicate()[0]
    assert demo.returncode == 0
    for expected in (
        "green: hello Alex, Bob",
        "blue: hello Alex, Bob",
        "mr-echo said: Hello",
        "  * Alex joined\n  * Bob joined\n  <Alex> Hello\n  <Bob> Hello back\n",
        "the answers are 1, 2",
        "<h1>Hello from an actor</h1><p>Visit 1 to /</p>",
        "Done.",
    ):
        assert expected in said
    nothing_left(said, tmp_path)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "Creating two actors"),
        (signal.SIGTERM, "Creating two actors"),
        (signal.SIGINT, "* Alex joined"),
    ],
)
def test_demo_that_is_interrupted(
    demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    assert demo.stdout is not None
    said = ""
    while moment not in said:
        line = demo.stdout.readline()
        assert line, said
        said += line
    demo.send_signal(number)
    rest = demo.communicate()[0]
    assert demo.returncode == 128 + number
    assert rest.count("ended with status 0") == 2
    nothing_left(said, tmp_path)
