"""Actors whose state outlives their worker: killed, drained, and while the registry is away."""

from __future__ import annotations

import contextlib
import json
import os
import signal

import gevent
import pytest

import stractory
from stractory.wire.life import SNAPSHOT_LIMIT
from tests.faults.test_store import no_file_grows
from tests.support.cluster import Cluster, until
from tests.support.green import green_until, next_event
from tests.support.stores import on_every_store


def counter(options):
    """Counts on from what the life before has left, and says how often its state was taken."""
    import os

    class Counter:
        def __init__(self):
            self.count = self.taken = 0
            self.listeners = []

        def add(self, many=1):
            self.count += many
            for listener in self.listeners:
                listener(self.count)
            return self.count

        def listen(self, function):
            self.listeners.append(function)

        def state(self):
            return self.count, self.taken

        def become(self, state):
            self.count = state

        def pid(self):
            return os.getpid()

        def snapshot(self):
            self.taken += 1
            return self.count, self.taken

        def restore(self, state):
            if "flag" in options and not os.path.exists(options["flag"]):
                raise LookupError("there is no flag")
            self.count, self.taken = state

    return Counter()


def create(strac, snapshot="each call", **options):
    return strac.create(
        "counter", stractory.rpc(counter), restart="on-failure", snapshot=snapshot, options=options
    )


def send_to_worker_of(strac, name, number):
    handle = strac.get(name)
    os.kill(handle.pid(), number)
    green_until(lambda: handle.closed)


class Crowd:
    """Clients that add one, again and again, as fast as they are answered, until each was ``times`` times."""

    def __init__(self, cluster, times, clients=4):
        self.acknowledged = self.attempted = 0
        self.errors = []
        self._clients = [cluster.client() for _ in range(clients)]
        self._tasks = [gevent.spawn(self._add, client, times) for client in self._clients]

    def _add(self, client, times):
        done = 0
        while done < times:
            self.attempted += 1
            try:
                client.get("counter").add()
            except (ConnectionError, stractory.Recovering) as error:  # nobody knows how far a call got
                self.errors.append(error)
            else:
                self.acknowledged += 1
                done += 1

    def join(self):
        gevent.joinall(self._tasks, timeout=60, raise_error=True)
        for client in self._clients:
            client.close()


# ---- each call -------------------------------------------------------------------------------------------


@on_every_store
def test_no_acknowledged_call_is_lost_when_the_worker_is_killed(strac, cluster):
    create(strac)
    pid = strac.get("counter").pid()
    crowd = Crowd(cluster, times=50)
    green_until(lambda: crowd.acknowledged >= 80)
    os.kill(pid, signal.SIGKILL)
    crowd.join()
    count = strac.get("counter").state()[0]
    assert crowd.acknowledged == 200 <= count <= crowd.attempted
    assert crowd.errors and strac.get("counter").pid() != pid


@on_every_store
def test_each_state_is_there_at_once(strac):
    create(strac)
    for count in range(1, 4):
        assert strac.get("counter").add() == count
        send_to_worker_of(strac, "counter", signal.SIGKILL)


def test_calls_wait_for_a_registry_that_is_away(store_arguments):
    with Cluster(workers=1, registry_arguments=store_arguments) as cluster, cluster.client() as strac:
        create(strac)
        handle = strac.get("counter")
        assert handle.add() == 1
        crowd = Crowd(cluster, times=30, clients=2)
        green_until(lambda: crowd.acknowledged >= 10)
        cluster.kill_registry()
        calls = [gevent.spawn(handle.add) for _ in range(5)]
        with pytest.raises(stractory.CallTimeout):
            handle.with_timeout(0.3).add()
        assert not any(call.ready() for call in calls)
        cluster.restart_registry()
        for call in calls:
            call.get(timeout=30)
        crowd.join()
        count = handle.state()[0]
        assert count - crowd.acknowledged - len(calls) in (1, 2)  # the late one may not have had its turn
        send_to_worker_of(strac, "counter", signal.SIGKILL)
        assert strac.get("counter").state()[0] == count


