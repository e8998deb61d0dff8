"""What connect() and get() leave behind, and what they raise."""

from __future__ import annotations

import gc
import socket

import gevent
import pytest

import stractory
from stractory.clients.endpoint import Endpoint
from tests.factory.test_factory import exchange
from tests.support.actors import Gate, echo, pass_gate
from tests.support.cluster import until


def diary(options):
    """Writes a line into a file whenever a connection begins, and whenever one ends."""

    def write(line):
        with open(options["path"], "a") as file:
            file.write(f"{line}\n")

    def handle(stream, address):
        write("begin")
        try:
            for data in stream:
                stream.sendall(data)
        finally:
            write("end")

    return handle


def gated(stream, options):
    pass_gate(options)
    return stream


def until_seen(strac, predicate):
    """As ``until``, but the client's loop runs in between."""
    return until(lambda: strac.workers() and predicate())


def lines(path):
    return sorted(path.read_text().split()) if path.exists() else []


def test_a_connect_that_is_cut_off_leaves_nothing(strac, name, tmp_path):
    quick, slow = tmp_path / "quick", tmp_path / "slow"
    caught = []

    def connect():
        try:
            strac.connect([f"{name}-quick", f"{name}-slow"])
        except BaseException as error:
            caught.append(error)  # with all that its traceback holds

    with Gate() as gate:
        strac.create(f"{name}-quick", diary, options={"path": str(quick)})
        options = {"path": str(slow), **gate.options}
        strac.create(f"{name}-slow", stractory.stream(diary, options=options, client=gated))
        connecting = gevent.spawn(connect)
        gate.wait_reached()
        until_seen(strac, lambda: lines(quick) == lines(slow) == ["begin"])
        connecting.kill()
        assert isinstance(caught[0], gevent.GreenletExit)
        until_seen(strac, lambda: lines(quick) == lines(slow) == ["begin", "end"])


def test_a_name_twice_beside_a_missing_one(strac, name, tmp_path):
    path = tmp_path / "diary"
    strac.create(name, diary, options={"path": str(path)})
    with pytest.raises(stractory.ConnectErrors, match="1 of 3") as caught:
        strac.connect([name, name, f"{name}-missing"])
    (client,) = caught.value.clients.values()
    until_seen(strac, lambda: lines(path) == ["begin", "begin", "end"])
    assert exchange(client) == b"hello"


def test_a_name_twice(strac, name):
    strac.create(name, echo)
    one, other = strac.connect([name, name])
    assert one is not other
    assert exchange(one) == exchange(other) == b"hello"


@pytest.mark.parametrize("idle_timeout", [None, 1000])
def test_a_dropped_stream_is_given_up(cluster, name, tmp_path, idle_timeout):
    path = tmp_path / "diary"
    gc.disable()  # nothing here may wait for it
    try:
        with cluster.client(idle_timeout=idle_timeout) as strac:
            strac.create(name, diary, options={"path": str(path)})
            strac.connect(name)
            until_seen(strac, lambda: lines(path) == ["begin", "end"])
    finally:
        gc.enable()


def last_words(options):
    """Has the last word and then waits for the client's end."""

    def handle(stream, address):
        stream.sendall(b"bye")
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(1) == b""
        with open(options["path"], "w") as file:
            file.write("ended")

    return handle


def test_get_ends_its_side_when_the_actor_did(strac, name, tmp_path):
    path = tmp_path / "ended"
    strac.create(name, last_words, options={"path": str(path)})
    stream = strac.get(name)
    until_seen(strac, path.exists)
    assert stream.recv(10) == b"bye"
    assert stream.recv(10) == b""
    assert strac.get(name) is not stream


def sloppy(options):
    return lambda stream, address: stream.abort()


def reading(stream, options):
    stream.recv(1)
    return stream


def test_an_actor_that_breaks_off_while_its_wrapper_reads(strac, name):
    strac.create(name, stractory.stream(sloppy, client=reading))
    for direct in (False, True):
        with pytest.raises(stractory.ActorLost, match=name):
            strac.connect(name, direct=direct)


def test_a_direct_connection_to_what_breaks_off(strac, name, monkeypatch):
    strac.create(name, echo)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setattr(strac._workers, "endpoint", lambda info: Endpoint(f"tcp://127.0.0.1:{port}"))
        connecting = gevent.spawn(error_of, strac.connect, name, direct=True)
        for _ in range(2):
            gevent.socket.wait_read(stranger.fileno())
            stranger.accept()[0].close()
        error = connecting.get(timeout=20)
    assert type(error) is stractory.ActorLost
    assert name in str(error)


def error_of(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:
        return error


def test_untrusted_wrappers_open_no_stream(strac, name, tmp_path, monkeypatch):
    path = tmp_path / "diary"
    strac.create(name, stractory.stream(diary, options={"path": str(path)}, client=gated))
    monkeypatch.setattr("stractory.clients.wrappers._own", {})
    for direct in (False, True):
        with pytest.raises(stractory.UntrustedWrapper):
            strac.connect(name, direct=direct)
    strac.destroy(name)
    assert lines(path) == []


def test_close_ends_direct_connections(strac, name):
    strac.create(name, echo)
    stream = strac.connect(name, direct=True)
    assert exchange(stream) == b"hello"
    strac.close()
    assert stream.closed


def test_a_stream_of_a_closed_client_says_so(cluster, name):
    with cluster.client() as strac:
        strac.create(name, echo)
        stream = strac.connect(name)
        exchange(stream)
    with pytest.raises(stractory.ActorLost, match="this client was closed"):
        stream.recv(1)


# ---- other threads ---------------------------------------------------------------------------------------


USES = {
    "stream": [
        lambda stream: stream.recv(1),
        lambda stream: stream.sendall(b"x"),
        lambda stream: stream.shutdown(socket.SHUT_WR),
        lambda stream: stream.close(),
        lambda stream: stream.abort(),
    ],
    "rpc": [
        lambda client: client.ask(),
        lambda client: client.ask.send(),
        lambda client: client.ask.future(),
        lambda client: client.close(),
    ],
    "eventemitter": [lambda emitter: emitter.emit("event"), lambda emitter: emitter.close()],
    "spawn": [lambda stream: stream.recv(1), lambda stream: stream.sendall(b"x")],
}
ACTORS = {
    "stream": lambda: stractory.stream(echo),
    "rpc": lambda: stractory.rpc(lambda options: {"ask": lambda: "answer"}),
    "eventemitter": lambda: stractory.eventemitter(lambda options: lambda emitter: None),
    "spawn": lambda: stractory.spawn("cat"),
}


def error_in_another_thread(use, connection):
    try:
        return gevent.get_hub().threadpool.apply(use, (connection,))
    except BaseException as error:
        return error


@pytest.mark.parametrize("kind", USES)
def test_a_connection_belongs_to_one_thread(strac, name, kind):
    strac.create(name, ACTORS[kind]())
    with strac.connect(name) as connection:
        for use in USES[kind]:
            error = error_in_another_thread(use, connection)
            assert type(error) is RuntimeError and "belongs to another thread" in str(error)
            assert "background=True" in str(error) and not connection.closed
    strac.destroy(name)


def test_what_is_left_of_a_connection_belongs_to_nobody(cluster, name):
    with cluster.client() as strac:
        strac.create(name, echo)
        stream = strac.connect(name)
        strac.destroy(name)
    assert isinstance(error_in_another_thread(lambda stream: stream.recv(1), stream), ConnectionError)
    assert error_in_another_thread(lambda stream: stream.close(), stream) is None
