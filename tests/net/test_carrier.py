"""What does as a link's stream over something that blocks."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from stractory.errors import SlowConsumer
from stractory.net import carrier as module
from stractory.net.carrier import BlockingCarrier, over_socket
from stractory.net.secured import Connection, TlsStream
from stractory.net.sockets import SocketStream
from tests.support.tls import joined


class Taker:
    """A receiver that consumes when it is told to."""

    def __init__(self, carrier: BlockingCarrier, *, at_once: bool = True) -> None:
        self.carrier = carrier
        self.at_once = at_once
        self.data = b""
        self.ended = Event()
        self.error: Exception | None = None
        carrier.deliver_to(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.at_once:
            self.carrier.consumed(len(data))

    def stream_ended(self, error: Exception | None) -> None:
        assert not self.ended.is_set()
        self.error = error
        self.ended.set()


@pytest.fixture(params=["plain", "tls"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[BlockingCarrier, Connection]]:
    near, far = joined(request.param)
    carrier = over_socket(near if isinstance(near, TlsStream) else SocketStream.over(near), "own port")
    yield carrier, far
    carrier.abort()
    far.close()


def receive(far: Connection, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := far.recv(size - len(data))):
        data += more
    return data


def test_what_is_queued_arrives_in_order(ends: tuple[BlockingCarrier, Connection]) -> None:
    carrier, far = ends
    pieces = [bytes([number % 256]) * number for number in range(600)]
    for piece in pieces:
        carrier.queue(piece)
    assert receive(far, sum(map(len, pieces))) == b"".join(pieces)


def test_what_was_queued_arrives_before_the_end(ends: tuple[BlockingCarrier, Connection]) -> None:
    carrier, far = ends
    taker = Taker(carrier)
    carrier.queue(bytes(100_000))
    closing = gevent.spawn(carrier.close)
    assert len(receive(far, 1_000_000)) == 100_000
    closing.get(timeout=5)
    assert carrier.closed and taker.error is None
    with pytest.raises(OSError):
        carrier.queue(b"more")


def test_what_was_queued_before_the_close_is_no_more_aborted(
    ends: tuple[BlockingCarrier, Connection],
) -> None:
    carrier, far = ends
    ended: list[Exception | None] = []
    carrier.call_at_end(ended.append)
    carrier.queue(bytes(10_000_000))
    carrier.close()
    assert ended == [None]
    carrier.abort()
    assert len(receive(far, 20_000_000)) == 10_000_000


def test_the_other_side_may_finish_and_still_listen(ends: tuple[BlockingCarrier, Connection]) -> None:
    carrier, far = ends
    taker = Taker(carrier)
    far.sendall(b"question")
    far.shutdown(socket.SHUT_WR)
    assert taker.ended.wait(5) and taker.error is None and taker.data == b"question"
    assert carrier.closed
    carrier.queue(b"answer")
    assert receive(far, 6) == b"answer"
    carrier.close()


def test_no_more_is_read_than_is_consumed(
    ends: tuple[BlockingCarrier, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNCONSUMED_LIMIT", 1000)
    carrier, far = ends
    taker = Taker(carrier, at_once=False)
    sending = gevent.spawn(far.sendall, bytes(5_000_000))
    gevent.idle()
    gevent.idle()
    assert 1000 < len(taker.data) < 1_000_000 and not sending.ready()
    taker.at_once = True
    carrier.consumed(len(taker.data))
    sending.get(timeout=10)


def test_a_peer_that_takes_nothing_is_given_up(
    ends: tuple[BlockingCarrier, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 3_000_000)
    carrier, _ = ends
    taker = Taker(carrier)
    with pytest.raises(SlowConsumer):
        while True:
            carrier.queue(bytes(100_000))
            carrier.make_room()
    assert carrier.closed and isinstance(taker.error, SlowConsumer)


def test_a_peer_that_takes_nothing_is_given_up_however_little_waits(
    ends: tuple[BlockingCarrier, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stractory.net.backlog.STILL_LIMIT", 0.0)
    carrier, _ = ends
    carrier.queue(bytes(900_000))
    with pytest.raises(SlowConsumer):
        for _ in range(10):
            gevent.idle()
            carrier.queue(b"x")
            carrier.make_room()
    assert carrier.closed


def test_the_end_is_told_once(ends: tuple[BlockingCarrier, Connection]) -> None:
    carrier, _ = ends
    told: list[Exception | None] = []
    carrier.call_at_end(told.append)
    taker = Taker(carrier)
    carrier.abort()
    carrier.abort()
    carrier.call_at_end(told.append)
    assert taker.ended.wait(5) and len(told) == 2 and told[0] is taker.error