def test_no_acknowledged_call_is_lost_when_worker_and_registry_are_killed(store_arguments):
    with Cluster(workers=2, registry_arguments=store_arguments) as cluster, cluster.client() as strac:
        create(strac)
        pid = strac.get("counter").pid()
        crowd = Crowd(cluster, times=30)
        green_until(lambda: crowd.acknowledged >= 50)
        cluster.kill_registry()
        os.kill(pid, signal.SIGKILL)
        cluster.restart_registry()
        crowd.join()
        count = strac.get("counter").state()[0]
        assert crowd.acknowledged == 120 <= count <= crowd.attempted


def test_a_full_disk_is_told_to_the_caller():
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        create(strac)
        handle = strac.get("counter")
        with no_file_grows(cluster.registry.pid), pytest.raises(stractory.SnapshotFailed, match="written"):
            handle.become("x" * 400_000)
        until(lambda: strac.list()[0].problem)
        green_until(lambda: kept(handle.become, 3))
        send_to_worker_of(strac, "counter", signal.SIGKILL)
        assert strac.get("counter").add() == 4


def kept(change, *args):
    with contextlib.suppress(stractory.SnapshotFailed):
        change(*args)
        return True


def test_listeners_hear_of_what_is_durable(strac, cluster):
    create(strac)
    heard = []
    with cluster.client() as other:
        other.get("counter").listen(heard.append)
        assert strac.get("counter").add() == 1
        green_until(lambda: heard == [1])


def test_zerorpc_clients_wait_as_well(strac):
    import zerorpc

    strac.create("counter", stractory.rpc(counter), restart="on-failure", snapshot="each call", public=True)
    client = zerorpc.Client(strac.endpoint("counter"))
    assert [client.add(), client.add()] == [1, 2]
    client.close()
    send_to_worker_of(strac, "counter", signal.SIGKILL)
    assert strac.get("counter").state()[0] == 2


@on_every_store
@pytest.mark.parametrize(
    ("state", "addend", "told"),
    [("", "x" * SNAPSHOT_LIMIT, "at most 1048576 are kept"), (2**64 - 1, 1, "OverflowError")],
)
def test_a_state_that_cannot_be_kept(strac, state, addend, told):
    create(strac)
    handle = strac.get("counter")
    handle.become(state)
    with pytest.raises(stractory.SnapshotFailed, match=f"the call has run, but .*{told}"):
        handle.add(addend)
    until(lambda: told in strac.list("counter")[0].problem)
    handle.become(3)
    until(lambda: strac.list("counter")[0].problem == "")
    assert handle.add() == 4


# ---- every so many seconds -------------------------------------------------------------------------------


@on_every_store
def test_a_killed_worker_leaves_what_was_last_kept(strac):
    create(strac, snapshot=0.1)
    handle = strac.get("counter")
    assert handle.add(7) == 7
    green_until(lambda: handle.state()[1] >= 2)  # the second is taken when the first is kept
    send_to_worker_of(strac, "counter", signal.SIGKILL)
    count, taken = strac.get("counter").state()
    assert count == 7 and taken >= 1


@on_every_store
def test_a_drained_worker_leaves_all_there_was(strac, cluster):
    create(strac, snapshot=600)
    handle = strac.get("counter")
    pid = handle.pid()
    crowd = Crowd(cluster, times=100)
    green_until(lambda: crowd.acknowledged >= 100)
    os.kill(pid, signal.SIGTERM)
    crowd.join()  # which may have been answered wholly before the worker heard of its end
    green_until(lambda: handle.closed)
    count = strac.get("counter").state()[0]
    assert crowd.acknowledged == 400 <= count <= crowd.attempted
    assert strac.get("counter").pid() != pid


