"""An rpc actor's own port: stock zerorpc clients, ours with callbacks, and what breaks the rules."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import msgpack
import pytest
import zerorpc
import zmq
from gevent import socket
from gevent.event import AsyncResult, Event
from gevent.server import StreamServer

from stractory.actors import zerorpc_port, zerorpc_session
from stractory.actors.rpc import Connection, RpcClient
from stractory.errors import CallbackGone, LinkClosed, StaleLocation, UnknownMethod, WorkerUnavailable
from stractory.net.address import address
from stractory.net.serving import Serving
from stractory.wire.codec import MESSAGE_LIMIT
from tests.support.green import green_until
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]
MOST = 100_000


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Room:
    def __init__(self) -> None:
        self.people: dict[str, Any] = {}
        self.counted = 0
        self.waiting, self.gate = Event(), Event()
        self.error: BaseException = KeyError("lost")

    def add(self, first: int, second: int = 1) -> int:
        """The sum.

        Of two numbers.
        """
        return first + second

    def count(self, up_to: int) -> Iterator[int]:
        yield from range(up_to)

    def fail(self) -> None:
        raise KeyError("lost")

    def wait(self) -> None:
        self.waiting.set()
        self.gate.wait()

    def naturals(self) -> Iterator[int]:
        for self.counted in range(1, MOST + 1):
            yield self.counted

    def throw(self) -> None:
        raise self.error

    def yield_and_throw(self) -> Iterator[int]:
        yield 1
        raise self.error

    def join(self, name: str, tell: Any) -> None:
        self.people[name] = tell

    def say(self, text: str) -> None:
        for tell in self.people.values():
            tell(text)

    def methods(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in METHODS}


METHODS = ["add", "count", "fail", "join", "naturals", "say", "throw", "wait", "yield_and_throw"]


@pytest.fixture
def room() -> Room:
    return Room()


class Owner:
    name = "room"
    suspended = False


@pytest.fixture
def owner() -> Any:
    return Owner()


@pytest.fixture
def port(room: Room, owner: Any) -> Iterator[zerorpc_port.Port]:
    logging.getLogger("zerorpc").setLevel(logging.CRITICAL)
    port = zerorpc_port.Port(owner, 7, room.methods(), Serving(room.methods(), functions=True))
    port.bind("tcp://127.0.0.1:0")
    running = gevent.spawn(port.run)
    yield port
    port.close()
    running.kill()


@pytest.fixture
def endpoint(port: zerorpc_port.Port) -> str:
    return port.endpoint


@pytest.fixture
def stock(endpoint: str) -> Iterator[zerorpc.Client]:
    client = zerorpc.Client(endpoint, timeout=5)
    yield client
    client.close()


def test_a_stranger_may_not_be_silent_for_long(port: zerorpc_port.Port) -> None:
    assert port._events._socket.getsockopt(zmq.HANDSHAKE_IVL) == zerorpc_session.TIME_LIMIT * 1000


def test_a_stock_client(stock: zerorpc.Client) -> None:
    assert stock.add(1, 2) == 3
    assert list(stock.count(1000)) == list(range(1000))
    with pytest.raises(zerorpc.RemoteError) as caught:
        stock.fail()
    assert caught.value.name == "KeyError" and "in fail" in caught.value.traceback
    with pytest.raises(zerorpc.RemoteError):
        stock.nothing()


def test_what_the_zerorpc_command_asks(stock: zerorpc.Client) -> None:
    told = stock._zerorpc_inspect()
    assert told["name"] == "room"
    assert sorted(told["methods"]) == METHODS
    assert told["methods"]["add"] == {
        "args": [{"name": "first"}, {"name": "second", "default": 1}],
        "doc": "The sum.\n\nOf two numbers.",
    }
    assert stock._zerorpc_list() == METHODS


def open_session(endpoint: str) -> RpcClient:
    carrier = zerorpc_session.dial(endpoint, "actor 'room'", "room", 7)
    return RpcClient(Connection(carrier, Serving(functions=True)))


def test_while_its_owner_is_suspended_it_serves_nobody(
    endpoint: str, room: Room, stock: zerorpc.Client, owner: Any
) -> None:
    items = stock.naturals()
    assert next(items) == 1
    under_way = gevent.spawn(stock.wait)
    green_until(lambda: room.waiting.is_set())
    owner.suspended = True
    room.gate.set()
    for call in (under_way.get, lambda: stock.add(1, 2), lambda: list(items)):
        with pytest.raises(zerorpc.RemoteError) as caught:
            call()
        assert caught.value.name == "StaleLocation"
    with pytest.raises(StaleLocation, match="may live elsewhere"):
        open_session(endpoint)
    owner.suspended = False
    assert stock.add(1, 2) == 3


def test_callbacks_over_zerorpc(endpoint: str, room: Room) -> None:
    with open_session(endpoint) as client:
        assert client.add(40, 2) == 42
        heard: AsyncResult[str] = AsyncResult()
        client.join("Alex", heard.set)
        with open_session(endpoint) as other:
            other.say("hello")
        assert heard.get(timeout=5) == "hello"
        assert list(client.count(1000)) == list(range(1000))
        futures = [client.add.future(number) for number in range(5000)]
        assert [future.get(timeout=20) for future in futures] == list(range(1, 5001))
        with pytest.raises(UnknownMethod):
            client.nothing()
        gone = Event()
        room.people["Alex"].on_close(gone.set)
    assert gone.wait(5)
    with pytest.raises(CallbackGone):
        room.people["Alex"]("anybody?")


def test_another_life_at_the_port(endpoint: str) -> None:
    with pytest.raises(StaleLocation):
        zerorpc_session.dial(endpoint, "actor 'room'", "room", 8)


def test_nobody_at_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerorpc_session, "TIME_LIMIT", 0.2)
    with pytest.raises(WorkerUnavailable, match="room"):
        zerorpc_session.dial("tcp://127.0.0.1:1", "actor 'room'", "room", 8)


@pytest.mark.parametrize(
    "parts",
    [
        [b"", msgpack.packb(event)]
        for event in (
            [{"v": 3}, "add", [1]],
            [{"message_id": [1], "v": 3}, "add", [1]],
            [{"message_id": b"a", "v": "zz"}, "add", [1]],
            [{"message_id": b"a", "v": 3}, "add", 7],
            [{"message_id": b"a", "v": 3}, ["add"], []],
            [{"response_to": [1], "v": 3}, "add", [1]],
            [{"response_to": {}, "message_id": b"x"}, "add", []],
            [{"message_id": b"x" * 1000, "v": 3}, "add", [1]],
            [{"message_id": b"b", "v": 3}, "_stractory_session", []],
            [{"message_id": b"c", "v": 3}, "_stractory_session", ["room", "x"]],
            [1, 2, 3],
            7,
        )
    ]
    + [[b"", b"\xc1"], [b"x"], [b""], [b"a", b"b", b"c", b"d"]],
    ids=repr,
)
def test_malformed_events(endpoint: str, stock: zerorpc.Client, parts: list[bytes]) -> None:
    raw = raw_client(endpoint)
    for _ in range(3):
        raw.send_multipart(parts)
    assert stock.add(1, 2) == 3
    raw.close()
    assert stock.add(2, 2) == 4


@pytest.mark.parametrize("garbage", [b"\xc1", b"\7"])
def test_what_is_no_event_is_told(endpoint: str, garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    raw = raw_client(endpoint)
    raw.send_multipart([b"", garbage])
    raw.send_multipart([b"", garbage])
    green_until(lambda: caplog.messages)
    assert caplog.messages == [
        "actor 'room': what came to its zerorpc port is no message of zerorpc's, and was dropped"
    ]
    raw.close()


def raw_client(endpoint: str) -> Any:
    """A ZeroMQ socket that may say what it likes."""
    raw = zmq.Context.instance().socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(endpoint)
    return raw


def event(name: str, args: Any, **header: Any) -> list[bytes]:
    return [b"", msgpack.packb([{"message_id": b"m", "v": 3, **header}, name, args])]


def test_a_client_that_floods_its_channel_harms_itself_only(
    endpoint: str, stock: zerorpc.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zerorpc_port, "STUCK", 0.05)
    raw = raw_client(endpoint)
    raw.send_multipart(event("wait", []))
    for number in range(3000):
        raw.send_multipart(event("messages", [b""], message_id=b"%d" % number, response_to=b"m"))
    green_until(lambda: "takes no more events and is cut off" in caplog.text)
    assert stock.add(1, 2) == 3
    raw.close()


def test_a_client_that_takes_a_generator_without_end_holds_up_nobody(
    endpoint: str, stock: zerorpc.Client, room: Room
) -> None:
    raw = raw_client(endpoint)
    raw.send_multipart(event("naturals", []))
    green_until(lambda: room.counted)
    raw.send_multipart(event("_zpc_more", [10**9], message_id=b"n", response_to=b"m"))
    green_until(lambda: room.counted > 100)
    assert stock.add(1, 2) == 3
    assert room.counted < MOST
    raw.close()


@pytest.mark.parametrize(
    ("raised", "name", "text"),
    [
        (ValueError("file \udcff"), "ValueError", r"file \udcff"),
        (Speechless(), "Speechless", "without a text"),
        (gevent.GreenletExit("over"), "RuntimeError", "GreenletExit: over"),
        (SystemExit(3), "RuntimeError", "SystemExit: 3"),
        (ValueError("x" * 80_000_000), "ValueError", "xxx"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("method", ["throw", "yield_and_throw"])
def test_every_error_is_answered(
    stock: zerorpc.Client, room: Room, raised: BaseException, name: str, text: str, method: str
) -> None:
    room.error = raised
    with pytest.raises(zerorpc.RemoteError) as caught:
        list(stock(method))
    assert caught.value.name == name and text in caught.value.msg
    assert len(caught.value.msg) < 1_000_000 and len(caught.value.traceback) < 1_000_000


def test_an_error_in_the_first_version_of_the_protocol(endpoint: str) -> None:
    raw = raw_client(endpoint)
    raw.send_multipart(event("fail", [], v=1))
    green_until(lambda: raw.poll(0))
    _, name, args = msgpack.unpackb(raw.recv_multipart()[1])
    assert (name, args) == ("ERR", ["KeyError: 'lost'"])
    raw.close()


def test_a_session_ends_with_its_connection(port: zerorpc_port.Port) -> None:
    with open_session(port.endpoint) as client:
        closed = Event()
        client.on_close(closed.set)
        assert client.add(1, 2) == 3
        port._events._socket.close()  # as when the worker dies: it says no more
        assert closed.wait(5)
        with pytest.raises(LinkClosed, match="the connection ended"):
            client.add(1, 2)


def test_who_stops_waiting_as_the_session_opens_leaves_none_behind(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    class Interrupted(AsyncResult):
        def get(self, *args: Any) -> Any:
            opened.append(super().get(*args))
            raise TimeoutError

    monkeypatch.setattr(zerorpc_session, "AsyncResult", Interrupted)
    with pytest.raises(TimeoutError):
        zerorpc_session.dial(endpoint, "actor 'room'", "room", 7)
    green_until(lambda: opened[0].closed)


def test_the_limits_of_zeromq(port: zerorpc_port.Port) -> None:
    assert zerorpc_session.context().get(zmq.MAX_SOCKETS) == zerorpc_session.MOST_SOCKETS
    assert port._events._socket.getsockopt(zmq.LINGER) == zerorpc_session.LINGER


def zmtp_ready(kind: bytes) -> bytes:
    """What a socket of ZeroMQ, of this kind and without keys, says first."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY" + b"\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return greeting + bytes([4, len(ready)]) + ready


