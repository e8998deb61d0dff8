"""An rpc actor's own port that asks for a key: who gets in, and what strangers do to it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from socket import SHUT_WR
from typing import Any

import gevent
import pytest
import zerorpc
import zmq
from gevent import socket
from gevent.server import StreamServer

from stractory.actors import curve_port, zap, zerorpc_port, zerorpc_session
from stractory.actors.curve import CurveKeys, client_keys
from stractory.actors.curve_port import CurvePort
from stractory.actors.rpc import Connection, RpcClient
from stractory.actors.zerorpc_port import Port
from stractory.errors import AuthError, ConfigError, PortUnavailable, StaleLocation, WorkerUnavailable
from stractory.net.listener import Ports
from stractory.net.serving import Serving

LIMIT = 10.0
SESSION, OTHER = b"s" * 32, b"o" * 32


class Owner:
    name = "room"
    suspended = False
    may_block = False


METHODS = {"add": lambda a, b: a + b, "size": len}


def open_port(kind: type[Port] = CurvePort, owner: Any = Owner) -> Any:
    logging.getLogger("zerorpc").setLevel(logging.CRITICAL)
    port = kind(owner(), 7, METHODS, Serving(METHODS, functions=True))
    port.bind("tcp://127.0.0.1:0")
    gevent.spawn(port.run)
    return port


@pytest.fixture
def port() -> Iterator[CurvePort]:
    port = open_port()
    port.admit("alex", SESSION)
    yield port
    port.close()


@pytest.fixture(autouse=True)
def within_a_limit() -> Iterator[None]:
    with gevent.Timeout(LIMIT):
        yield


def keys_for(port: CurvePort, session: bytes = SESSION) -> CurveKeys:
    return client_keys(port.key, session, "room", 7)


def enter(port: Any, curve: CurveKeys | None) -> RpcClient:
    carrier = zerorpc_session.dial(port.endpoint, "actor 'room'", "room", 7, curve=curve)
    return RpcClient(Connection(carrier, Serving(functions=True)))


def check_it_serves(port: CurvePort) -> None:
    with enter(port, keys_for(port)) as client:
        assert client.add(1, 2) == 3


def test_who_was_admitted_gets_in(port: CurvePort) -> None:
    heard: list[int] = []
    with enter(port, keys_for(port)) as client:
        assert client.add(40, 2) == 42
        assert client.size("x" * 1_000_000) == 1_000_000
        assert heard == []
    check_it_serves(port)


def test_who_was_not_admitted_is_refused(port: CurvePort, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AuthError, match=f"actor 'room'.*{port.endpoint}"):
        enter(port, keys_for(port, OTHER))
    assert "has a key that is not admitted" in caplog.text
    check_it_serves(port)
    port.admit("bob", OTHER)
    with enter(port, keys_for(port, OTHER)) as client:
        assert client.add(1, 2) == 3


def test_another_port_than_was_told_is_refused(port: CurvePort) -> None:
    other = open_port()
    with pytest.raises(AuthError):
        enter(port, keys_for(other))
    other.close()
    check_it_serves(port)


def test_one_that_was_admitted_elsewhere_is_refused(port: CurvePort) -> None:
    other = open_port()
    with pytest.raises(AuthError):
        enter(other, keys_for(other))  # the same key pair as at the first
    other.close()


def test_a_key_is_good_for_a_while_and_an_entered_client_stays(
    port: CurvePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter(port, keys_for(port)) as client:
        monkeypatch.setattr(port.admissions, "_clock", lambda: float("inf"))
        assert client.add(1, 2) == 3
        with pytest.raises(AuthError):
            enter(port, keys_for(port))
        assert client.add(1, 2) == 3


def test_another_life_at_the_port(port: CurvePort) -> None:
    with pytest.raises(StaleLocation):
        zerorpc_session.dial(port.endpoint, "actor 'room'", "room", 8, curve=keys_for(port))


def test_nobody_at_the_port(port: CurvePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerorpc_session, "TIME_LIMIT", 0.2)
    with pytest.raises(WorkerUnavailable):
        zerorpc_session.dial("tcp://127.0.0.1:1", "actor 'room'", "room", 7, curve=keys_for(port))


def test_a_worker_that_ends_meanwhile_is_no_refusal(port: CurvePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerorpc_session, "TIME_LIMIT", 0.5)

    def take_one_and_go(sock: Any, address: Any) -> None:
        server.close()
        sock.close()

    server = StreamServer(("127.0.0.1", 0), take_one_and_go)
    server.start()
    with pytest.raises(WorkerUnavailable):
        where = f"tcp://127.0.0.1:{server.server_port}"
        zerorpc_session.dial(where, "actor 'room'", "room", 7, curve=keys_for(port))


def test_without_keys(port: CurvePort) -> None:
    with pytest.raises(WorkerUnavailable):
        enter(port, None)
    check_it_serves(port)


def test_keys_for_a_public_port(port: CurvePort) -> None:
    public = open_port(Port)
    with pytest.raises(AuthError):
        enter(public, keys_for(port))
    with enter(public, None) as client:  # nobody is asked whether it may, though somebody would answer
        assert client.add(1, 2) == 3
    public.close()


def test_a_zerorpc_client(port: CurvePort) -> None:
    client = zerorpc.Client(timeout=5)
    for option, key in zip(
        (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY), keys_for(port), strict=True
    ):
        client._events.setsockopt(option, key)
    client.connect(port.endpoint)
    assert client.add(1, 2) == 3
    client.close()


def test_where_nobody_answers_nobody_gets_in(port: CurvePort) -> None:
    guarding = zap.guard()._socket
    guarding.unbind("inproc://zeromq.zap.01")
    try:
        with pytest.raises(AuthError):
            enter(port, keys_for(port))
    finally:
        guarding.bind("inproc://zeromq.zap.01")
    check_it_serves(port)


def test_a_zeromq_without_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "has", lambda capability: False)
    with pytest.raises(PortUnavailable, match="without CURVE"):
        open_port()


def test_a_port_that_was_closed_is_forgotten() -> None:
    ports = zap.guard()._ports
    before = dict(ports)
    port = open_port()
    assert len(ports) == len(before) + 1
    port.close()
    assert ports == before


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        os.urandom(100_000),
        b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31) + os.urandom(100_000),
        b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31) + b"\x04\x05\x05READY",
        # a command of 2^62 bytes
        b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31) + b"\x06\x40" + bytes(7),
    ],
    ids=["nothing", "http", "garbage", "garbage after the greeting", "null", "too long"],
)
def test_the_bytes_of_strangers(port: CurvePort, said: bytes) -> None:
    host, _, number = port.endpoint.removeprefix("tcp://").rpartition(":")
    strangers = [socket.create_connection((host, int(number))) for _ in range(5)]
    for stranger in strangers:
        with contextlib.suppress(OSError):
            stranger.sendall(said)
    check_it_serves(port)
    for stranger in strangers:
        with stranger, contextlib.suppress(OSError):
            stranger.shutdown(SHUT_WR)
            while stranger.recv(65536):
                pass
    check_it_serves(port)


def test_a_message_over_the_limit_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerorpc_port, "MESSAGE_LIMIT", 1 << 20)
    port = open_port()
    port.admit("alex", SESSION)
    raw: Any = zerorpc_session.context().socket(zmq.DEALER)
    raw.linger = 0
    raw.curve_serverkey, raw.curve_publickey, raw.curve_secretkey = keys_for(port)
    monitor: Any = raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    raw.connect(port.endpoint)
    with enter(port, keys_for(port)) as client:
        raw.send(bytes(2 << 20))
        monitor.recv_multipart()
        assert client.add(1, 2) == 3
    raw.disable_monitor()
    raw.close()
    check_it_serves(port)
    port.close()


@pytest.mark.parametrize("may_block", [False, True])
def test_the_limits_of_zeromq(may_block: bool) -> None:
    class Some(Owner):
        pass

    Some.may_block = may_block
    port = open_port(owner=Some)
    limit = zerorpc_session.SILENCE if may_block else zerorpc_session.TIME_LIMIT
    assert port._events._socket.getsockopt(zmq.HANDSHAKE_IVL) == limit * 1000
    assert port._events._socket.getsockopt(zmq.MAXMSGSIZE) == 64 * 1024 * 1024
    assert port._events._socket.getsockopt(zmq.LINGER) == zerorpc_session.LINGER
    assert port.admissions._seconds == curve_port.ADMISSION + limit
    port.close()


def test_it_may_be_beyond_loopback(port: CurvePort) -> None:
    ports = Ports("0.0.0.0", None)  # noqa: S104  # that it may be is the case
    with pytest.raises(ConfigError, match="plain text"):
        ports.lend(port, "a port")
    assert ports.lend(port, "a port", encrypted=True).port