def test_an_eventemitter_goes_on_from_its_state(strac):
    def board(options):
        class Board:
            def __init__(self):
                self.lines = []

            def __call__(self, emitter):
                emitter.on("write", self.lines.append)
                emitter.on("read", lambda: emitter.emit("lines", [os.getpid(), self.lines]))

            def snapshot(self):
                return self.lines

            def restore(self, lines):
                self.lines = lines

        import os

        return Board()

    def read():
        emitter = strac.connect("board")
        heard = next_event(emitter, "lines")
        emitter.emit("read")
        return heard.get(timeout=20)

    strac.create("board", stractory.eventemitter(board), restart="on-failure", snapshot=600)
    strac.get("board").emit("write", "one line")
    green_until(lambda: read()[1] == ["one line"])
    before = strac.connect("board")
    os.kill(read()[0], signal.SIGTERM)
    green_until(lambda: before.closed)
    assert read()[1] == ["one line"]


def test_a_stream_actor_goes_on_from_its_state(strac):
    def lines(options):
        class Lines:
            snapshot_any_time = True

            def __init__(self):
                self.count = 0

            def __call__(self, stream, address):
                for _ in stream.makefile("rb"):
                    self.count += 1
                    stream.sendall(json.dumps([os.getpid(), self.count]).encode())

            def snapshot(self):
                return self.count

            def restore(self, count):
                self.count = count

        import json
        import os

        return Lines()

    strac.create("lines", stractory.stream(lines), restart="on-failure", snapshot=600)
    with strac.connect("lines") as stream:
        stream.sendall(b"one\n")
        pid, count = json.loads(stream.recv(100))
        assert count == 1
        os.kill(pid, signal.SIGTERM)
        with pytest.raises(ConnectionError):
            stream.recv(100)
    with strac.connect("lines") as stream:
        stream.sendall(b"two\n")
        assert json.loads(stream.recv(100))[1] == 2


# ---- the next life, and none ------------------------------------------------------------------------------


@on_every_store
def test_a_restore_that_fails_is_tried_again_with_the_same_state(strac, tmp_path):
    create(strac, flag=str(tmp_path / "flag"))
    assert strac.get("counter").add() == 1
    first = strac.list("counter")[0].epoch
    os.kill(strac.get("counter").pid(), signal.SIGKILL)
    until(lambda: strac.list("counter")[0].state == "waiting" and strac.list("counter")[0].epoch > first)
    (tmp_path / "flag").touch()
    green_until(lambda: strac.list("counter")[0].state == "running")
    assert strac.get("counter").add() == 2


@on_every_store
def test_what_is_destroyed_or_replaced_leaves_nothing(strac):
    create(strac)
    assert strac.get("counter").add() == 1
    strac.destroy("counter")
    create(strac)
    assert strac.get("counter").add() == 1
    strac.create(
        "counter",
        stractory.rpc(counter),
        restart="on-failure",
        snapshot="each call",
        if_exists="replace",
    )
    send_to_worker_of(strac, "counter", signal.SIGKILL)
    assert strac.get("counter").add() == 1


def test_what_cannot_have_snapshots(strac):
    def bare(options):
        return {"snapshot": list, "join": print}

    def handler(options):
        def handle(stream, address): ...

        handle.snapshot, handle.restore = list, print
        return handle

    terms = {"restart": "on-failure", "snapshot": 5}
    with pytest.raises(stractory.ActorStartFailed, match=r"the dict that init returned has no restore\(\)"):
        strac.create("bare", stractory.rpc(bare), **terms)
    with pytest.raises(stractory.ActorStartFailed, match="Command that init returned has no snapshot"):
        strac.create("child", stractory.spawn("cat"), **terms)
    with pytest.raises(stractory.ActorStartFailed, match="say snapshot_any_time = True"):
        strac.create("stream", stractory.stream(handler), **terms)
    with pytest.raises(stractory.ActorStartFailed, match="is for rpc actors"):
        strac.create("stream", stractory.stream(handler), **{**terms, "snapshot": "each call"})
    assert strac.list() == []


def test_hooks_are_not_for_clients(strac):
    create(strac)
    with pytest.raises(stractory.UnknownMethod):
        strac.get("counter").restore((5, 5))
