"""Events of what others did to a client's connections."""

from __future__ import annotations

import gevent.event
import pytest

import stractory
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import Cluster


def test_a_registry_that_was_killed():
    told = []
    over = gevent.event.Event()
    with Cluster(workers=0) as cluster, cluster.client() as strac:
        strac.on("error", lambda error: told.append(("error", error)))
        strac.on("close", lambda had_error: (told.append(("close", had_error)), over.set()))
        assert strac.workers() == []
        cluster.kill_registry()
        assert over.wait(20)
    assert [event for event, _ in told] == ["error", "close"]
    assert isinstance(told[0][1], ConnectionError)
    assert told[1][1] is True


def test_a_direct_connection_whose_actor_was_destroyed(strac, name):
    told = gevent.event.AsyncResult()
    strac.on("actor-close", lambda *arguments: told.set(arguments))
    strac.create(name, echo)
    stream = strac.connect(name, direct=True)
    assert exchange(stream) == b"hello"
    strac.destroy(name)
    try:
        assert stream.recv(1) == b""
        had_error = False
    except ConnectionError:
        had_error = True
    assert told.get(timeout=20) == (name, stream, had_error)


def test_a_direct_connection_that_times_out_is_not_over(strac, name):
    told = []
    strac.on("actor-close", lambda *arguments: told.append(arguments))
    strac.create(name, echo)
    stream = strac.connect(name, direct=True)
    stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        stream.recv(1)
    assert exchange(stream) == b"hello"
    assert told == []
    strac.close()
    assert told == [(name, stream, False)]


def test_functions_hear_of_close_before_it_returns(cluster, name):
    told = []
    with cluster.client() as strac:
        strac.on("close", told.append)
        strac.create(name, echo)
        strac.get(name)
    assert told == [False]


def test_a_function_that_closes_the_client(cluster, name):
    over = gevent.event.Event()
    strac = cluster.client()
    strac.on("actor-close", lambda *arguments: (strac.close(), over.set()))
    strac.create(name, echo)
    stream = strac.connect(name)
    strac.destroy(name)
    assert over.wait(20)
    with pytest.raises((stractory.StractoryError, ConnectionError)):
        stream.recv(1)