def announced(size: int) -> bytes:
    """The head of a message of so many bytes."""
    return b"\x02" + size.to_bytes(8, "big")


def is_hung_up(sock: Any) -> bool:
    """Whether all that comes ends. Raises TimeoutError when it goes on."""
    sock.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(4096):
            pass
    return True


def test_a_port_takes_no_message_of_any_size(endpoint: str, stock: zerorpc.Client) -> None:
    with socket.create_connection(address(endpoint.removeprefix("tcp://"))) as stranger:
        stranger.sendall(zmtp_ready(b"DEALER") + announced(MESSAGE_LIMIT + 1))
        assert is_hung_up(stranger)
    assert stock.add(1, 2) == 3


def test_nor_does_who_dials_one() -> None:
    hung_up: AsyncResult[bool] = AsyncResult()

    def pretend(sock: Any, peer: Any) -> None:
        sock.sendall(zmtp_ready(b"ROUTER") + announced(MESSAGE_LIMIT + 1))
        hung_up.set(is_hung_up(sock))

    server = StreamServer(("127.0.0.1", 0), pretend)
    server.start()
    endpoint = f"tcp://127.0.0.1:{server.server_port}"
    dialling = gevent.spawn(zerorpc_session.dial, endpoint, "actor 'room'", "room", 7, may_block=True)
    assert hung_up.get(timeout=20)
    server.stop()
    with pytest.raises(WorkerUnavailable):
        dialling.get()


def test_a_port_that_is_gone_does_not_hold_up_the_end_of_a_client() -> None:
    program = (
        "import gevent\n"
        "from stractory.actors import zerorpc_session as session\n"
        "from stractory.errors import WorkerUnavailable\n"
        "session.TIME_LIMIT = 0.1\n"
        "try:\n"
        "    session.dial('tcp://127.0.0.1:1', 'room', 'room', 7)\n"
        "except WorkerUnavailable:\n"
        "    gevent.idle()\n"
        "    session.context().term()\n"
    )
    run_program([sys.executable, "-c", program], check=True, timeout=30, cwd=ROOT)
