"""One actor: how its connections end, and what it does no more once it has ended."""

from __future__ import annotations

import errno
import logging

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from stractory.errors import StaleLocation, StreamReset
from stractory.net.sockets import SocketStream
from stractory.worker import actor as actor_module
from stractory.worker.actor import Actor
from stractory.worker.loading import Loaded
from tests.worker.test_host import LIMIT, Room, definition, life

ADDRESS = ("127.0.0.1", 1234)


class FakeStream:
    """A link's stream whose client has finished in order."""

    closed = True

    def __init__(self, error=None):
        self.error = error
        self.end = Event()
        self.aborted = False

    def recv(self, size):
        if self.error is not None:
            raise self.error
        return b""

    def getpeername(self):
        return ADDRESS

    def call_at_end(self, callback):
        pass

    def close(self):
        self.end.set()

    def abort(self, code=0):
        self.aborted = True
        self.end.set()


def make(handler):
    actor = Actor(life(1), Loaded(definition()), {"init": lambda context: handler}, lambda: None)
    actor.start()
    return actor


def serve(handler, stream):
    make(handler).serve(stream, ADDRESS)
    assert stream.end.wait(LIMIT)


@pytest.fixture(autouse=True)
def all_levels(caplog):
    caplog.set_level(logging.DEBUG)


def levels(caplog):
    return [record.levelname for record in caplog.records]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "another connection"),
        StreamReset("another stream"),
        TimeoutError("too late"),
        ValueError("wrong"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("broken", [None, StreamReset("the client left")], ids=["half-closed", "reset"])
def test_trouble_of_the_handler_is_logged(caplog, error, broken):
    def handler(stream, address):
        raise error

    stream = FakeStream(broken)
    serve(handler, stream)
    assert stream.aborted
    (record,) = caplog.records
    assert record.levelname == "ERROR" and "'room'" in record.getMessage()
    assert record.exc_info[1] is error


def test_a_client_that_left_is_no_failure(caplog):
    stream = FakeStream(StreamReset("the client left"))
    serve(lambda stream, address: stream.recv(1), stream)
    assert stream.aborted
    assert levels(caplog) == ["DEBUG"]


def test_an_orderly_end(caplog):
    stream = FakeStream()
    serve(lambda stream, address: stream.recv(1), stream)
    assert not stream.aborted and not caplog.records


def tcp_pair():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        client = SocketStream.over(socket.create_connection(listening.getsockname()))
        return client, SocketStream.over(listening.accept()[0])


@pytest.mark.parametrize("writes", [False, True])
def test_a_client_that_left_a_socket_is_no_failure(caplog, writes):
    client, stream = tcp_pair()
    client.abort()

    def handler(stream, address):
        while True:
            if writes:
                stream.sendall(b"hello")
            else:
                stream.recv(1)

    ended = Event()
    stream.call_at_end(lambda error: ended.set())
    make(handler).serve(stream, ADDRESS)
    assert ended.wait(LIMIT)
    gevent.idle()
    assert levels(caplog) == ["DEBUG"]


def test_trouble_with_a_half_closed_socket_resets_it(caplog):
    client, stream = tcp_pair()
    client.shutdown(socket.SHUT_WR)

    def handler(stream, address):
        assert stream.recv(1) == b""
        raise ConnectionResetError(errno.ECONNRESET, "another connection")

    make(handler).serve(stream, ADDRESS)
    with pytest.raises(ConnectionResetError), client:
        client.recv(1)
    assert levels(caplog) == ["ERROR"]


# ---- the end ---------------------------------------------------------------------------------------------


def test_it_takes_no_connections_while_destroy_runs():
    room = Room()
    actor = make(room)
    closed = Event()
    actor.on_end = closed.set
    room.gate.clear()
    ending = gevent.spawn(actor.end)
    room.reached.wait()
    assert closed.is_set()  # its own port
    with pytest.raises(StaleLocation):
        actor.serve(FakeStream(), ADDRESS)
    room.gate.set()
    ending.get(timeout=LIMIT)


def test_a_handler_that_does_not_stop_is_left_alone(caplog, monkeypatch):
    monkeypatch.setattr(actor_module, "STOP_LIMIT", 0.1)
    reached, over = Event(), Event()

    def stubborn(stream, address):
        reached.set()
        while not over.is_set():
            try:
                over.wait()
            except gevent.GreenletExit:
                continue

    stream = FakeStream()
    actor = make(stubborn)
    actor.serve(stream, ADDRESS)
    reached.wait()
    actor.end()
    assert stream.aborted and "1 green threads catch GreenletExit" in caplog.text
    over.set()


def test_a_connection_whose_handler_has_not_begun_is_reset_too():
    stream = FakeStream()
    actor = make(lambda stream, address: None)
    actor.serve(stream, ADDRESS)
    actor.end()
    assert stream.aborted
