"""What happens while a worker runs but its registry cannot reach it."""

from __future__ import annotations

import gevent
import pytest

import stractory
from stractory.errors import UnreachableError
from stractory.net.address import address
from stractory.proof import keys
from stractory.worker import registry_link
from stractory.worker.server import WorkerServer
from tests.factory.test_factory import Leaver, exchange, gated_leaver
from tests.support.actors import Gate, echo
from tests.support.cluster import PATIENCE, Cluster
from tests.support.green import green_until


class Wire:
    """What a worker of this process dials its registry over. It can be cut."""

    def __init__(self, monkeypatch):
        self._dial = registry_link.dial
        self._link = None
        self._cut = False
        monkeypatch.setattr(registry_link, "dial", self.dial)

    def dial(self, *args):
        if self._cut:
            raise UnreachableError("the wire is cut")
        self._link = self._dial(*args)
        return self._link

    def cut(self):
        self._cut = True
        self._link.close(linger=0)

    def mend(self):
        self._cut = False


@pytest.fixture
def wire(monkeypatch):
    """A registry, a worker, the wire between them, and a client."""
    wire = Wire(monkeypatch)
    with Cluster(workers=0) as cluster, cluster.client() as strac:
        worker = WorkerServer(
            address("127.0.0.1:0"),
            [address(cluster.address)],
            keys.load(cluster.key_file),
            make_client=cluster.client,
        )
        gevent.spawn(worker.membership.run)
        worker.membership.registered.wait()
        yield wire, strac
        wire.mend()
        worker.close()


def states(strac):
    return [worker.state for worker in strac.workers()]


def test_names_stay_taken_and_streams_go_on(wire):
    wire, strac = wire
    before = strac.create("a", echo)
    with strac.connect("a") as stream:
        wire.cut()
        green_until(lambda: states(strac) == ["lost"])
        assert exchange(stream) == b"hello"
        with pytest.raises(stractory.ActorExists):
            strac.create("a", echo)
        with pytest.raises(stractory.NoWorkers):
            strac.create("b", echo)
        with strac.connect("a") as another:
            assert exchange(another) == b"hello"
        wire.mend()
        green_until(lambda: states(strac) == ["running"])
        assert strac.list() == [before]
        assert exchange(stream) == b"hello"


def test_what_was_destroyed_meanwhile_ends_when_its_worker_is_back(wire, tmp_path):
    wire, strac = wire
    path = tmp_path / "destroyed"
    old = strac.create("a", Leaver, options={"path": str(path)})
    wire.cut()
    green_until(lambda: states(strac) == ["lost"])
    strac.destroy("a")
    assert strac.list() == []
    assert not path.exists()
    wire.mend()
    green_until(path.exists)
    assert green_until(lambda: states(strac) == ["running"])
    assert strac.create("a", echo).epoch > old.epoch
    assert exchange(strac.get("a")) == b"hello"


def test_what_was_being_destroyed_holds_its_name_until_it_has_ended(wire, tmp_path):
    wire, strac = wire
    path = tmp_path / "destroyed"
    with Gate() as gate:
        strac.create("a", gated_leaver, options={"path": str(path), **gate.options})
        destroying = gevent.spawn(strac.destroy, "a")
        gate.wait_reached()
        wire.cut()
        green_until(lambda: states(strac) == ["lost"])
        wire.mend()
        green_until(lambda: states(strac) == ["running"])
        with pytest.raises(stractory.ActorExists, match="being ended"):
            strac.create("a", echo)
        assert not destroying.ready() and not path.exists()
        gate.open()
        destroying.get(timeout=PATIENCE)
        assert path.exists() and strac.list() == []
