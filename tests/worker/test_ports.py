"""Actors' own ports, when the actor ends under a connection that is being proved."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent.event import Event

from stractory.actors import zerorpc_session
from stractory.actors.curve import client_keys
from stractory.actors.rpc import Connection, RpcClient
from stractory.errors import AuthError, StaleLocation, StaleTicket
from stractory.net import sockets
from stractory.net.listener import Ports
from stractory.net.serving import Serving
from stractory.net.sockets import SocketStream
from stractory.proof import keys
from stractory.proof.admission import ConnectionLimits, Unproved
from stractory.proof.handshake import Identity, prove_to_client, prove_to_server
from stractory.proof.tickets import Tickets
from stractory.wire.life import Terms
from stractory.wire.shipping import Definition
from stractory.worker import ports as own_ports
from stractory.worker.actor import Actor
from stractory.worker.loading import Loaded
from stractory.worker.ports import ActorPorts
from tests.support.green import green_until
from tests.support.tickets import located
from tests.worker.test_host import LIMIT, Room, definition, life


@pytest.fixture
def ports(ring):
    return ActorPorts(Ports("127.0.0.1", None), ring, Tickets(ring), "loopback")


def make(room, public=False):
    told = life(1)._replace(terms=Terms(public=public))
    actor = Actor(told, Loaded(definition()), {"init": lambda context: room}, lambda: None)
    actor.start()
    return actor


def location(ring, actor):
    return located(ring, actor.life.name, actor.life.epoch)


def reached(ports, actor):
    return SocketStream.over(sockets.connect(ports.open(actor)))


def test_a_ticket_opens_the_port_of_its_actor(ports, ring):
    served = []
    actor = make(lambda stream, address: served.append(address))
    with reached(ports, actor) as stream, gevent.Timeout(LIMIT):
        prove_to_server(stream, "actor", location(ring, actor))
        green_until(lambda: served == [stream.getsockname()])


def test_who_is_revoked_during_the_proof_is_not_served(ports, ring, monkeypatch):
    def prove_and_revoke(*args):
        proved = prove_to_client(*args)
        ring.revoked = frozenset({proved.name})
        return proved

    monkeypatch.setattr(own_ports, "prove_to_client", prove_and_revoke)
    served = []
    actor = make(lambda stream, address: served.append(address))
    with reached(ports, actor) as stream, gevent.Timeout(LIMIT):
        prove_to_server(stream, "actor", location(ring, actor))
        assert stream.recv(1) == b""
    assert not served


@pytest.mark.parametrize(("name", "epoch"), [("other", 1), ("room", 7)])
def test_a_ticket_to_another_life_is_stale(ports, ring, name, epoch):
    actor = make(Room())
    with reached(ports, actor) as stream, gevent.Timeout(LIMIT), pytest.raises(StaleTicket):
        prove_to_server(stream, "actor", located(ring, name, epoch))


def test_an_actor_that_has_ended_meanwhile_is_stale(ports, ring):
    actor = make(Room())
    with reached(ports, actor) as stream, gevent.Timeout(LIMIT):
        actor.end()
        with pytest.raises(StaleTicket):
            prove_to_server(stream, "actor", location(ring, actor))


def test_those_at_all_own_ports_are_counted_together(ring):
    ports = ActorPorts(
        Ports("127.0.0.1", None),
        ring,
        Tickets(ring),
        "loopback",
        unproved=Unproved(ConnectionLimits(unproved=1)),
    )
    one, other = make(Room()), make(Room())
    with SocketStream.over(sockets.connect(ports.open(one))) as first, gevent.Timeout(LIMIT):
        assert first.recv(100)
        with SocketStream.over(sockets.connect(ports.open(other))) as second:
            assert second.recv(100) and not first.recv(100)


def test_a_public_port_takes_nobody_once_its_actor_has_ended(ports):
    actor = make(Room(), public=True)
    with SocketStream.over(sockets.connect(ports.open(actor))) as stream, gevent.Timeout(LIMIT):
        actor.end()  # before the port's green thread has seen the connection
        with pytest.raises(ConnectionResetError):
            stream.recv(1)


def test_a_port_is_closed_before_destroy_runs(ports):
    room = Room()
    room.gate.clear()
    actor = make(room, public=True)
    where = ports.open(actor)
    ending = gevent.spawn(actor.end)
    room.reached.wait()
    with pytest.raises(ConnectionError):
        sockets.connect(where)
    room.gate.set()
    ending.get(timeout=LIMIT)


def test_an_actor_that_has_ended_gets_no_port(ports):
    actor = make(Room())
    actor.end()
    with pytest.raises(StaleLocation):
        ports.open(actor)


@pytest.mark.parametrize("public", [False, True])
def test_a_line_is_logged_for_a_public_port(ports, caplog, public):
    caplog.set_level(logging.INFO)
    actor = make(Room(), public)
    where = ports.open(actor)
    told = [f"actor 'room' is public at {where}"] if public else []
    assert [record.getMessage() for record in caplog.records] == told
    actor.end()


def make_rpc(public):
    told = life(1)._replace(kind="rpc", terms=Terms(public=public))
    loaded = Loaded(Definition("rpc", definition().init, None, {}))
    actor = Actor(told, loaded, {"init": lambda context: {"add": max}}, lambda: None)
    actor.start()
    return actor


def test_a_session_at_the_port_of_an_rpc_actor_ends_when_that_is_suspended(ports):
    actor = make_rpc(public=True)
    carrier = zerorpc_session.dial(f"tcp://{ports.open(actor)}", "actor 'room'", "room", 1)
    with RpcClient(Connection(carrier, Serving())) as client, gevent.Timeout(LIMIT):
        assert client.add(1, 2) == 2
        over = Event()
        client.on_close(over.set)
        actor.suspend()
        over.wait()
    actor.suspended = False
    again = zerorpc_session.dial(f"tcp://{ports.open(actor)}", "actor 'room'", "room", 1)
    with RpcClient(Connection(again, Serving())) as client, gevent.Timeout(LIMIT):
        assert client.add(1, 2) == 2
    actor.end()
    assert not actor._streams


def test_a_locked_port_lets_in_who_asked_for_it(ports, ring):
    actor = make_rpc(public=False)
    alex, bob = (Identity(keys.CLIENT, name, name.encode() * 8) for name in ("alex", "bobo"))
    number, key = ports.admit(actor, alex)
    assert ports.open(actor).port == number

    def add(identity):
        curve = client_keys(key, identity.session, "room", 1)
        carrier = zerorpc_session.dial(f"tcp://127.0.0.1:{number}", "actor 'room'", "room", 1, curve=curve)
        with RpcClient(Connection(carrier, Serving())) as client, gevent.Timeout(LIMIT):
            return client.add(1, 2)

    assert add(alex) == 2
    with pytest.raises(AuthError):
        add(bob)
    assert ports.admit(actor, bob) == (number, key)
    assert add(bob) == 2

    ring.revoked = frozenset({"bobo"})
    with pytest.raises(AuthError, match="bobo is revoked"):
        ports.admit(actor, bob)
    ports.end_revoked()
    number, key = ports.admit(actor, alex)
    assert add(alex) == 2
    with pytest.raises(AuthError):
        add(bob)
    ports.end_revoked()
    assert ports.admit(actor, alex) == (number, key)  # of this one bob knows nothing
    actor.end()


def test_who_asks_for_a_port_without_keys_is_told_of_none(ports):
    for actor in (make(Room()), make_rpc(public=True)):
        assert ports.admit(actor, Identity(keys.CLIENT, "alex", b"s" * 32)) == (ports.open(actor).port, None)
        actor.end()
