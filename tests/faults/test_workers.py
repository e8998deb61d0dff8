"""A worker dies, stands still, or its actors go wrong."""

from __future__ import annotations

import os
import signal

import gevent
import pytest

import stractory
from tests.factory.test_factory import exchange, read_all
from tests.faults.test_registry import gated
from tests.support.actors import Gate, echo, gated_echo
from tests.support.cluster import until
from tests.support.faults import let_pass, standing_still


def test_who_uses_a_worker_that_is_killed(strac, worker_of):
    """Row 6."""
    with Gate() as gate:
        info = strac.create("a", stractory.rpc(gated), options=gate.options)
        client = strac.get("a")
        under_way = client.wait.future()
        gate.wait_reached()
        os.kill(worker_of(info).pid, signal.SIGKILL)
        with pytest.raises(stractory.ActorLost):
            under_way.get(timeout=20)
        with pytest.raises(stractory.ActorLost):
            client.wait()
        until(lambda: not strac.list())
        with pytest.raises(stractory.ActorNotFound):
            strac.get("a")


def test_a_worker_that_stands_still_for_a_moment(strac, worker_of):
    """Row 7."""
    infos = [strac.create(f"a{number}", echo) for number in range(6)]
    workers = {worker.pid for worker in strac.workers()}
    streams = strac.connect([info.name for info in infos])
    with standing_still(worker_of(infos[0]).pid):
        let_pass(0.8)  # of a lease of two seconds, less two heartbeats
    assert [exchange(stream) for stream in streams] == [b"hello"] * 6
    let_pass(2)
    assert {info.name: info for info in strac.list()} == {info.name: info for info in infos}
    assert {worker.pid for worker in strac.workers()} == workers


def test_a_worker_that_dies_in_a_create(strac, worker_of):
    """Row 17."""
    with Gate() as gate:
        creating = gevent.spawn(strac.create, "a", gated_echo, options=gate.options, timeout=20)
        gate.wait_reached()
        (info,) = strac.list()
        os.kill(worker_of(info).pid, signal.SIGKILL)
        with pytest.raises(stractory.ActorLost):
            creating.get(timeout=20)
    again = strac.create("a", echo, if_exists="get")
    assert again.epoch > info.epoch
    assert exchange(strac.get("a")) == b"hello"


def failing(options):
    """An rpc actor whose methods raise what might end more than a call."""
    import gevent

    def dive():
        dive()

    def fail(what):
        raise {
            "SystemExit": SystemExit(3),
            "KeyboardInterrupt": KeyboardInterrupt(),
            "SystemError": SystemError("bad"),
            "MemoryError": MemoryError(),
            "GreenletExit": gevent.GreenletExit(),
            "Timeout": gevent.Timeout(7),
        }[what]

    return {"dive": dive, "fail": fail, "add": lambda a, b: a + b}


@pytest.mark.parametrize(
    "what",
    ["SystemExit", "KeyboardInterrupt", "SystemError", "MemoryError", "GreenletExit", "Timeout", "Recursion"],
)
@pytest.mark.parametrize("direct", [False, True], ids=["link", "zerorpc"])
def test_what_a_method_raises_is_its_calls_alone(strac, what, direct):
    """Row 22."""
    with Gate() as gate:
        strac.create("failing", stractory.rpc(failing), public=True)
        strac.create("gated", stractory.rpc(gated), options=gate.options)
        pids = [worker.pid for worker in strac.workers()]
        client = strac.connect("failing", direct=direct)
        under_way = strac.get("gated").wait.future()
        gate.wait_reached()
        with pytest.raises(stractory.RemoteError, match=what):
            client.dive() if what == "Recursion" else client.fail(what)
        assert client.add(1, 2) == 3
        gate.open()
        assert under_way.get(timeout=20) == "through"
        assert [worker.pid for worker in strac.workers()] == pids


class Landlord:
    """An actor with a green thread and a port of its own, which its destroy() ends."""

    def __init__(self, options):
        import gevent
        from gevent.server import StreamServer

        self.ticking = gevent.spawn(self.tick)
        self.server = StreamServer(("127.0.0.1", options["port"]), lambda sock, peer: sock.sendall(b"mine"))
        self.server.start()

    def tick(self):
        from gevent.event import Event

        Event().wait()

    def __call__(self, stream, address):
        stream.sendall(b"%d" % self.server.server_port)
        for data in stream:
            stream.sendall(data)

    def destroy(self):
        self.ticking.kill()
        self.server.stop()


def test_a_destroyed_actor_gives_back_what_it_had(strac):
    """Row 23."""
    old = strac.create("a", Landlord, options={"port": 0})
    stream = strac.connect("a")
    port = int(stream.recv(100))
    strac.destroy("a")
    with pytest.raises(stractory.ActorEnded):
        read_all(stream)
    for _ in range(3):  # at the same port, whichever worker it is on
        new = strac.create("a", Landlord, options={"port": port}, if_exists="replace")
        assert new.epoch > old.epoch
        assert strac.connect("a").recv(100) == b"%d" % port
