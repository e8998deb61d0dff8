"""Keys that are changed, and names that are revoked, while registry, pool and clients run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import stractory
from stractory.actors import zerorpc_session
from stractory.proof import keys
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import POOL_READY, Cluster, until
from tests.support.green import green_until


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One whose keys the test may change."""
    with Cluster(workers=2) as started:
        yield started


@pytest.fixture
def master(cluster: Cluster) -> keys.Key:
    return keys.load(cluster.key_file).keys[0]


def room(options):
    return {"add": lambda a, b: a + b}


def write(path: Path, *lines: str) -> None:
    """Replace the key file, whole at any time."""
    new = path.with_suffix(".new")
    new.write_text("".join(lines))
    new.chmod(0o600)
    new.replace(path)


def hang_up(cluster: Cluster) -> None:
    assert cluster.registry is not None and cluster.pool is not None
    for daemon in (cluster.registry, cluster.pool):
        daemon.process.send_signal(signal.SIGHUP)


def told(cluster: Cluster, *words: str) -> int:
    """How many lines of the daemons' logs have all the words."""
    return sum(all(word in line for word in words) for line in cluster.errors().splitlines())


def change(cluster: Cluster, *lines: str, processes: int = 3) -> None:
    """Give the running cluster another key file, and wait until all processes have read it."""
    before = told(cluster, "read the keys again")
    write(cluster.key_file, *lines)
    hang_up(cluster)
    green_until(lambda: told(cluster, "read the keys again") == before + processes)


def as_client(cluster: Cluster, key: keys.Key) -> Path:
    path = cluster.folder / f"{key.name}-{key.id}.key"
    keys.write_key(path, key)
    return path


def revoked(name: str) -> str:
    return f"stractory-revoked-v1 {name}\n"


def test_keys_change_while_all_goes_on(cluster: Cluster, strac: stractory.Client, master: keys.Key) -> None:
    infos = [strac.create(f"a{number}", echo) for number in range(8)]
    assert len({info.worker for info in infos}) == 2
    streams = strac.connect([info.name for info in infos])
    new = keys.Key.new_master(cluster.key_file)

    with cluster.client(key_file=as_client(cluster, new)) as early, pytest.raises(stractory.AuthError):
        early.list()
    change(cluster, master.as_line(), new.as_line())
    registered = told(cluster, "registered with registry")
    change(cluster, new.as_line(), master.as_line())
    green_until(lambda: told(cluster, "registered with registry") == registered + 2)  # by the new key
    for key in (master, new):
        path = as_client(cluster, key.derive(keys.OPERATOR, f"ann{key.id}"))
        with cluster.client(key_file=path) as fresh:
            assert exchange(fresh.connect("a0")) == b"hello"
    change(cluster, new.as_line())

    assert [exchange(stream) for stream in streams] == [b"hello"] * 8  # nobody was dropped
    assert [exchange(stream) for stream in strac.connect([info.name for info in infos])] == [b"hello"] * 8
    path = as_client(cluster, master.derive(keys.CLIENT, "late"))
    with cluster.client(key_file=path) as late, pytest.raises(stractory.AuthError):
        late.list(timeout=10)

    pids = {worker.pid for worker in strac.workers()}  # a client that was there, and workers that come
    os.kill(min(pids), signal.SIGKILL)
    green_until(lambda: {worker.pid for worker in strac.workers()} - pids)
    for number in range(8):
        info = strac.create(f"b{number}", echo)
        assert exchange(strac.connect(info.name)) == b"hello"
    for secret in (key.as_line().split()[-1] for key in (master, new)):
        assert secret not in cluster.errors()


def test_a_registry_of_old_keys_is_reached_with_new_ones(cluster: Cluster, strac: stractory.Client) -> None:
    """The workers' own next proof is made with the new first key, when the registry knows no other."""
    old = keys.load(cluster.key_file).keys[0]
    strac.create("a", echo)
    new = keys.Key.new_master(cluster.key_file)
    change(cluster, new.as_line(), old.as_line())
    cluster.restart_registry()  # its store is sealed anew
    write(cluster.key_file, new.as_line())
    cluster.restart_registry()
    green_until(lambda: len(strac.workers()) == 2)
    assert exchange(strac.connect("a")) == b"hello"


