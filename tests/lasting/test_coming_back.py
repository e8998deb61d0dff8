"""Actors that come back elsewhere, on real workers that are killed, and what their clients see."""

from __future__ import annotations

import contextlib
import os
import signal

import gevent
import pytest

import stractory
from tests.support.actors import Gate, pass_gate
from tests.support.cluster import Cluster, until
from tests.support.green import green_until
from tests.support.stores import on_every_store


def counter(options):
    """Counts from 0 in each life, and tells where."""
    import os

    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count

        def pid(self):
            return os.getpid()

        def wait(self):
            pass_gate(options)
            return "waited"

    return Counter()


def kill_worker_of(strac, name):
    pid = strac.get(name).pid()
    os.kill(pid, signal.SIGKILL)
    return pid


@on_every_store
def test_an_actor_comes_back_when_its_worker_is_killed(strac):
    first = strac.create("counter", stractory.rpc(counter), restart="on-failure")
    handle = strac.get("counter")
    assert (first.restart, handle.add(), handle.add()) == ("on-failure", 1, 2)
    pid = kill_worker_of(strac, "counter")
    green_until(lambda: handle.closed)
    assert handle.add() == 1  # the same handle, another life
    assert handle.pid() != pid
    (now,) = strac.list("counter")
    assert now.epoch > first.epoch and now.state == "running"


@on_every_store
def test_what_does_not_come_back_frees_its_name(strac):
    strac.create("counter", stractory.rpc(counter))
    handle = strac.get("counter")
    kill_worker_of(strac, "counter")
    green_until(lambda: handle.closed)
    until(lambda: not strac.list("counter"))
    for _ in range(2):
        with pytest.raises(stractory.ActorLost):
            handle.add()
    strac.create("counter", stractory.rpc(counter))  # whoever makes it anew
    assert handle.add() == 1


def test_a_call_under_way_ends_with_actor_lost(strac):
    with Gate() as gate:
        strac.create("counter", stractory.rpc(counter), restart="on-failure", options=gate.options)
        handle = strac.get("counter")
        waiting = gevent.spawn(handle.wait)
        gate.wait_reached()
        kill_worker_of(strac, "counter")
        with pytest.raises(stractory.ActorLost):
            waiting.get(timeout=20)


def test_a_call_that_may_run_twice_is_repeated(strac):
    with Gate() as gate:
        strac.create("counter", stractory.rpc(counter), restart="on-failure", options=gate.options)
        handle = strac.get("counter")
        waiting = gevent.spawn(stractory.idempotent(handle).wait)
        gate.wait_reached()
        kill_worker_of(strac, "counter")
        gate.wait_reached()
        gate.open()
        assert waiting.get(timeout=20) == "waited"


def test_many_calls_of_one_handle_share_the_new_connection(strac):
    strac.create("counter", stractory.rpc(counter), restart="on-failure")
    handle = strac.get("counter")
    kill_worker_of(strac, "counter")
    green_until(lambda: handle.closed)
    calls = [gevent.spawn(handle.add) for _ in range(50)]
    assert sorted(call.get(timeout=20) for call in calls) == list(range(1, 51))


@on_every_store
def test_all_of_a_worker_come_back(strac):
    names = [f"counter.{number}" for number in range(60)]
    for name in names:
        strac.create(name, stractory.rpc(counter), restart="always")
    before = {info.name: info.epoch for info in strac.list("counter.*")}
    pid = kill_worker_of(strac, names[0])
    until(lambda: all(worker.pid != pid for worker in strac.workers()))
    until(lambda: all(info.state == "running" for info in strac.list("counter.*")))
    after = {info.name: info.epoch for info in strac.list("counter.*")}
    assert after.keys() == before.keys()
    assert [client.add() for client in strac.connect(names)] == [1] * len(names)
    assert any(after[name] > before[name] for name in names)


@on_every_store
def test_destroy_ends_it_for_good(strac):
    strac.create("counter", stractory.rpc(counter), restart="always")
    strac.destroy("counter")
    assert strac.list() == []
    with pytest.raises(stractory.ActorNotFound):
        strac.get("counter")


def test_what_waits_for_a_worker_can_be_destroyed_and_made_anew():
    with Cluster(workers=1, respawn_delay=600) as cluster, cluster.client() as strac:
        strac.create("counter", stractory.rpc(counter), restart="on-failure")
        kill_worker_of(strac, "counter")
        until(lambda: [info.state for info in strac.list()] == ["waiting"])
        with pytest.raises(stractory.ActorExists):
            strac.create("counter", stractory.rpc(counter))
        with pytest.raises(stractory.ActorLost, match="not there again yet"):
            strac.connect("counter")
        strac.destroy("counter")
        assert strac.list() == []


