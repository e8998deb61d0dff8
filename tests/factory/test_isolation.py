"""Actors with a process of their own, which may block, on real workers that are killed."""

from __future__ import annotations

import os
import signal
import socket

import gevent
import pytest

import stractory
from tests.support.actors import Gate, echo, multicast
from tests.support.cluster import Cluster, alive, until
from tests.support.faults import let_pass
from tests.support.green import green_until, next_event

LEASE = 1.5
SHORT = ["--block-report=0.1", "--block-interrupt=0.5", "--block-exit=1"]
"""What an actor that is not isolated is stopped for, and its worker ended."""


class Blocking:
    """Blocks its process, and tells which that is."""

    def __init__(self, options):
        self.options = options
        self.count = 0
        if options.get("init") == "raise":
            raise ValueError("not today")
        if options.get("init") == "exit":
            os._exit(5)
        if options.get("init") == "hang":
            self.hang()

    def add(self):
        self.count += 1
        return self.count

    def pid(self):
        return os.getpid()

    def parent(self):
        return os.getppid()

    def block(self):
        """Until the gate is opened; not a turn of the loop until then."""
        from gevent.monkey import get_original

        plain = get_original("socket", "socket")()
        plain.connect(tuple(self.options["gate"]))
        plain.recv(1)
        plain.close()
        self.count += 1
        return "through"

    def hang(self):
        """For ever: no other thread of the process runs, and no signal handler."""
        import ctypes

        while True:
            ctypes.PyDLL(None).pause()

    def block_for_ever(self):
        """From when the gate is opened."""
        self.block()
        self.hang()

    def exit(self, status):
        os._exit(status)

    def destroy(self):
        if path := self.options.get("destroyed"):
            with open(path, "a") as file:
                file.write("destroyed\n")


blocking = stractory.rpc(Blocking)


@pytest.fixture(scope="module")
def cluster():
    with Cluster(
        workers=2, registry_arguments=[f"--heartbeat-timeout={LEASE}"], pool_arguments=SHORT
    ) as cluster:
        yield cluster


@pytest.fixture
def strac(cluster):
    with cluster.client() as strac:
        green_until(lambda: len(pool_of(strac)) == 2)
        yield strac
        for info in strac.list():
            strac.destroy(info.name)
        green_until(lambda: [worker.isolated for worker in strac.workers()] == [False] * 2)


def pool_of(strac):
    """The workers that run and are nobody's own."""
    return [worker for worker in strac.workers() if worker.state == "running" and not worker.isolated]


def blocked(client, gate, method="block"):
    """A call that blocks its actor, for as long as the gate is closed."""
    call = client.with_timeout(60)[method].future()
    gate.wait_reached()
    return call


def test_it_has_a_process_of_its_own_that_ends_with_it(strac):
    info = strac.create("a", blocking, isolate=True)
    assert info.isolated and strac.list("a") == [info]
    (own,) = [worker for worker in strac.workers() if worker.isolated]
    client = strac.get("a")
    assert (own.address, own.pid, own.actors) == (info.worker, client.pid(), 1)
    assert client.parent() in [worker.pid for worker in pool_of(strac)]
    strac.destroy("a")
    until(lambda: not alive(own.pid))
    green_until(lambda: not [worker for worker in strac.workers() if worker.isolated])


def test_others_are_placed_beside_it(strac):
    own = strac.create("a", blocking, isolate=True)
    infos = [strac.create(f"b{number}", echo) for number in range(10)]
    assert own.worker not in [info.worker for info in infos]


def test_it_may_block_for_longer_than_all_limits(strac, cluster):
    with Gate() as gate:
        info = strac.create("a", blocking, isolate=True, options=gate.options)
        others = [strac.create(f"b{number}", stractory.rpc(Blocking)) for number in range(4)]
        client = strac.get("a")
        pid = client.pid()
        call = blocked(client, gate)
        with cluster.client() as another:
            late = gevent.spawn(lambda: another.connect("a").with_timeout(60).pid())
            for _ in range(6):  # of a lease, of the proof of the key, of all block-... limits
                let_pass(1)
                assert [strac.get(other.name).add() for other in others]
            assert strac.list("a") == [info]
            assert not (call.ready() or late.ready())
            gate.open()
            assert call.get(timeout=20) == "through"
            assert late.get(timeout=20) == client.pid() == pid


