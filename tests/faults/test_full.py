"""Workers and registries that have no room for more: no descriptors, or as many actors as they may have."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
from contextlib import contextmanager

import gevent
import pytest

import stractory
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import Cluster
from tests.support.faults import let_pass
from tests.support.green import green_until


@contextmanager
def no_more_descriptors(pid):
    """The process can open nothing, in here."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    lowest_free = next(number for number in itertools.count() if number not in taken)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def pid_of(strac, info):
    return next(worker.pid for worker in strac.workers() if worker.address == info.worker)


def told(cluster, text):
    return [line for line in cluster.errors().splitlines() if text in line]


def check_few_words(cluster):
    """It said once that there were none, once that there are again, and nothing was printed."""
    green_until(lambda: told(cluster, "there are descriptors again"))
    assert len(told(cluster, "no more connections are taken")) == 1
    assert len(told(cluster, "there are descriptors again")) == 1
    assert not told(cluster, "Traceback") and not told(cluster, "Too many open files")


def test_a_worker_without_descriptors():
    """Row 24: what it has goes on, its registry is found again, and it recovers."""
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        info = strac.create("a", echo)
        stream = strac.connect("a")
        with cluster.client() as late, no_more_descriptors(pid_of(strac, info)):
            connecting = [gevent.spawn(late.connect, "a") for _ in range(20)]
            green_until(lambda: told(cluster, "no more connections are taken"))
            cluster.restart_registry()
            assert exchange(stream) == b"hello"
            green_until(lambda: [worker.state for worker in strac.workers()] == ["running"])
            assert exchange(stream) == b"hello"
            assert not any(each.ready() for each in connecting)
        streams = [each.get(timeout=20) for each in connecting]
        assert [exchange(each) for each in streams] == [b"hello"] * 20
        assert strac.list() == [info]
        check_few_words(cluster)


def test_a_registry_without_descriptors():
    with Cluster(workers=1, registry_arguments=["--heartbeat-timeout=2"]) as cluster:
        with cluster.client() as strac, contextlib.ExitStack() as late:
            strac.create("a", echo)
            with no_more_descriptors(cluster.registry.pid):
                clients = [late.enter_context(cluster.client()) for _ in range(5)]
                connecting = [gevent.spawn(client.connect, "a") for client in clients]
                green_until(lambda: told(cluster, "no more connections are taken"))
                let_pass(2.5)  # more than a lease
                assert [worker.state for worker in strac.workers()] == ["running"]
                strac.create("b", echo)
                assert exchange(strac.get("b")) == b"hello"
                assert not any(each.ready() for each in connecting)
            assert [exchange(each.get(timeout=20)) for each in connecting] == [b"hello"] * 5
        check_few_words(cluster)


def adder(options):
    return {"add": lambda a, b: a + b}


NEED_SOME = {
    "public": lambda strac, name: strac.create(name, echo, public=True),
    "public rpc": lambda strac, name: strac.create(name, stractory.rpc(adder), public=True),
    "spawn": lambda strac, name: strac.create(name, stractory.spawn("cat")),
}


@pytest.mark.parametrize("make", NEED_SOME.values(), ids=NEED_SOME)
def test_actors_that_need_descriptors_go_where_there_are_some(make):
    with Cluster(workers=2) as cluster, cluster.client() as strac:
        first = make(strac, "first")
        one, other = (worker.pid for worker in strac.workers())
        with no_more_descriptors(one):
            made = [make(strac, f"a{number}") for number in range(6)]
            assert {pid_of(strac, info) for info in made} == {other}
            with no_more_descriptors(other), pytest.raises(stractory.WorkerFull, match="ulimit -n"):
                make(strac, "none")
        green_until(lambda: {pid_of(strac, make(strac, f"b{os.urandom(4).hex()}"))} == {one})
        assert first in strac.list() and not strac.list("none")
        assert not told(cluster, "Traceback")


def needy(options):
    """Its init finds no room in the processes that it is told of."""
    import errno
    import os

    if options["full"] in ("all", os.getpid()):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return {"pid": os.getpid}


@pytest.fixture(scope="module")
def small():
    """Two workers that have at most two actors each."""
    with Cluster(workers=2, pool_arguments=["--max-actors=2"]) as cluster:
        yield cluster


@pytest.fixture
def strac(small):
    with small.client() as strac:
        yield strac
        for info in strac.list():
            strac.destroy(info.name)


def test_an_init_without_room_is_tried_on_another_worker(strac):
    pids = [worker.pid for worker in strac.workers()]
    for number in range(4):
        name = f"a{number}"
        strac.create(name, stractory.rpc(needy), options={"full": pids[0]}, if_exists="replace")
        assert strac.get(name).pid() == pids[1]
        strac.destroy(name)
    with pytest.raises(stractory.WorkerFull, match=r"'a' did not start: OSError: .*Too many open files"):
        strac.create("a", stractory.rpc(needy), options={"full": "all"})
    assert strac.list() == []
    strac.create("a", stractory.rpc(needy), options={"full": None})


def test_no_more_than_max_actors(strac):
    for number in range(4):
        strac.create(f"a{number}", echo)
    assert [worker.actors for worker in strac.workers()] == [2, 2]
    for _ in range(2):
        with pytest.raises(stractory.WorkerFull, match="raise their max-actors") as refused:
            strac.create("a4", echo)
        assert isinstance(refused.value, stractory.PlacementError)
    assert len(strac.list()) == 4 and exchange(strac.get("a0")) == b"hello"
    strac.create("a0", echo, if_exists="replace")  # in its own place
    strac.destroy("a1")
    strac.create("a4", echo)
    assert [worker.actors for worker in strac.workers()] == [2, 2]


def test_many_creators_share_what_room_there_is(strac):
    creating = [gevent.spawn(strac.create, f"a{number}", echo) for number in range(20)]
    gevent.joinall(creating, raise_error=False, timeout=20)
    failed = [each.exception for each in creating if each.exception]
    assert len(failed) == 16 and {type(error) for error in failed} == {stractory.WorkerFull}
    assert [worker.actors for worker in strac.workers()] == [2, 2]


def test_one_that_comes_back_waits_for_room():
    with (
        Cluster(workers=2, pool_arguments=["--max-actors=1"], respawn_delay=600) as cluster,
        cluster.client() as strac,
    ):
        first = strac.create("a", echo, restart="on-failure")
        strac.create("b", echo)
        os.kill(pid_of(strac, first), signal.SIGKILL)
        green_until(lambda: told(cluster, "'a' waits to be made again: no worker has room"))
        assert [info.state for info in strac.list("a")] == ["waiting"]
        strac.destroy("b")
        green_until(lambda: [info.state for info in strac.list("a")] == ["running"])
        assert exchange(strac.get("a")) == b"hello"
