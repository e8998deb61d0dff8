"""What the tests of actors that outlive their workers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import stractory
from tests.support.cluster import Cluster
from tests.support.green import green_until
from tests.support.stores import kept_in_a_file


@pytest.fixture(scope="module", params=[kept_in_a_file])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A registry and two workers that the test may break: they recover, and the next test has them."""
    with Cluster(workers=2, registry_arguments=request.param(request)) as cluster:
        yield cluster


@pytest.fixture
def strac(cluster: Cluster) -> Iterator[stractory.Client]:
    """A client of it, when all its workers are there; what is left in the end is destroyed."""
    with cluster.client() as strac:
        green_until(lambda: [worker.state for worker in strac.workers()] == ["running"] * 2)
        yield strac
        for info in strac.list():
            strac.destroy(info.name)