def sink(options):
    """Takes nothing until the gate is opened, and tells how much it took then."""

    def handle(stream, address):
        Blocking(options).block()
        stream.sendall(b"%d" % sum(map(len, stream)))

    return handle


def test_for_longer_than_silence_is_taken_for_death(strac):
    """TCP's user timeout is 20 s, and clients of zerorpc want a sign of life in 10 to 15."""
    with Gate() as gate:
        strac.create("a", blocking, isolate=True, options=gate.options)
        strac.create("sink", sink, isolate=True, options=gate.options)
        direct = strac.connect("a", direct=True)
        call = blocked(direct, gate)
        stream = strac.connect("sink")
        gate.wait_reached()
        sending = gevent.spawn(stream.sendall, bytes(1 << 20))
        let_pass(22)
        assert not sending.ready()
        gate.open()
        assert call.get(timeout=20) == "through"
        assert direct.add() == 2
        sending.get(timeout=20)
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(100) == b"%d" % (1 << 20)


def test_destroy_ends_one_that_blocks(strac):
    with Gate() as gate:
        options = {"init": "hang"}
        starting = gevent.spawn(strac.create, "b", blocking, isolate=True, options=options, timeout=5)
        strac.create("a", blocking, isolate=True, options=gate.options)
        client = strac.get("a")
        pid = client.pid()
        call = blocked(client, gate, "block_for_ever")
        gate.open()
        strac.destroy("a")  # after the time that a destroy() has
        until(lambda: not alive(pid))
        with pytest.raises(ConnectionError):
            call.get(timeout=20)
        strac.create("a", echo)
        with pytest.raises(stractory.CallTimeout):
            starting.get(timeout=20)
        until(lambda: not strac.list("b"))


def test_kill_of_its_process(strac):
    strac.create("a", blocking, isolate=True)
    client = strac.get("a")
    parent = client.parent()
    os.kill(client.pid(), signal.SIGKILL)
    green_until(lambda: client.closed)
    with pytest.raises(stractory.ActorLost):
        client.add()
    until(lambda: not strac.list())
    assert alive(parent)


def test_its_code_ends_its_process(strac):
    strac.create("a", blocking, isolate=True)
    with pytest.raises(stractory.ActorLost):
        strac.get("a").exit(3)
    until(lambda: not strac.list())


@pytest.mark.parametrize("method", [None, "block", "block_for_ever"])
def test_kill_of_its_parent_leaves_nothing_behind(strac, method):
    with Gate() as gate:
        strac.create("a", blocking, isolate=True, options=gate.options)
        client = strac.get("a")
        pid, parent = client.pid(), client.parent()
        if method:
            blocked(client, gate, method)
        if method == "block_for_ever":
            gate.open()
        os.kill(parent, signal.SIGKILL)
        until(lambda: not alive(pid))
        until(lambda: not strac.list())


@pytest.mark.parametrize("victim", ["pid", "parent"])
def test_it_comes_back_in_a_process_of_its_own(strac, victim):
    first = strac.create("a", blocking, isolate=True, restart="on-failure")
    client = strac.get("a")
    assert client.add() == 1
    pid = client.pid()
    os.kill(client[victim](), signal.SIGKILL)
    green_until(lambda: client.closed)
    assert client.add() == 1
    (now,) = strac.list("a")
    assert now.isolated and now.epoch > first.epoch and client.pid() != pid
    assert {worker.address: worker.isolated for worker in strac.workers()}[now.worker]


def test_an_init_that_fails(strac):
    with pytest.raises(stractory.ActorStartFailed, match="not today"):
        strac.create("a", blocking, isolate=True, options={"init": "raise"})
    with pytest.raises(stractory.ActorLost):
        strac.create("a", blocking, isolate=True, options={"init": "exit"})
    until(lambda: not strac.list())
    green_until(lambda: not [worker for worker in strac.workers() if worker.isolated])
    strac.create("a", blocking, isolate=True)


