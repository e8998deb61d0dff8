"""A registry that keeps what it knows in etcd: killed, and started somewhere else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stractory
from stractory.errors import ActorExists, StoreUnreachable
from stractory.store.etcd.client import Client
from stractory.store.etcd.layout import VERSION
from stractory.store.etcd.operations import put, range_of
from tests.lasting.test_snapshots import counter
from tests.support.actors import echo
from tests.support.cluster import BIN, PATIENCE, Cluster, until
from tests.support.etcd import Etcd, free_ports
from tests.support.programs import run_program, start_program
from tests.support.stores import settings_for

ROOT = Path(__file__).parents[2]


class OnEtcd(Cluster):
    """Its registry keeps what it knows there; ``store``: the arguments for that."""

    def __init__(self, etcd: Etcd) -> None:
        self.store = settings_for(etcd)
        super().__init__(workers=2, registry_arguments=[*self.store, "--heartbeat-timeout=3"])


@pytest.fixture
def cluster(etcd: Etcd) -> Iterator[OnEtcd]:
    with OnEtcd(etcd) as started:
        yield started


def test_a_registry_that_was_killed_knows_all_names(cluster: OnEtcd) -> None:
    with cluster.client() as strac:
        before = strac.create("echo", echo)
        strac.create("counter", stractory.rpc(counter), restart="always", snapshot="each call")
        strac.create("gone", echo)
        strac.destroy("gone")
        assert strac.get("counter").add() == 1
        cluster.kill_registry()
        shutil.rmtree(cluster.folder / "registry")  # as on another machine
        cluster.restart_registry()
        with pytest.raises(ActorExists):
            strac.create("echo", echo)
        assert {actor.name: actor.epoch for actor in strac.list()}["echo"] == before.epoch
        assert sorted(actor.name for actor in strac.list()) == ["counter", "echo"]
        assert strac.get("counter").add() == 2


def test_what_comes_back_does_though_worker_and_registry_died(cluster: OnEtcd) -> None:
    with cluster.client() as strac:
        first = strac.create("counter", stractory.rpc(counter), restart="always", snapshot="each call")
        assert strac.get("counter").add() == 1
        cluster.kill_registry()
        assert cluster.pool is not None
        cluster.pool.kill()
        cluster.restart_registry()
        cluster.pool = cluster.daemon(
            "stractory-workers",
            "--workers=1",
            f"--registry={cluster.address}",
            f"--working-dir={cluster.folder}",
        )
        cluster.pool.wait_line("stractory pool ready")
        until(lambda: [actor.state for actor in strac.list("counter")] == ["running"])
        assert strac.get("counter").add() == 2
        (now,) = strac.list("counter")
        assert now.epoch > first.epoch


def refused(*arguments: str) -> tuple[int, str]:
    """The status of a registry on etcd that does not start, and what it says."""
    with Cluster(workers=0) as cluster:
        run = run_program(
            [sys.executable, str(BIN / "stractory"), "--store=etcd", "--data-dir=none", *arguments],
            env=cluster.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    return run.returncode, run.stderr


def test_a_registry_without_its_etcd_says_so() -> None:
    why = "the last that was tried, http://127.0.0.1:1: Connection refused"
    told = f"stractory: no endpoint of etcd answers; {why}\n"
    assert refused("--listen=0", "--etcd-endpoints=http://127.0.0.1:1") == (1, told)


def test_a_registry_with_another_cluster_key_says_so(cluster: OnEtcd) -> None:
    status, told = refused("--listen=0", *cluster.store)
    assert (status, told.count("\n")) == (1, 1)
    assert "was made with another cluster key: start the registry with that, or use another" in told


def test_a_registry_of_another_version_says_so(etcd: Etcd) -> None:
    prefix = etcd.new_prefix()
    etcd.client.transact([], [put(f"{prefix}/mark".encode(), bytes([VERSION + 1]))])
    status, told = refused("--listen=0", *settings_for(etcd, prefix))
    assert (status, told.count("\n")) == (1, 1)
    assert f"the prefix {prefix} of etcd has version {VERSION + 1}, and this registry reads {VERSION}" in told


def test_a_registry_that_listens_everywhere_has_to_say_where_it_is(etcd: Etcd) -> None:
    where = "--listen=0.0.0.0:9000", "--insecure-plaintext=yes"
    status, told = refused(*where, f"--etcd-endpoints={etcd.endpoints[0]}")
    assert status == 2 and "set advertise = HOST:9000" in told


# ---- scripts/etcd-cluster ----------------------------------------------------------------------------------

STARTER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-m", "tests.support.etcd", "1"])
sys.stdin.read()
"""


def start(*words: str) -> subprocess.Popen[str]:
    return start_program(
        [sys.executable, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ready(process: subprocess.Popen[str]) -> list[str]:
    """The endpoints that it tells."""
    assert process.stdout is not None
    return process.stdout.readline().removeprefix("etcd ready at ").strip().split(",")


def answers(endpoints: list[str]) -> bool:
    client = Client(endpoints)
    try:
        return client.range(range_of(b"key")).entries == []
    except StoreUnreachable:
        return False
    finally:
        client.close()


@pytest.mark.parametrize("size", [1, 3])
def test_an_etcd_for_trying_out_ends_by_a_signal(size: int, etcd: Etcd) -> None:
    ports = [str(port) for port in free_ports(size)]
    with start("-m", "tests.support.etcd", str(size), "--ports", *ports) as process:
        endpoints = ready(process)
        assert endpoints == [f"http://127.0.0.1:{port}" for port in ports]
        assert answers(endpoints)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert not answers(endpoints)


def test_a_port_that_is_taken_is_a_plain_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_program(
            [sys.executable, "-m", "tests.support.etcd", "1", "--ports", port],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
    assert ended.returncode == 2
    assert f"error: port {port}: Address already in use" in ended.stderr.decode()


def test_an_etcd_for_trying_out_ends_with_whoever_started_it(etcd: Etcd) -> None:
    with start("-c", STARTER) as starter:
        endpoints = ready(starter)
        assert answers(endpoints)
        starter.kill()
        until(lambda: not answers(endpoints))