def test_what_keeps_an_actor_from_coming_back_is_told(strac, tmp_path):
    def fragile(options):
        if (tmp_path / "broken").exists():
            raise ValueError("the table\nis broken")
        return counter(options)

    strac.create("counter", stractory.rpc(fragile), restart="on-failure")
    (tmp_path / "broken").touch()
    kill_worker_of(strac, "counter")
    green_until(lambda: "the table; the next one begins after" in strac.list("counter")[0].problem)
    with pytest.raises(stractory.ActorLost, match=r"is not there again yet: .*the table"):
        strac.connect("counter")
    (tmp_path / "broken").unlink()
    green_until(lambda: strac.list("counter")[0].state == "running")
    assert strac.list("counter")[0].problem == ""


@on_every_store
def test_a_child_process_comes_back_when_it_fails(strac, tmp_path):
    failing = stractory.spawn("sh", ["-c", f"echo life >> {tmp_path}/lives; exit 3"])
    strac.create("child", failing, restart="on-failure")

    def lives():
        with contextlib.suppress(ConnectionError, stractory.ActorExited), strac.connect("child") as child:
            while child.recv(4096):
                pass  # a child that has ended goes when somebody has heard it
        return (tmp_path / "lives").read_text().split()

    green_until(lambda: len(lives()) >= 3)
    strac.destroy("child")
    assert strac.list() == []


def test_a_child_process_that_fails_while_the_registry_is_away_comes_back(tmp_path, store_arguments):
    lives = tmp_path / "lives"
    with (
        Cluster(workers=1, registry_arguments=store_arguments) as cluster,
        cluster.client() as strac,
        Gate() as gate,
    ):
        host, port = gate.options["gate"]
        script = f"echo life >> {lives}; exec 3<>/dev/tcp/{host}/{port}; read -r line <&3; exit 3"
        strac.create("child", stractory.spawn("bash", ["-c", script]), restart="on-failure")
        gate.wait_reached()
        with strac.connect("child") as child:  # which hears of its end, so that it need not wait for somebody
            cluster.kill_registry()
            gate.open()
            with pytest.raises(stractory.ActorExited):
                child.recv(1)
        cluster.restart_registry()
        green_until(lambda: lives.read_text().split() > ["life"])


@on_every_store
def test_a_drained_worker_leaves_its_actors_to_others(strac, cluster):
    strac.create("counter", stractory.rpc(counter), restart="on-failure")
    handle = strac.get("counter")
    pid = handle.pid()
    os.kill(pid, signal.SIGTERM)
    green_until(lambda: handle.closed)
    assert handle.add() == 1 and handle.pid() != pid


def test_a_frozen_copy_does_not_serve_beside_the_new_one(store_arguments):
    with (
        Cluster(workers=2, registry_arguments=[*store_arguments, "--heartbeat-timeout=1.5"]) as cluster,
        cluster.client() as strac,
    ):
        strac.create("counter", stractory.rpc(counter), restart="on-failure")
        handle = strac.connect("counter")
        pid = handle.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            queued = gevent.spawn(handle.with_timeout(30).add)  # it lies in the stopped worker's socket
            first = strac.list("counter")[0].epoch
            green_until(lambda: strac.list("counter")[0].epoch > first)
            assert strac.get("counter").add() == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        with pytest.raises(ConnectionError):
            queued.get(timeout=20)
        assert strac.get("counter").add() == 2
        until(lambda: sum(worker.actors for worker in strac.workers()) == 1)


def test_an_actor_is_suspended_while_its_registry_is_away_and_keeps_its_state(store_arguments):
    with (
        Cluster(workers=1, registry_arguments=[*store_arguments, "--heartbeat-timeout=1.5"]) as cluster,
        cluster.client() as strac,
    ):
        strac.create("counter", stractory.rpc(counter), restart="on-failure")
        strac.create("other", stractory.rpc(counter))
        lasting, other = strac.connect("counter"), strac.connect("other")
        assert lasting.add() == other.add() == 1
        cluster.kill_registry()
        green_until(lambda: lasting.closed)
        assert other.add() == 2
        cluster.restart_registry()
        green_until(lambda: len(strac.list()) == 2)
        assert strac.get("counter").add() == 2
        assert other.add() == 3


@on_every_store
def test_who_made_it_is_known_in_all_its_lives(cluster, strac):
    first = strac.create("counter", stractory.rpc(counter), restart="on-failure")
    kill_worker_of(strac, "counter")
    again = green_until(lambda: [info for info in strac.list("counter") if info.epoch > first.epoch])
    assert again[0].creator == first.creator != ""
    cluster.restart_registry()
    gevent.idle()  # by now the client has seen that its link to the worker that was killed has ended
    assert strac.get("counter").add()
    assert strac.list("counter")[0].creator == first.creator
