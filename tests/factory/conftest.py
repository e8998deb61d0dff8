from collections.abc import Iterator

import pytest

import stractory
from tests.support.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Cluster) -> Iterator[stractory.Client]:
    with cluster.client() as client:
        yield client