def test_a_client_whose_file_has_another_name_by_now(cluster: Cluster, strac: stractory.Client) -> None:
    """Its links to workers are still those of the old one."""
    master = keys.load(cluster.key_file).keys[0]
    path = cluster.folder / "own.key"
    write(path, master.derive(keys.CLIENT, "alice").as_line())
    strac.create("a", echo)
    strac.create("room", stractory.rpc(room))
    with cluster.client(key_file=path) as client:
        stream = client.connect("a")
        assert client.get("room").add(1, 2) == 3
        write(path, master.derive(keys.CLIENT, "bob").as_line())
        cluster.restart_registry()
        green_until(lambda: len(strac.workers()) == 2)
        assert exchange(client.connect("a")) == exchange(stream) == b"hello"
        with client.connect("room", direct=True) as direct:
            assert direct.add(1, 2) == 3


def test_a_broken_file_changes_nothing(cluster: Cluster, strac: stractory.Client, master: keys.Key) -> None:
    strac.create("a", echo)
    stream = strac.connect("a")
    alice = as_client(cluster, master.derive(keys.OPERATOR, "alice"))
    write(cluster.key_file, master.as_line(), "stractory-key-v1 garbage\n")
    hang_up(cluster)
    green_until(lambda: told(cluster, "ERROR", "the keys stay as they were", f"{cluster.key_file}:2:") == 3)
    assert exchange(stream) == b"hello"
    with cluster.client(key_file=alice) as fresh:
        assert exchange(fresh.connect("a")) == b"hello"
    with strac.connect("a", direct=True) as direct:  # for which this client has read the file too
        assert exchange(direct) == b"hello"
    assert told(cluster, "Traceback") == 0
    change(cluster, master.as_line())


def test_a_revoked_name_is_out(cluster: Cluster, strac: stractory.Client, master: keys.Key) -> None:
    infos = [strac.create(f"a{number}", echo) for number in range(8)]
    strac.create("room", stractory.rpc(room))
    kept = strac.connect("a0")
    files = {name: as_client(cluster, master.derive(keys.OPERATOR, name)) for name in ("alice", "mallory")}
    alice, mallory = (cluster.client(key_file=file) for file in files.values())
    with alice, mallory:
        streams = mallory.connect([info.name for info in infos])
        direct = mallory.connect("a1", direct=True)
        theirs = mallory.get("room")
        assert [exchange(stream) for stream in (*streams, direct)] == [b"hello"] * 9
        assert theirs.add(1, 2) == 3
        beside, beside_direct = alice.connect("a0"), alice.connect("a1", direct=True)
        assert exchange(beside) == exchange(beside_direct) == b"hello"
        refused = told(cluster, "name 'mallory') is unknown here, or revoked")

        change(cluster, master.as_line(), revoked("mallory"))

        for stream in (*streams, direct):
            stream.settimeout(20)
            with pytest.raises(ConnectionError):
                stream.recv(1)
        green_until(lambda: told(cluster, "WARNING", "operator mallory", "is revoked: the link ends") == 3)
        assert told(cluster, "WARNING", "operator mallory is revoked: its connection ends") == 1
        with pytest.raises(stractory.AuthError, match="it refuses the key"):
            mallory.list(timeout=10)
        green_until(lambda: told(cluster, "name 'mallory') is unknown here, or revoked") == refused + 1)
        with pytest.raises(stractory.AuthError, match="it refuses the key"):
            mallory.create("mine", echo, timeout=10)
        with pytest.raises((stractory.AuthError, stractory.ActorLost)):
            theirs.add(1, 2)
        for stream in (kept, beside, beside_direct):
            assert exchange(stream) == b"hello"
        assert exchange(alice.connect("a1")) == b"hello"

        change(cluster, master.as_line())  # and in again
        assert exchange(mallory.connect("a1")) == b"hello"