def test_its_parent_is_drained(strac, tmp_path):
    options = {"destroyed": str(tmp_path / "destroyed")}
    strac.create("a", blocking, isolate=True, options=options)
    strac.create("b", blocking, isolate=True, options=options, restart="on-failure")
    lasting = strac.get("b")
    pids = [strac.get(name).pid() for name in "ab"]
    for parent in {strac.get(name).parent() for name in "ab"}:
        os.kill(parent, signal.SIGTERM)
    until(lambda: not any(alive(pid) for pid in pids))
    assert (tmp_path / "destroyed").read_text().split() == ["destroyed"] * 2
    green_until(lambda: lasting.closed)
    assert lasting.with_timeout(30).add() == 1
    assert [info.name for info in strac.list()] == ["b"]


@pytest.mark.parametrize("restart", ["never", "on-failure"])
def test_the_registry_is_killed_and_comes_back(strac, cluster, restart):
    info = strac.create("a", blocking, isolate=True, restart=restart)
    assert strac.get("a").add() == 1
    cluster.restart_registry()
    green_until(lambda: [now.state for now in strac.list("a")] == ["running"])
    assert strac.list("a") == [info]
    assert strac.get("a").add() == 2
    assert [worker.isolated for worker in strac.workers() if worker.address == info.worker] == [True]
    let_pass(1.5 * LEASE)
    assert strac.list("a") == [info]


def test_a_registry_that_comes_back_hears_of_one_that_blocks(strac, cluster):
    with Gate() as gate:
        info = strac.create("a", blocking, isolate=True, options=gate.options)
        call = blocked(strac.get("a"), gate)
        cluster.restart_registry()
        green_until(lambda: strac.list("a") == [info._replace(state="lost")])
        with pytest.raises(stractory.ActorExists):
            strac.create("a", echo)
        let_pass(1.5 * LEASE)
        assert strac.list("a") == [info._replace(state="lost")]
        gate.open()
        assert call.get(timeout=20) == "through"
        green_until(lambda: strac.list("a") == [info])


def test_what_it_says_when_it_may_live_elsewhere_is_for_nobody(strac, cluster):
    with Gate() as gate:
        info = strac.create("a", blocking, isolate=True, restart="on-failure", options=gate.options)
        call = blocked(strac.connect("a"), gate)
        cluster.kill_registry()
        let_pass(LEASE)  # two thirds of it are enough
        gate.open()
        with pytest.raises(ConnectionError):
            call.get(timeout=20)
        cluster.restart_registry()
        green_until(lambda: strac.list("a") == [info])
        assert strac.get("a").add() == 2  # it has its state


def test_a_worker_has_only_so_many():
    with Cluster(workers=2, pool_arguments=["--isolated-limit=1"]) as cluster, cluster.client() as strac:
        first, second = [strac.create(name, blocking, isolate=True) for name in "ab"]
        assert strac.get("a").parent() != strac.get("b").parent()
        with pytest.raises(stractory.WorkerFull, match="isolated-limit"):
            strac.create("c", blocking, isolate=True)
        strac.create("d", echo)
        strac.destroy("a")
        green_until(lambda: not [worker for worker in strac.workers() if worker.address == first.worker])
        assert strac.create("c", blocking, isolate=True).worker != second.worker


def test_a_stream_actor(strac):
    info = strac.create("a", echo, isolate=True, public=True)
    for stream in strac.connect("a"), strac.connect("a", direct=True):
        with stream:
            stream.sendall(b"hello")
            assert stream.recv(5) == b"hello"
    host, _, port = strac.endpoint(info.name).removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(b"hello")
        assert plain.recv(5) == b"hello"


def test_an_eventemitter(strac):
    strac.create("a", stractory.eventemitter(multicast), isolate=True)
    client = strac.get("a")
    heard = next_event(client, "counted")
    client.emit("count")
    assert heard.get(timeout=20) == 1


def test_a_child_process(strac):
    strac.create("a", stractory.spawn("sh", ["-c", "read line; echo $line; exit 3"]), isolate=True)
    (own,) = [worker for worker in strac.workers() if worker.isolated]
    child = strac.connect("a")
    child.sendall(b"hello\n")
    assert child.recv(6) == b"hello\n"
    until(lambda: not alive(own.pid))
    until(lambda: not strac.list())
