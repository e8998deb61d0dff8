"""Workers of two registries, which know nothing of each other but by the workers."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

import stractory
from stractory.net.address import address
from stractory.proof import keys
from stractory.worker.server import WorkerServer
from tests.factory.test_isolation import Blocking
from tests.support.actors import Gate
from tests.support.cluster import REGISTRY_READY, Cluster, Daemon, alive, until
from tests.support.faults import let_pass
from tests.support.green import green_until

LEASE = 1.5
SETTINGS = (f"--heartbeat-timeout={LEASE}", "--data-dir=none")

blocking = stractory.rpc(Blocking)


class Pair:
    """``first`` and ``second``: where the registries are, which can be killed and started anew."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._daemons = {cluster.address: cluster.registry}
        cluster.registry = None  # both are ended here
        self.first, self.second = cluster.address, self.start("127.0.0.1:0")

    def start(self, where: str) -> str:
        daemon = self.cluster.daemon("stractory", f"--listen={where}", *SETTINGS)
        where = daemon.wait_line(REGISTRY_READY).removeprefix(REGISTRY_READY)
        self._daemons[where] = daemon
        return where

    def kill(self, where: str) -> None:
        self._daemons.pop(where).kill()

    def client(self, where: str) -> stractory.Client:
        return stractory.client(where, key_file=self.cluster.key_file)

    def knows_a_worker(self, where: str) -> bool:
        with self.client(where) as strac:
            return "running" in [worker.state for worker in strac.workers()]

    def close(self) -> None:
        for daemon in self._daemons.values():
            daemon.end()


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Cluster(workers=0, registry_arguments=SETTINGS) as cluster:
        pair = Pair(cluster)
        yield pair
        pair.close()


@pytest.fixture
def worker(pair: Pair) -> Iterator[WorkerServer]:
    """Of this process, registered with both."""
    worker = WorkerServer(
        address("127.0.0.1:0"),
        [address(pair.first), address(pair.second)],
        keys.load(pair.cluster.key_file),
        make_client=lambda: pair.client(pair.first),
    )
    gevent.spawn(worker.membership.run)
    green_until(lambda: pair.knows_a_worker(pair.first) and pair.knows_a_worker(pair.second))
    yield worker
    worker.close()


@pytest.fixture
def process(pair: Pair) -> Iterator[Daemon]:
    """The same, as a process of its own."""
    where = f"{pair.first},{pair.second}"
    worker = pair.cluster.daemon("stractory-worker", "--listen=127.0.0.1:0", f"--registry={where}")
    green_until(lambda: pair.knows_a_worker(pair.first) and pair.knows_a_worker(pair.second))
    yield worker
    worker.end()


def names(strac: stractory.Client) -> list[tuple[str, str]]:
    return [(info.name, info.state) for info in strac.list()]


def test_what_one_creates_the_other_finds_and_ends(pair: Pair, worker: WorkerServer) -> None:
    with pair.client(pair.first) as one, pair.client(pair.second) as other:
        made = one.create("a", blocking)
        green_until(lambda: names(other) == [("a", "running")])
        assert other.list() == [made]
        assert one.get("a").add() == 1
        assert other.get("a").add() == 2
        with pytest.raises(stractory.ActorExists):
            other.create("a", blocking)
        other.destroy("a")
        green_until(lambda: names(one) == [])
        assert other.create("a", blocking).epoch > made.epoch
        green_until(lambda: names(one) == [("a", "running")])
        assert one.get("a").add() == 1


def test_its_actors_serve_until_neither_registry_answers(pair: Pair, worker: WorkerServer) -> None:
    with pair.client(pair.first) as one, pair.client(pair.second) as other:
        made = one.create("a", blocking, restart="on-failure")
        green_until(lambda: names(other) == [("a", "running")])
        held = other.get("a")
        pair.kill(pair.first)
        let_pass(1.5 * LEASE)
        assert held.add() == 1
        assert other.list("a")[0].epoch == made.epoch
        actor = worker._host.find("a", made.epoch)
        assert not actor.suspended
        pair.kill(pair.second)
        green_until(lambda: actor.suspended)
    pair.start(pair.second)
    green_until(lambda: pair.knows_a_worker(pair.second))
    with pair.client(pair.second) as other:
        assert names(other) == [("a", "running")]
        assert other.get("a").add() == 2
    pair.start(pair.first)
    green_until(lambda: pair.knows_a_worker(pair.first))
    with pair.client(pair.first) as one:
        assert one.get("a").add() == 3


def test_an_isolated_actor_is_one_of_both(pair: Pair, process: Daemon) -> None:
    with pair.client(pair.first) as one, pair.client(pair.second) as other, Gate() as gate:
        other.create("a", blocking, isolate=True, restart="on-failure", options=gate.options)
        green_until(lambda: names(one) == [("a", "running")])
        client = one.get("a")
        pid = client.pid()
        pair.kill(pair.second)
        call = client.with_timeout(60).block.future()
        gate.wait_reached()
        let_pass(1.5 * LEASE)  # its parent speaks for it, to the one that is left
        gate.open()
        assert call.get() == "through"
        assert client.pid() == pid
        one.destroy("a")
        until(lambda: not alive(pid))


def test_a_worker_takes_its_leave_of_both(pair: Pair, process: Daemon) -> None:
    assert process.end() == 0
    for where in (pair.first, pair.second):
        with pair.client(where) as strac:
            assert strac.workers() == []
