"""Clients that know several registries, of which one is killed: real daemons."""

from __future__ import annotations

import contextlib
import json

import pytest

import stractory
from stractory.testing import POOL
from tests.commands.ctl.conftest import Ctl
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import POOL_READY, Cluster
from tests.support.etcd import free_ports

WAIT = 30.0


class Counter:
    def __init__(self, options):
        self.count = 0

    def more(self):
        self.count += 1
        return self.count

    def snapshot(self):
        return self.count

    def restore(self, count):
        self.count = count


class Two:
    """Two clusters with one key: a client may find its way from one to the other."""

    def __init__(self, one: Cluster, other: Cluster) -> None:
        self.key_file = one.key_file
        self.clusters = {cluster.address: cluster for cluster in (one, other)}

    def client(self, *, background: bool) -> stractory.Client:
        return stractory.client(list(self.clusters), key_file=self.key_file, background=background)

    def other(self, address: str) -> str:
        (other,) = self.clusters.keys() - {address}
        return other


@pytest.fixture
def two():
    with contextlib.ExitStack() as ending:
        one, other = Cluster(workers=1), Cluster(workers=1)
        ending.enter_context(one)
        other.env["STRACTORY_KEY_FILE"] = str(one.key_file)
        ending.enter_context(other)
        yield Two(one, other)


@pytest.mark.parametrize("background", [False, True])
def test_what_is_held_goes_on_and_what_is_asked_is_asked_of_the_next(two, background):
    with two.client(background=background) as strac:
        strac.create("held", echo)
        held = strac.connect("held")
        here = strac.registry
        two.clusters[here].kill_registry()
        strac.create("made", echo)
        assert strac.registry == two.other(here)
        assert [actor.name for actor in strac.list()] == ["made"]
        assert exchange(strac.get("made")) == exchange(held) == b"hello"


def test_a_registry_that_is_moved_to_another_address():
    later = f"127.0.0.1:{free_ports(1)[0]}"
    soon = ["--block-interrupt=1", "--block-exit=2"]
    with (
        Cluster(workers=1, registry_arguments=["--heartbeat-timeout=4"], pool_arguments=soon) as cluster,
        stractory.client(f"{later},{cluster.address}", key_file=cluster.key_file) as strac,
    ):
        strac.create("counter", stractory.rpc(Counter), restart="on-failure", snapshot="each call")
        counter = strac.get("counter")
        assert [counter.more(), counter.more()] == [1, 2]
        watch = strac.watch(timeout=WAIT)
        assert next(watch).kind == "present"

        cluster.kill_registry()
        cluster.pool.kill()
        cluster._start_registry(later)
        cluster.pool = cluster.daemon(POOL, "--workers=1", f"--registry={later}", *soon)
        cluster.pool.wait_line(POOL_READY)

        moved = next(watch)
        assert (moved.kind, moved.name) == ("moved", "counter")
        assert strac.get("counter").more() == 3
        assert strac.registry == later


def test_stractoryctl(two):
    alive, dead = two.clusters
    ctl = Ctl(two.clusters[alive])
    rows = json.loads(ctl("ping", "--json", "--registry", f"{alive},{dead}"))
    assert sorted(row["what"] for row in rows) == ["registry", "registry", "worker"]
    assert {row["address"] for row in rows if row["what"] == "registry"} == {alive, dead}

    two.clusters[dead].kill_registry()
    several = {"STRACTORY_REGISTRY": f"{dead},{alive}"}
    assert len(json.loads(ctl("ps", "--json", env=several))) == 1
    run = ctl.run("ping", "--json", env=several)
    assert run.returncode == 4
    (row,) = (row for row in json.loads(run.stdout) if not row["reachable"])
    assert (row["what"], row["address"]) == ("registry", dead)

    two.clusters[alive].kill_registry()
    complaint = ctl.complaint(4, "ls", env=several)
    assert alive in complaint and dead in complaint
