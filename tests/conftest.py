"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import stractory
from stractory.net.seldom import refusals
from stractory.proof import keys
from tests.support.cluster import Cluster
from tests.support.etcd import Etcd, running
from tests.support.stores import KEPT_ANYWHERE

# Shells have background jobs ignore it, and what tests start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nothing_left_to_tell() -> Iterator[None]:
    """What a test was refused is neither told of seconds later, among the lines of another, nor keeps those
    from being told."""
    yield
    for heard in refusals._heard.values():
        heard.told, heard.last = 0, None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A registry and two workers; each test uses names of its own."""
    with Cluster(workers=2) as started:
        yield started


@pytest.fixture
def strac(cluster: Cluster) -> Iterator[stractory.Client]:
    """A client of it."""
    with cluster.client() as client:
        yield client


@pytest.fixture(scope="session")
def etcd() -> Iterator[Etcd]:
    """An etcd of one member; each test uses a prefix of its own."""
    yield from running(1)


@pytest.fixture(scope="session")
def started_cluster_of_etcd() -> Iterator[Etcd]:
    yield from running(3)


@pytest.fixture
def three_members(started_cluster_of_etcd: Etcd) -> Iterator[Etcd]:
    """An etcd of three; what a test does to them is mended after it."""
    yield started_cluster_of_etcd
    started_cluster_of_etcd.mend()


@pytest.fixture(params=KEPT_ANYWHERE)
def store_arguments(request: pytest.FixtureRequest) -> list[str]:
    """Those of a registry, whose store is in a file, and again with one in etcd."""
    arguments: list[str] = request.param(request)
    return arguments


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for an actor that no other test has."""
    return str(request.node.name)


@pytest.fixture
def ring(tmp_path: Path) -> keys.KeyRing:
    """The keys of a cluster, in a file."""
    return keys.load(tmp_path / "cluster.key", create=True)
