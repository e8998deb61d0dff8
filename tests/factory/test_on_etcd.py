"""A registry that keeps what it knows in etcd: killed, and started somewhere else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

import stractory
from stractory.errors import ActorExists
from tests.lasting.test_snapshots import counter
from tests.support.actors import echo
from tests.support.cluster import Cluster, until
from tests.support.etcd import Etcd


def on(etcd: Etcd, prefix: str) -> list[str]:
    """What a registry is told."""
    endpoints = ", ".join(etcd.endpoints)
    return ["--store=etcd", f"--etcd-endpoints={endpoints}", f"--etcd-prefix={prefix}"]


@pytest.fixture
def cluster(etcd: Etcd) -> Iterator[Cluster]:
    arguments = [*on(etcd, etcd.new_prefix()), "--heartbeat-timeout=3"]
    with Cluster(workers=2, registry_arguments=arguments) as started:
        yield started


def test_a_registry_that_was_killed_knows_all_names(cluster: Cluster) -> None:
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


def test_what_comes_back_does_though_worker_and_registry_died(cluster: Cluster) -> None:
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
