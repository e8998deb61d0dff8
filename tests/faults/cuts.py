"""Tests whose network is cut without a word. test_cuts.py has them run in a network of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import gevent
import pytest

import stractory
from stractory.proof import keys
from tests.factory.test_factory import Leaver, exchange
from tests.support.actors import echo
from tests.support.cluster import REGISTRY_READY, Cluster, Daemon
from tests.support.faults import descriptors, let_pass
from tests.support.green import green_until
from tests.support.network import Path

LEASE = 2
KERNEL_LIMIT = 40
"""Seconds within which the kernel must have noticed that a peer is gone, with some to spare."""


class Site(NamedTuple):
    """A registry, a worker with a path to it that can be cut, a path to the worker, and a client."""

    cluster: Cluster
    worker: Daemon
    to_registry: Path
    to_worker: Path
    strac: stractory.Client


@pytest.fixture(scope="module")
def _started() -> Iterator[Site]:
    to_registry, to_worker = Path(77), Path(78)
    cluster = Cluster(workers=0)
    keys.load(cluster.key_file, create=True)  # nobody makes one that listens everywhere
    limits = ["--insecure-plaintext", f"--heartbeat-timeout={LEASE}"]
    cluster.registry = cluster.daemon("stractory", "--listen=0.0.0.0:0", *limits)
    with contextlib.closing(cluster):
        port = cluster.registry.wait_line(REGISTRY_READY).rpartition(":")[2]
        cluster.address = f"127.0.0.1:{port}"
        with (
            worker_at(to_worker.host, cluster, f"{to_registry.host}:{port}") as worker,
            cluster.client() as strac,
        ):
            yield Site(cluster, worker, to_registry, to_worker, strac)


@pytest.fixture
def site(_started: Site) -> Iterator[Site]:
    """The same for all: it recovers."""
    try:
        yield _started
    finally:
        _started.to_registry.mend()
        _started.to_worker.mend()
    green_until(lambda: states(_started.strac) == ["running"], KERNEL_LIMIT)
    for info in _started.strac.list():
        _started.strac.destroy(info.name)


@contextlib.contextmanager
def worker_at(host: str, cluster: Cluster, registry: str) -> Iterator[Daemon]:
    worker = cluster.daemon("stractory-worker", f"--listen={host}:0", f"--registry={registry}")
    try:
        worker.wait_line("stractory worker ready")
        yield worker
    finally:
        assert worker.end() == 0


def states(strac: stractory.Client) -> list[str]:
    return [worker.state for worker in strac.workers()]


@pytest.mark.parametrize("ways", [{}, {"back": False}, {"there": False}], ids=["both", "there", "back"])
def test_a_worker_that_is_cut_off(site: Site, ways: dict[str, bool]) -> None:
    """Rows 9 and 11, of actors that are not to be started elsewhere."""
    before = site.strac.create("a", echo)
    with site.strac.connect("a") as stream:
        site.to_registry.cut(**ways)
        green_until(lambda: site.strac.list() == [])
        with pytest.raises(stractory.NoWorkers):
            site.strac.create("b", echo)
        assert exchange(stream) == b"hello"
        site.to_registry.mend()
        green_until(lambda: site.strac.list() == [before], KERNEL_LIMIT)
        assert states(site.strac) == ["running"]
        assert exchange(stream) == b"hello"


def test_a_name_that_is_created_anew_meanwhile(site: Site, tmp_path) -> None:
    """Row 10."""
    path = tmp_path / "destroyed"
    old = site.strac.create("a", Leaver, options={"path": str(path)})
    with (
        worker_at("127.0.0.1", site.cluster, site.cluster.address),
        site.strac.connect("a") as stream,
        site.cluster.client() as other,
    ):
        cached = other.get("a")
        assert exchange(stream) == exchange(cached) == b"hello"
        site.to_registry.cut()
        green_until(lambda: other.list() == [])
        new = other.create("a", echo)
        assert new.epoch > old.epoch
        assert other.get("a") is not cached
        assert exchange(other.get("a")) == exchange(cached) == exchange(stream) == b"hello"
        reading = gevent.spawn(stream.recv, 1)
        site.to_registry.mend()
        with pytest.raises(stractory.ActorEnded):
            reading.get(timeout=KERNEL_LIMIT)
        assert path.exists()
        assert exchange(other.get("a")) == exchange(site.strac.get("a")) == b"hello"
        assert other.list() == [new]
        green_until(lambda: states(other) == ["running"] * 2)


def clock(options, context):
    """Tells which life serves, and when by the machine's clock, which is one for all here."""
    import time
    from pathlib import Path

    return {
        "tell": lambda: (context.epoch, time.monotonic()),
        "destroy": lambda: Path(options["destroyed"]).touch(),
    }


@pytest.mark.parametrize("ways", [{}, {"back": False}, {"there": False}], ids=["both", "there", "back"])
def test_what_is_made_again_elsewhere(site: Site, ways: dict[str, bool], tmp_path) -> None:
    """Rows 9 and 11: its client can reach the old copy all the while, and is not served by both at once."""
    destroyed = tmp_path / "destroyed"
    options = {"destroyed": str(destroyed)}
    old = site.strac.create("a", stractory.rpc(clock), restart="on-failure", options=options)
    with worker_at("127.0.0.1", site.cluster, site.cluster.address), site.cluster.client() as other:
        served = []

        def use_old() -> None:
            with contextlib.suppress(stractory.StractoryError), site.strac.connect("a") as handle:
                while True:
                    served.append(handle.tell())

        using = gevent.spawn(use_old)
        green_until(lambda: served)
        site.to_registry.cut(**ways)
        new = green_until(lambda: [info for info in other.list("a") if info.epoch > old.epoch])
        epoch, when = other.get("a").tell()
        using.join()
        assert epoch == new[0].epoch
        assert {epoch for epoch, _ in served} == {old.epoch}
        assert served[-1][1] < when
        site.to_registry.mend()
        green_until(destroyed.exists, KERNEL_LIMIT)
        green_until(lambda: states(other) == ["running"] * 2, KERNEL_LIMIT)
        assert other.get("a").tell()[0] == epoch


def test_a_client_that_is_cut_off_from_a_worker(site: Site) -> None:
    """Row 12."""
    before = site.strac.create("a", stractory.rpc(lambda options: {"add": lambda a, b: a + b}))
    client = site.strac.get("a")
    site.to_worker.cut()
    with pytest.raises(stractory.CallTimeout):
        stractory.timeout(client, 0.5).add(1, 2)
    with pytest.raises((stractory.CallTimeout, stractory.ActorLost)), site.cluster.client() as late:
        late.connect("a", timeout=0.5)
    let_pass(LEASE)
    assert site.strac.list() == [before] and states(site.strac) == ["running"]
    site.to_worker.mend()
    assert client.add(1, 2) == 3


def test_a_peer_that_vanishes(site: Site) -> None:
    """Row 13."""
    site.strac.create("a", echo)
    base = descriptors(site.worker.pid)
    with site.cluster.client() as quiet, site.cluster.client() as talking:
        streams = [quiet.connect("a"), talking.connect("a")]
        assert descriptors(site.worker.pid) == base + 2
        site.to_worker.cut()
        streams[1].sendall(b"is anybody there?")
        for reading in [gevent.spawn(stream.recv, 1) for stream in streams]:
            with pytest.raises(stractory.ActorLost):
                reading.get(timeout=KERNEL_LIMIT)
        green_until(lambda: descriptors(site.worker.pid) == base, KERNEL_LIMIT)
        assert states(site.strac) == ["running"]