def test_a_revoked_name_is_out_of_the_ports_of_rpc_actors(
    cluster: Cluster, strac: stractory.Client, master: keys.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zerorpc_session, "TIME_LIMIT", 1.0)
    strac.create("room", stractory.rpc(room))
    strac.create("open", stractory.rpc(room), public=True)
    strac.create("other", stractory.rpc(room))
    with cluster.client(key_file=as_client(cluster, master.derive(keys.CLIENT, "mallory"))) as mallory:
        theirs, public = mallory.connect(["room", "open"], direct=True)
        untouched = strac.connect("other", direct=True)
        (info,) = mallory.list("room")
        where = mallory.endpoint("room")
        assert theirs.add(1, 2) == public.add(1, 2) == untouched.add(1, 2) == 3

        change(cluster, master.as_line(), revoked("mallory"))

        green_until(lambda: theirs.closed)
        assert told(cluster, "WARNING", "own port of 'room' had clients whose name is revoked: it ends") == 1
        with pytest.raises(stractory.AuthError):
            mallory.connect("room", direct=True)
        with strac.connect("room", direct=True) as client:  # it opens again
            assert client.add(1, 2) == 3
        with pytest.raises((stractory.AuthError, stractory.WorkerUnavailable)):  # another may be there
            zerorpc_session.dial(where, "actor 'room'", "room", info.epoch, curve=where.curve)
        assert public.add(1, 2) == untouched.add(1, 2) == 3  # which nobody of that name had entered


def test_the_door_of_a_worker_refuses_a_revoked_name(
    cluster: Cluster, strac: stractory.Client, master: keys.Key
) -> None:
    """Also where only the workers know: the registry was not told to read the file."""
    strac.create("a", echo)
    path = as_client(cluster, master.derive(keys.CLIENT, "mallory"))
    write(cluster.key_file, master.as_line(), revoked("mallory"))
    assert cluster.pool is not None
    cluster.pool.process.send_signal(signal.SIGHUP)
    green_until(lambda: told(cluster, "read the keys again") == 2)
    with cluster.client(key_file=path) as mallory:
        assert mallory.list()
        with pytest.raises(stractory.AuthError, match="it refuses the registry's ticket to 'a'"):
            mallory.connect("a", timeout=10)
    green_until(lambda: told(cluster, "worker: connection from", "the name mallory is revoked") == 1)


def test_a_revoked_worker_is_out(cluster: Cluster, strac: stractory.Client, master: keys.Key) -> None:
    path = as_client(cluster, master.derive(keys.NODE, "node7"))
    worker = cluster.daemon(
        "stractory-worker", "--listen=0", f"--registry={cluster.address}", f"--key-file={path}"
    )
    try:
        green_until(lambda: len(strac.workers()) == 3)
        change(cluster, master.as_line(), revoked("node7"))
        green_until(lambda: told(cluster, "node node7 at", "is revoked: the link ends") == 1)
        refused = "registry: connection from", "name 'node7') is unknown here, or revoked"
        green_until(lambda: told(cluster, *refused) == 1)  # for it tries twice a second
        assert told(cluster, "the registry refuses this worker: ") == 1
        change(cluster, master.as_line())
        green_until(lambda: told(cluster, "registered with registry") == 4)
    finally:
        assert worker.end() == 0


def test_the_process_of_an_isolated_actor_is_told(
    cluster: Cluster, strac: stractory.Client, master: keys.Key
) -> None:
    strac.create("alone", echo, isolate=True)
    path = as_client(cluster, master.derive(keys.CLIENT, "mallory"))
    with cluster.client(key_file=path) as mallory:
        stream = mallory.connect("alone")
        assert exchange(stream) == b"hello"
        change(cluster, master.as_line(), revoked("mallory"), processes=4)
        stream.settimeout(20)
        with pytest.raises(ConnectionError):
            stream.recv(1)
    assert exchange(strac.connect("alone")) == b"hello"


def test_a_pool_that_starts_survives_being_told() -> None:
    """A worker that does not yet handle the signal would die of it, and the pool with it."""
    with Cluster(workers=0) as cluster:
        pool = cluster.daemon("stractory-workers", "--workers=2", f"--registry={cluster.address}")
        children = Path(f"/proc/{pool.pid}/task/{pool.pid}/children")

        def all_registered() -> bool:
            pool.process.send_signal(signal.SIGHUP)
            return told(cluster, "registered with registry") == 2

        try:
            until(children.read_text)
            until(all_registered, step=0.001)
            pool.wait_line(POOL_READY)
        finally:
            assert pool.end() == 0
