"""An rpc actor's own port: stock zerorpc clients, ours with callbacks, and what breaks the rules."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import gevent
import msgpack
import pytest
import zerorpc
import zmq
from gevent.event import AsyncResult, Event

from stractory.actors import zerorpc_port
from stractory.actors.rpc import RpcClient
from stractory.errors import CallbackGone, StaleLocation, UnknownMethod, WorkerUnavailable
from stractory.net.calls import Calls
from stractory.net.serving import Serving


class Room:
    def __init__(self) -> None:
        self.people: dict[str, Any] = {}

    def add(self, first: int, second: int = 1) -> int:
        """The sum.

        Of two numbers.
        """
        return first + second

    def count(self, up_to: int) -> Iterator[int]:
        yield from range(up_to)

    def fail(self) -> None:
        raise KeyError("lost")

    def join(self, name: str, tell: Any) -> None:
        self.people[name] = tell

    def say(self, text: str) -> None:
        for tell in self.people.values():
            tell(text)

    def methods(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("add", "count", "fail", "join", "say")}


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def endpoint(room: Room) -> Iterator[str]:
    logging.getLogger("zerorpc").setLevel(logging.CRITICAL)
    port = zerorpc_port.Port("room", 7, room.methods(), Serving(room.methods(), functions=True))
    port.bind("tcp://127.0.0.1:0")
    running = gevent.spawn(port.run)
    yield port.endpoint
    port.close()
    running.kill()


@pytest.fixture
def stock(endpoint: str) -> Iterator[zerorpc.Client]:
    client = zerorpc.Client(endpoint, timeout=5)
    yield client
    client.close()


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
    assert set(told["methods"]) == {"add", "count", "fail", "join", "say"}
    assert told["methods"]["add"] == {
        "args": [{"name": "first"}, {"name": "second", "default": 1}],
        "doc": "The sum.\n\nOf two numbers.",
    }
    assert stock._zerorpc_list() == ["add", "count", "fail", "join", "say"]


def open_session(endpoint: str) -> RpcClient:
    carrier = zerorpc_port.dial(endpoint, "actor 'room'", "room", 7)
    return RpcClient(Calls(carrier, Serving(functions=True)))


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
        zerorpc_port.dial(endpoint, "actor 'room'", "room", 8)


def test_nobody_at_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerorpc_port, "TIME_LIMIT", 0.2)
    with pytest.raises(WorkerUnavailable, match="room"):
        zerorpc_port.dial("tcp://127.0.0.1:1", "actor 'room'", "room", 8)


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
    raw = zmq.Context.instance().socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(endpoint)
    for _ in range(3):
        raw.send_multipart(parts)
    assert stock.add(1, 2) == 3
    raw.close()
    assert stock.add(2, 2) == 4


def test_a_client_that_floods_its_channel_harms_itself_only(
    endpoint: str, stock: zerorpc.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zerorpc_port, "STUCK", 0.05)
    raw = zmq.Context.instance().socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(endpoint)
    raw.send_multipart(
        [b"", msgpack.packb([{"message_id": b"m", "v": 3}, "_stractory_session", ["room", 7]])]
    )
    for number in range(500):
        header = {"message_id": b"%d" % number, "response_to": b"m", "v": 3}
        raw.send_multipart([b"", msgpack.packb([header, "messages", [b""]])])
    assert stock.add(1, 2) == 3
    raw.close()
