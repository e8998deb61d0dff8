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


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for an actor that no other test has."""
    return str(request.node.name)


@pytest.fixture
def ring(tmp_path: Path) -> keys.KeyRing:
    """The keys of a cluster, in a file."""
    return keys.load(tmp_path / "cluster.key", create=True)
