"""What the daemons do when one of them dies, is ended, or cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import gevent
import pytest

import stractory
from stractory.proof import keys
from tests.factory.test_factory import Leaver, exchange, gated_leaver
from tests.support.actors import Gate, echo, gated_echo
from tests.support.cluster import POOL_READY, Cluster, alive, until

RESPAWN_DELAY = 0.2


@pytest.fixture
def cluster():
    """One that the test may break."""
    with Cluster(workers=2, respawn_delay=RESPAWN_DELAY) as started:
        yield started


def running(strac: stractory.Client) -> list[stractory.WorkerInfo]:
    return [worker for worker in strac.workers() if worker.state == "running"]


def workers_settled(strac, gone: int):
    """The running workers, once there are two and none has the pid ``gone``."""
    workers = running(strac)
    return workers if len(workers) == 2 and gone not in {worker.pid for worker in workers} else None


def try_create(strac, name):
    """None while the name is taken."""
    try:
        return strac.create(name, echo)
    except stractory.ActorExists:
        return None


def test_killed_worker_comes_back(cluster, strac):
    infos = [strac.create(f"a{number}", echo) for number in range(20)]
    victim = strac.workers()[0]
    lost = [info.name for info in infos if info.worker == victim.address]
    kept = [info.name for info in infos if info.worker != victim.address]
    assert lost and kept
    lost_stream, kept_stream = strac.connect([lost[0], kept[0]])
    assert exchange(lost_stream) == exchange(kept_stream) == b"hello"

    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    lost_stream.settimeout(20)
    with pytest.raises(ConnectionError):
        while lost_stream.recv(100):
            pass
        pytest.fail("the stream ended in order")
    old = {worker.pid for worker in strac.workers()}
    new = until(lambda: workers_settled(strac, victim.pid))
    assert time.monotonic() - killed_at < RESPAWN_DELAY + 5  # that, and a Python's start
    (fresh,) = [worker for worker in new if worker.pid not in old]

    assert exchange(kept_stream) == b"hello"
    made = [until(lambda name=name: try_create(strac, name)) for name in lost]
    made += [strac.create(f"b{number}", echo) for number in range(20)]
    assert fresh.address in {info.worker for info in made}
    assert all(exchange(stream) == b"hello" for stream in strac.connect([info.name for info in made]))


def test_names_of_a_killed_worker_are_free_at_once(cluster, strac):
    info = strac.create("a", echo)
    (victim,) = [worker for worker in strac.workers() if worker.address == info.worker]
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: not alive(victim.pid))
    assert until(lambda: try_create(strac, "a"), timeout=5).epoch != info.epoch
    assert exchange(strac.get("a")) == b"hello"


def test_registry_killed_and_restarted(cluster, strac):
    infos = [strac.create(f"a{number}", echo, public=number == 3) for number in range(20)]
    stream = strac.connect("a0")
    assert exchange(stream) == b"hello"

    cluster.kill_registry()
    assert exchange(stream, b"without a registry") == b"without a registry"
    cluster.restart_registry()

    assert exchange(stream, b"with another") == b"with another"
    until(lambda: len(running(strac)) == 2)
    found = {info.name: info for info in strac.list()}
    assert found == {info.name: info for info in infos}
    assert all(exchange(other) == b"hello" for other in strac.connect([info.name for info in infos]))
    with pytest.raises(stractory.ActorExists):
        strac.create("a7", echo)
    later = strac.create("later", echo)
    assert later.epoch not in {info.epoch for info in infos}
    strac.destroy("a1")
    with cluster.client() as other, pytest.raises(stractory.ActorNotFound):
        other.connect("a1")


def test_call_under_way_waits_for_the_registry(cluster, strac):
    strac.create("a", echo)
    cluster.restart_registry()
    until(lambda: len(running(strac)) == 2)
    with strac.connect("a") as stream:
        assert exchange(stream) == b"hello"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_in_order(strac, cluster, number, tmp_path):
    path = tmp_path / "destroyed"
    strac.create("a", Leaver, options={"path": str(path)})
    assert exchange(strac.get("a")) == b"hello"
    pids = [worker.pid for worker in strac.workers()]

    pool, registry = cluster.pool, cluster.registry
    cluster.pool = cluster.registry = None
    pool.process.send_signal(number)
    assert pool.join() == 0
    assert not any(alive(pid) for pid in pids)
    assert path.read_text() == "destroyed"
    assert until(lambda: strac.list() == [])
    registry.process.send_signal(number)
    assert registry.join() == 0
    assert "Traceback" not in cluster.errors()


def test_registry_ends_before_the_pool(cluster, strac):
    strac.create("a", echo)
    registry, cluster.registry = cluster.registry, None
    assert registry.end() == 0  # and the fixture ends the pool, which must exit with 0 too


def test_killed_pool_ends_its_workers(cluster, strac, tmp_path):
    path = tmp_path / "destroyed"
    strac.create("a", Leaver, options={"path": str(path)})
    pids = [worker.pid for worker in strac.workers()]
    assert all(alive(pid) for pid in pids)
    pool, cluster.pool = cluster.pool, None
    pool.kill()
    until(lambda: not any(alive(pid) for pid in pids))
    assert path.read_text() == "destroyed"


def test_killed_pool_can_be_started_again(cluster, strac):
    strac.create("a", echo)
    old = {worker.pid for worker in strac.workers()}
    cluster.pool.kill()
    cluster.pool = cluster.daemon("stractory-workers", "--workers=1", f"--registry={cluster.address}")
    cluster.pool.wait_line(POOL_READY)
    until(lambda: not any(alive(pid) for pid in old))
    assert until(lambda: try_create(strac, "a"))
    assert exchange(strac.get("a")) == b"hello"


@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_port_in_use(program):
    with Cluster(workers=0) as cluster, socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        own = "--data-dir=none" if program == "stractory" else f"--registry={cluster.address}"
        errors = cluster.folder / f"{program}.err"
        said_before = len(errors.read_text()) if errors.exists() else 0
        daemon = cluster.daemon(program, f"--listen={where}", own)
        assert daemon.join() == 1
        said = errors.read_text()[said_before:]
        assert "Traceback" not in said
        (line,) = said.splitlines()
        prefix = r"\[1\] stractory-worker" if program == "stractory-workers" else program
        assert re.match(f"{prefix}: .*{re.escape(where)}", line)


def test_a_second_registry_with_the_same_data_is_told():
    with Cluster(workers=0) as cluster:
        said_before = len(cluster.errors())
        assert cluster.daemon("stractory", "--listen=0").join() == 1
        (line,) = cluster.errors()[said_before:].splitlines()
        pid = cluster.registry.pid
        assert line.endswith(
            f"in use by the registry with pid {pid}: stop that, or give this one another directory"
        )


def test_a_registry_follows_a_change_of_keys(tmp_path):
    with Cluster(workers=1) as cluster:
        with cluster.client() as strac:
            before = strac.create("a", echo)
        cluster.kill_registry()
        new = tmp_path / "new.key"
        keys.write_new(new)
        cluster.key_file.write_text(new.read_text() + cluster.key_file.read_text())
        cluster.restart_registry()
        with cluster.client() as strac:
            until(lambda: strac.list() == [before])
            strac.create("b", echo)
        cluster.kill_registry()
        cluster.key_file.write_text(new.read_text())
        cluster.restart_registry()  # it starts, though its store was made with the old key


def test_a_registry_with_another_key_does_not_start(tmp_path):
    with Cluster(workers=0) as cluster:
        cluster.kill_registry()
        said_before = len(cluster.errors())
        daemon = cluster.daemon("stractory", "--listen=0", f"--key-file={tmp_path / 'other.key'}")
        assert daemon.join() == 1
        said = cluster.errors()[said_before:].splitlines()
        assert "was made with another cluster key: start the registry with that, or use another" in said[-1]
        assert not any("Traceback" in line for line in said)


def test_a_registry_needs_the_master_key(tmp_path):
    with Cluster(workers=0) as cluster:
        registry = cluster.registry
        assert registry is not None
        master = keys.load(cluster.key_file).keys[0]
        path = tmp_path / "n.key"
        keys.write_key(path, master.derive(keys.NODE, "pool"))

        def needed(where: Path) -> str:
            return (
                f"the key in {where} is for the role node; a registry needs the master key, in the file that"
                " stractory-keygen made first"
            )

        daemon = cluster.daemon("stractory", "--listen=0", "--data-dir=none", f"--key-file={path}")
        assert daemon.join() == 1
        assert cluster.errors().splitlines()[-1] == f"stractory: {needed(path)}"

        path.rename(cluster.key_file)
        registry.process.send_signal(signal.SIGHUP)
        stay = f"the keys stay as they were: STRACTORY_KEY_FILE: {needed(cluster.key_file)}"
        until(lambda: stay in cluster.errors())
        keys.write_key(tmp_path / "kept.key", master)
        with cluster.client(key_file=tmp_path / "kept.key") as strac:
            assert strac.list() == []


def test_worker_with_another_key_is_told(tmp_path):
    with Cluster(workers=0) as cluster:
        daemon = cluster.daemon(
            "stractory-worker",
            "--listen=127.0.0.1:0",
            f"--registry={cluster.address}",
            f"--key-file={tmp_path / 'other.key'}",
        )
        assert daemon.join() == 1
        assert "Traceback" not in cluster.errors()
        with cluster.client() as strac:
            assert strac.workers() == []


def test_wait_outlives_the_registry(cluster, strac):
    strac.list()  # it has heard of this registry, and so waits for it to come back
    waiting = gevent.spawn(strac.wait, "late", 20)
    with cluster.client() as other:
        other.list()
        gevent.idle()
        cluster.restart_registry()
        until(lambda: len(running(other)) == 2)
        other.create("late", echo)
        assert exchange(waiting.get(timeout=20)) == b"hello"


@pytest.fixture
def short_lease():
    """A cluster whose registry gives a silent worker up after a second."""
    with Cluster(workers=2, registry_arguments=["--heartbeat-timeout=1"]) as started:
        yield started


def test_a_worker_that_stood_still_for_too_long_comes_back(short_lease, tmp_path):
    with short_lease.client() as strac:
        infos = [
            strac.create(f"a{number}", Leaver, options={"path": str(tmp_path / "a0")}) for number in range(9)
        ]
        still = strac.workers()[0]
        theirs = [info for info in infos if info.worker == still.address]
        os.kill(still.pid, signal.SIGSTOP)
        try:
            until(lambda: still.pid not in {worker.pid for worker in strac.workers()})
            again = strac.create(theirs[0].name, echo)  # the name is free, and has a new life now
        finally:
            os.kill(still.pid, signal.SIGCONT)
        until(lambda: len(running(strac)) == 2)
        assert again.epoch > theirs[0].epoch
        until((tmp_path / "a0").exists)  # the old copy was ended in order
        found = {info.name: info for info in strac.list()}
        assert found == {info.name: info for info in infos} | {again.name: again}
        assert all(exchange(stream) == b"hello" for stream in strac.connect([info.name for info in infos]))


def test_a_registry_that_stood_still_blames_nobody(short_lease):
    with short_lease.client() as strac:
        infos = [strac.create(f"a{number}", echo) for number in range(6)]
        os.kill(short_lease.registry.pid, signal.SIGSTOP)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 3)  # three leases
        os.kill(short_lease.registry.pid, signal.SIGCONT)
        assert strac.list() == infos
        until(lambda: time.monotonic() > began + 6)
        assert strac.list() == infos
        assert len(running(strac)) == 2


def test_names_are_unique_while_workers_come_back_to_a_new_registry(cluster, strac):
    infos = [strac.create(f"a{number}", echo) for number in range(20)]
    cluster.restart_registry()
    for info in infos:
        with pytest.raises(stractory.ActorExists) as caught:
            strac.create(info.name, echo)
        assert caught.value.details["epoch"] == info.epoch
    until(lambda: len(running(strac)) == 2)
    assert set(strac.list()) == set(infos)


def test_a_create_under_way_outlives_its_registry(cluster, strac):
    with Gate() as gate:
        creating = gevent.spawn(strac.create, "a", gated_echo, options=gate.options, timeout=20)
        gate.wait_reached()
        cluster.restart_registry()
        with cluster.client() as other:
            until(lambda: [info.state for info in other.list()] == ["pending"])
            gate.open()
            info = creating.get(timeout=20)
            assert other.list() == [info]
            assert exchange(other.get("a")) == b"hello"
            other.destroy("a")
            assert sum(worker.actors for worker in other.workers()) == 0


def test_a_destroy_under_way_holds_its_name_in_the_next_registry(cluster, strac, tmp_path):
    path = tmp_path / "destroyed"
    with Gate() as gate:
        old = strac.create("a", gated_leaver, options={"path": str(path), **gate.options})
        destroying = gevent.spawn(_error_of, strac.destroy, "a")
        gate.wait_reached()
        cluster.restart_registry()
        assert isinstance(destroying.get(timeout=20), stractory.RegistryUnavailable)
        with pytest.raises(stractory.ActorExists, match="being ended"):
            strac.create("a", echo)
        assert [info.state for info in strac.list()] == ["ending"]
        with pytest.raises(stractory.ActorNotFound):
            strac.connect("a")
        replacing = gevent.spawn(strac.create, "a", echo, if_exists="replace")
        strac.list()
        assert not replacing.ready() and not path.exists()
        gate.open()
        assert replacing.get(timeout=20).epoch > old.epoch
        assert path.exists()
        assert exchange(strac.get("a")) == b"hello"


def test_a_worker_that_ends_gets_no_new_actors(cluster, strac, tmp_path):
    with Gate() as ending, Gate() as starting:
        options = {"path": str(tmp_path / "destroyed"), **ending.options}
        old = strac.create("a", gated_leaver, options=options)
        (leaving,) = [worker for worker in strac.workers() if worker.address == old.worker]
        under_way = [
            gevent.spawn(strac.create, f"b{number}", gated_echo, options=starting.options)
            for number in range(6)
        ]
        for _ in under_way:
            starting.wait_reached()
        theirs = sum(info.worker == old.worker for info in strac.list("b*"))
        os.kill(leaving.pid, signal.SIGTERM)
        ending.wait_reached()
        for _ in range(theirs):  # they are started once more, by the other worker
            starting.wait_reached()
        made = [strac.create(f"c{number}", echo) for number in range(6)]
        starting.open()
        made += [task.get(timeout=20) for task in under_way]
        assert old.worker not in {info.worker for info in made}
        assert [info.name for info in strac.list("a")] == ["a"]  # until the goodbye
        ending.open()
        until(lambda: not strac.list("a"))


def _error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except stractory.StractoryError as error:
        return error
