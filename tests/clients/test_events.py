"""Events of what others did to a client's connections."""

from __future__ import annotations

import queue
import threading

import gevent
import gevent.event
import pytest

import stractory
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import Cluster, until
from tests.support.green import green_until


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


def garbling(options):
    def handle(emitter):
        emitter.on("garble", lambda: emitter._carrier.queue(b"\xc1"))

    return handle


@pytest.mark.parametrize("background", [False, True], ids=["plain", "background"])
def test_an_actor_that_breaks_the_wire_format(cluster, name, background):
    told = []
    over = threading.Event() if background else gevent.event.Event()
    with cluster.client(background=background) as strac:
        for event in ("actor-error", "actor-fail"):
            strac.on(event, lambda *arguments, event=event: told.append((event, *arguments)))
        strac.on("actor-close", lambda *arguments: (told.append(arguments), over.set()))
        strac.create(name, stractory.eventemitter(garbling))
        emitter = strac.get(name)
        emitter.emit("garble")
        assert over.wait(20)
    (event, of, connection, error), end = told
    assert (event, of) == ("actor-fail", name)
    assert connection is emitter
    assert isinstance(error, stractory.ProtocolError)
    assert end == (name, emitter, True)


@pytest.mark.parametrize("background", [False, True], ids=["plain", "background"])
def test_connections_that_are_idle(cluster, name, background):
    told = queue.Queue()
    with cluster.client(background=background, idle_timeout=0.1) as strac:
        strac.on("timeout", lambda: told.put("timeout"))
        strac.on("actor-timeout", lambda *arguments: told.put(arguments))
        strac.create(name, echo)
        stream = strac.get(name)
        (until if background else green_until)(lambda: told.qsize() >= 2)
        assert exchange(stream) == b"hello"  # it is told of, and goes on
    heard = {told.get(), told.get()}
    assert heard == {"timeout", (name, stream)}
