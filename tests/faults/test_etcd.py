"""What clients see while etcd takes nothing: creations are refused with its reason, and all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import stractory
from stractory.errors import StoreError, StoreFull, StoreUnreachable, StoreWithoutQuorum
from tests.factory.test_factory import exchange
from tests.lasting.test_coming_back import counter
from tests.support.actors import echo
from tests.support.cluster import Cluster
from tests.support.etcd import Etcd, running
from tests.support.green import green_until
from tests.support.stores import settings_for


class Served:
    """A factory with two actors, one of which is held by a client."""

    def __init__(self, cluster: Cluster, strac: stractory.Client) -> None:
        self.strac = strac
        self._cluster = cluster
        strac.create("counter", stractory.rpc(counter))
        strac.create("room", echo)
        self._held = strac.get("counter")
        self._count = 0

    def check(self) -> None:
        """What is held goes on, and names that are known are found, by newcomers too."""
        self._count += 1
        assert self._held.add() == self._count
        with self._cluster.client() as newcomer, newcomer.connect("room") as stream:
            assert exchange(stream) == b"hello"

    def refuses(self, error: type[StoreError], why: str) -> bool:
        """Whether a creation fails for this reason, and leaves nothing."""
        with pytest.raises(StoreError) as caught:
            self.strac.create("hall", echo)
        assert self.strac.list("hall") == []
        return caught.type is error and why in str(caught.value)

    def creates(self) -> bool:
        """Whether a creation does not fail any more."""
        with suppress(StoreError):
            self.strac.create("hall", echo)
            return True
        return False


@contextmanager
def factory(etcd: Etcd) -> Iterator[Served]:
    with Cluster(workers=1, registry_arguments=settings_for(etcd)) as cluster, cluster.client() as strac:
        yield Served(cluster, strac)


def test_etcd_without_quorum_and_then_without_an_endpoint(three_members: Etcd) -> None:
    """Row 45."""
    with factory(three_members) as served:
        *others, last = three_members.members
        for member in others:
            member.kill()
        green_until(lambda: served.refuses(StoreWithoutQuorum, f"etcd has no quorum: {last.endpoint}"))
        served.check()
        last.kill()
        green_until(lambda: served.refuses(StoreUnreachable, "no endpoint of etcd answers"))
        served.check()
        three_members.mend()
        green_until(served.creates)
        served.check()


@pytest.fixture
def small_etcd() -> Iterator[Etcd]:
    yield from running(1, "--quota-backend-bytes=3000000")


def test_a_full_etcd(small_etcd: Etcd) -> None:
    """Row 45: an operator makes room, and all is as before."""
    with factory(small_etcd) as served:
        with pytest.raises(StoreFull, match=r"etcd is full .*database space exceeded"):
            for number in range(10):
                large = {"filling": "x" * 900_000}
                served.strac.create(f"large-{number}", echo, options=large, restart="always")
        assert served.refuses(StoreFull, "etcd is full")
        served.check()
        for info in served.strac.list("large-*"):
            served.strac.destroy(info.name)
        small_etcd.make_room()
        green_until(served.creates)
        served.check()
