"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import stractory
from tests.support.cluster import Cluster, until
from tests.support.stores import kept_in_a_file

WORKERS = 2


@pytest.fixture(scope="package", params=[kept_in_a_file])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    arguments = [*request.param(request), "--heartbeat-timeout=2"]
    with Cluster(workers=WORKERS, registry_arguments=arguments) as started:
        yield started


@pytest.fixture
def breakable(cluster: Cluster) -> Iterator[Cluster]:
    """A registry and two workers that the test may break: they recover, and the next test has them.

    A worker that is silent for 2 s is given up.
    """
    yield cluster
    with cluster.client() as strac:
        until(lambda: [worker.state for worker in strac.workers()] == ["running"] * WORKERS)
        for info in strac.list():
            strac.destroy(info.name)


@pytest.fixture
def strac(breakable: Cluster) -> Iterator[stractory.Client]:
    """A client of it."""
    with breakable.client() as client:
        yield client


@pytest.fixture
def worker_of(strac: stractory.Client) -> Callable[[stractory.ActorInfo], stractory.WorkerInfo]:
    """The worker that an actor is on."""

    def find(info: stractory.ActorInfo) -> stractory.WorkerInfo:
        (worker,) = [worker for worker in strac.workers() if worker.address == info.worker]
        return worker

    return find
