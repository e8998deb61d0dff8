"""The order in which a worker ends."""

from __future__ import annotations

import gevent
import pytest

from stractory.errors import PlacementError, StaleLocation
from stractory.net.address import address
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.dialling import Dial
from stractory.wire.life import Terms
from stractory.worker import server
from stractory.worker.isolation import END_LIMIT
from stractory.worker.pool import CLOSE_LIMIT
from stractory.worker.server import WorkerServer
from tests.support.green import green_until
from tests.support.tickets import located
from tests.worker.test_host import LIMIT, Room, definition, life

REGISTRY = address("127.0.0.1:1")
"""Where there is none."""


@pytest.fixture
def worker(tmp_path):
    ring = keys.load(tmp_path / "cluster.key", create=True)
    return WorkerServer(address("127.0.0.1:0"), [REGISTRY], ring, make_client=lambda: None)


def test_it_leaves_when_its_actors_have_ended(worker, monkeypatch):
    room, goodbyes, announced = Room(), [], []
    monkeypatch.setattr(worker.membership, "announce_leave", lambda: announced.append(room.reached.is_set()))
    monkeypatch.setattr(worker.membership, "leave", lambda: goodbyes.append(room.destroyed))
    methods = worker._for_registry(REGISTRY)
    options = {"init": lambda context: room}
    methods["define"](definition().packed)
    methods["create"](list(life(1)), definition().digest, options)
    room.gate.clear()
    closing = gevent.spawn(worker.close)
    room.reached.wait()
    with pytest.raises(PlacementError, match="about to end"):
        methods["create"](list(life(2, "late")), definition().digest, options)
    assert announced == [False] and not goodbyes
    room.gate.set()
    closing.get(timeout=LIMIT)
    assert goodbyes == [1]


def test_a_pool_waits_for_longer_than_a_worker_takes():
    goodbye = 3.0
    assert max(server.ACTORS_LIMIT, END_LIMIT) + goodbye + server.LINKS_LIMIT < CLOSE_LIMIT


def test_a_suspended_actor_takes_no_connections_and_spares_those_of_others(worker):
    methods = worker._for_registry(REGISTRY)
    options = {"init": lambda context: Room()}
    methods["define"](definition().packed)
    for told in (life(1)._replace(terms=Terms(restart="on-failure")), life(2, "other")):
        methods["create"](list(told), definition().digest, options)
    places = [located(worker._keys, "room", 1), located(worker._keys, "other", 2)]
    room, other = (Dial("actor", place.info.name, place.info.epoch, place.ticket) for place in places)
    link = dial(worker.address, "worker", places[0])
    open = [link.open(room, "room"), link.open(other, "other")]
    for stream in open:
        stream.wait_accepted()
    worker._host.suspend(lambda: None)
    with pytest.raises(StaleLocation):
        link.open(room, "room").wait_accepted()
    assert link.usable
    green_until(lambda: open[0].closed)
    link.open(other, "other").wait_accepted()
    link.close()
    worker.close()
