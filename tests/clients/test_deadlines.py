"""Every call ends, whatever is frozen: clients against daemons that do not run."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager

import gevent
import pytest

import stractory
from tests.support.actors import Gate, echo, gated_echo
from tests.support.cluster import Cluster

SOON = 0.3


@pytest.fixture(scope="module")
def own():
    """A cluster of one worker, to be frozen now and then."""
    with Cluster(workers=1) as started:
        yield started


@pytest.fixture
def strac(own):
    with own.client() as client:
        yield client


@contextmanager
def frozen(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def frozen_worker(strac):
    (worker,) = strac.workers()
    return frozen(worker.pid)


def error_of(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return error


USES = {
    "connect": lambda strac, name: strac.connect(name, timeout=SOON),
    "connect directly": lambda strac, name: strac.connect(name, direct=True, timeout=SOON),
    "get": lambda strac, name: strac.get(name, timeout=SOON),
    "wait": lambda strac, name: strac.wait(name, SOON),
    "endpoint": lambda strac, name: strac.endpoint(name, timeout=SOON),
}


@pytest.mark.parametrize("known", [False, True], ids=["new link", "old link"])
def test_a_frozen_worker(strac, name, known):
    strac.create(name, echo, timeout=20)
    if known:
        strac.connect(name, timeout=20).close()
    with frozen_worker(strac):
        tasks = {use: gevent.spawn(error_of, function, strac, name) for use, function in USES.items()}
        for use, task in tasks.items():
            error = task.get(timeout=20)
            assert type(error) is stractory.CallTimeout
            assert str(error) == f"{use.partition(' ')[0]}({name!r}) was not done in 0.3 s"
    assert strac.connect(name, timeout=20)


def test_a_frozen_worker_and_a_wrapper(strac, name):
    """What is frozen here is what describes the wrapper."""
    strac.create(name, stractory.stream(echo, client=lambda stream, options: stream))
    strac.get(name)
    with frozen_worker(strac), pytest.raises(stractory.CallTimeout, match=re.escape(f"connect({name!r})")):
        strac.connect(name, timeout=SOON)


def test_a_frozen_worker_holds_nobody_elses_connection_up(name):
    with Cluster(workers=2) as cluster, cluster.client() as strac:
        infos = [strac.create(f"{name}-{number}", echo) for number in range(6)]
        slow = infos[0].worker
        bad = {info.name for info in infos if info.worker == slow}
        assert len(bad) < len(infos)
        (pid,) = [worker.pid for worker in strac.workers() if worker.address == slow]
        with frozen(pid), pytest.raises(stractory.ConnectErrors) as caught:
            strac.connect([info.name for info in infos], timeout=SOON)
        assert set(caught.value.errors) == bad
        assert {type(error) for error in caught.value.errors.values()} == {stractory.CallTimeout}
        assert set(caught.value.clients) == {info.name for info in infos} - bad


def test_waiting_for_one_that_gets_the_same_actor(strac, name):
    strac.create(name, echo)
    with frozen_worker(strac):
        first = gevent.spawn(strac.get, name, timeout=15)
        gevent.idle()
        with pytest.raises(stractory.CallTimeout, match=re.escape(f"get({name!r})")):
            strac.get(name, timeout=SOON)
    assert first.get(timeout=20) is strac.get(name)


def test_a_registry_that_is_frozen_from_the_beginning(own, name):
    late = f"{own.address} did not answer in 0.3 s"
    with frozen(own.registry.pid), pytest.raises(stractory.RegistryUnavailable, match=late):
        own.client().create(name, echo, timeout=SOON)


def test_a_registry_that_freezes(own, strac, name):
    assert strac.list(name) == []
    with frozen(own.registry.pid):
        for call, use in {
            f"create({name!r})": lambda: strac.create(name, echo, timeout=SOON),
            f"destroy({name!r})": lambda: strac.destroy(name, timeout=SOON),
            f"wait({name!r})": lambda: strac.wait(name, SOON),
            "list()": lambda: strac.list(timeout=SOON),
            "workers()": lambda: strac.workers(timeout=SOON),
        }.items():
            text = re.escape(f"{call} was not done in 0.3 s")
            with pytest.raises(stractory.CallTimeout, match=f"^{text}$"):
                use()


def test_the_registry_says_more(strac, name):
    with pytest.raises(stractory.CallTimeout, match=re.escape(f"wait({name!r}) was not done in 0.3 s: ")):
        strac.wait(name, SOON)
    with Gate() as gate, pytest.raises(stractory.CallTimeout) as caught:
        strac.create(name, gated_echo, options=gate.options, timeout=SOON)
    assert str(caught.value).startswith(f"create({name!r}) was not done in 0.3 s: ")
