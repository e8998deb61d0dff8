"""Where daemons show their pages, and where they do not."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from gevent import socket

from stractory.net.address import Address
from tests.http.asking import ask
from tests.support.cluster import BIN, Cluster, until
from tests.support.programs import run_program


def free_ports(count: int) -> range:
    """So many, one after another."""
    while True:
        with ExitStack() as stack:
            try:
                first = 0
                for number in range(count):
                    sock = stack.enter_context(closing(socket.socket()))
                    sock.bind(("127.0.0.1", first + number if first else 0))
                    first = first or sock.getsockname()[1]
            except (OSError, OverflowError):  # another one's, or beyond the last
                continue
        return range(first, first + count)


def test_each_worker_of_a_pool_has_a_port_and_keeps_it() -> None:
    ports = free_ports(2)
    with Cluster(workers=2, pool_arguments=[f"--http-ports={ports[0]}-{ports[-1]}"]) as cluster:
        for port in ports:
            assert ask(Address("127.0.0.1", port), "/readyz").status == 200

        def lives() -> set[int]:
            return {worker.pid for worker in client.workers() if worker.state == "running"}

        with cluster.client(background=True) as client:
            client.create("ender", ender)
            before = lives()
            client.connect("ender")
            until(lambda: (now := lives()) != before and len(now) == 2)
        for port in ports:
            assert ask(Address("127.0.0.1", port), "/readyz").status == 200


def ender(options):
    def handle(stream, address):
        import os

        os._exit(3)

    return handle


def test_too_few_ports() -> None:
    command = [sys.executable, str(BIN / "stractory-workers"), "--workers=3", "--http-ports=9081-9082"]
    run = run_program(command, capture_output=True, text=True)
    text = "stractory-workers: http-ports has 2 ports, and there are 3 workers\n"
    assert (run.returncode, run.stderr) == (2, text)


@pytest.mark.parametrize("program", ["stractory", "stractory-worker"])
def test_beyond_loopback_a_daemon_does_not_start(program: str, tmp_path: Path) -> None:
    run = start(program, "192.0.2.1:9080", tmp_path)
    assert run[0] == 2 and len(run[1]) == 1
    assert run[1][0].startswith(
        f"{program}: http = 192.0.2.1:9080 is beyond loopback, in plain text: set tls"
    )


@pytest.mark.parametrize("program", ["stractory", "stractory-worker"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104  # nothing is bound
def test_what_is_everywhere_needs_names(program: str, host: str, tmp_path: Path) -> None:
    run = start(program, f"{host}:9080", tmp_path, "--tls=auto")
    words = f"{program}: http = {host}:9080 is no name: set http-hosts to the names by which browsers may ask"
    assert run == (2, [words])


@pytest.mark.parametrize("names", ["*", "*.example", "a b", "http://a", "a,", "a/b", "[::1]"])
def test_names_that_are_none(names: str, tmp_path: Path) -> None:
    status, lines = start("stractory", "127.0.0.1:0", tmp_path, f"--http-hosts={names}")
    assert status == 2 and lines[0].endswith("such as factory.example: there are no wildcards")


@pytest.mark.parametrize("program", ["stractory", "stractory-worker"])
def test_nor_where_the_port_is_taken(program: str, tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address(*taken.getsockname())
        status, lines = start(program, str(address), tmp_path)
    assert (status, lines[-1]) == (1, f"{program}: http cannot listen at {address}: Address already in use")


def start(program: str, http: str, folder: Path, *more: str) -> tuple[int, list[str]]:
    """Its status, and what it said but for lines of the log."""
    words = [
        "--listen=0",
        f"--http={http}",
        f"--key-file={folder / 'cluster.key'}",
        "--log-level=error",
        *more,
    ]
    command = [sys.executable, str(BIN / program), *words]
    run = run_program(command, capture_output=True, text=True, timeout=30)
    return run.returncode, run.stderr.splitlines()
