"""Our session against a yamux that is not ours: ChainSafe's js-libp2p-yamux 7.0.4, over TCP, both ways round.

Its ways, where the specification leaves room:

* It acknowledges a stream only with the first frame it writes on it, or once its application has read
  something; a stream nobody reads stays unacknowledged.
* It opens a stream by an empty window update, never by data, and gives credit with every chunk its
  application reads. Its receive window grows (up to 16 MiB), so credit comes to far more than 256 KiB.
* It pings as soon as it is there.
* To go away is to close for it: told to, it resets all its streams without a frame and ends the connection.

Version 8 is the same protocol behind an interface that needs more of libp2p. yamux-js 0.2.0 was tried first
and cannot serve as a peer: it loses bytes where TCP cuts a header or a frame in two, drops data that comes
with a SYN, and never notices a FIN (``processFlags`` asks for SYN where FIN is meant).
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stractory.errors import LinkClosed
from stractory.wire.session import WINDOW
from tests.interop.driver import TIMEOUT, Driver, pattern
from tests.support.node import Node, install

PEER = Path(__file__).with_name("peer.js")
BULK = 3_000_000


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The npm packages of peer.js."""
    install(PEER.parent)


Pair = tuple[Driver, Node]


def dial() -> Pair:
    """We dial a node server."""
    node = Node(PEER, "listen")
    return Driver(socket.create_connection(("127.0.0.1", node.told()["port"]), TIMEOUT), dialled=True), node


def listen() -> Pair:
    """A node client dials us."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT)
        node = Node(PEER, "dial", str(server.getsockname()[1]))
        connection, _ = server.accept()
    return Driver(connection, dialled=False), node


@pytest.fixture(params=[dial, listen], ids=["we dial", "they dial"])
def pair(request: pytest.FixtureRequest, node_modules: None) -> Iterator[Pair]:
    make: Callable[[], Pair] = request.param
    driver, node = make()
    yield driver, node
    driver.close()
    node.close()


# ---- streams that we open -----------------------------------------------------------------------------


def test_they_echo(pair: Pair) -> None:
    driver, _ = pair
    stream = driver.open(b"echo\nhello")
    driver.send(stream, b", world")
    driver.session.finish(stream)
    assert list(driver.until_over(stream)) == [b"hello, world"]
    assert driver.streams[stream].accepted
    assert driver.session.streams == 0


def test_they_echo_100_streams(pair: Pair) -> None:
    driver, _ = pair
    streams = [driver.open(b"echo\n") for _ in range(100)]
    for number, stream in enumerate(streams):
        driver.send(stream, b"stream %d" % number)
    for stream in streams:
        driver.session.finish(stream)
    assert list(driver.until_over(*streams)) == [b"stream %d" % number for number in range(100)]
    assert all(driver.streams[stream].accepted for stream in streams)
    assert driver.session.streams == 0


def test_one_stream_after_another_far_over_the_backlog(pair: Pair) -> None:
    driver, _ = pair
    for number in range(600):
        stream = driver.open(b"echo\n%d" % number)
        driver.session.finish(stream)
        assert list(driver.until_over(stream)) == [b"%d" % number]
    assert driver.session.streams == 0


def test_we_send_far_more_than_a_window_and_half_close(pair: Pair) -> None:
    driver, _ = pair
    data = pattern(BULK)
    stream = driver.open(b"digest\n")
    driver.send(stream, data)
    driver.session.finish(stream)
    # The answer comes after our end: the other direction lived on.
    (answer,) = driver.until_over(stream)
    assert json.loads(answer) == {"size": BULK, "sha256": hashlib.sha256(data).hexdigest()}
    assert driver.session.streams == 0


def test_they_send_far_more_than_a_window_and_half_close(pair: Pair) -> None:
    driver, node = pair
    stream = driver.open(b"give %d\n" % BULK)
    (data,) = driver.until_over(stream)
    assert hashlib.sha256(data).digest() == hashlib.sha256(pattern(BULK)).digest()
    assert not driver.streams[stream].reset
    # They have finished; we have not.
    driver.send(stream, b"still here")
    driver.session.finish(stream)
    driver.flush()
    assert node.told() == {
        "event": "heard",
        "size": 10,
        "sha256": hashlib.sha256(b"still here").hexdigest(),
    }
    assert driver.session.streams == 0


def test_both_ways_at_once_far_more_than_a_window(pair: Pair) -> None:
    driver, _ = pair
    data = pattern(BULK)
    streams = [driver.open(b"echo\n") for _ in range(3)]
    for stream in streams:
        driver.send(stream, data)
        driver.session.finish(stream)
    for echo in driver.until_over(*streams):
        assert hashlib.sha256(echo).digest() == hashlib.sha256(data).digest()


def test_we_wait_at_the_end_of_the_window(pair: Pair) -> None:
    driver, _ = pair
    stream = driver.open(b"digest\n")
    taken = 0
    while size := driver.session.send(stream, bytes(65536)):
        taken += size
    assert taken == WINDOW - len(b"digest\n")  # nothing was received meanwhile
    driver.send(stream, b"and on")
    driver.session.finish(stream)
    (answer,) = driver.until_over(stream)
    assert json.loads(answer)["size"] == taken + len(b"and on")


def test_they_reset(pair: Pair) -> None:
    driver, _ = pair
    stream = driver.open(b"reset\n")
    assert list(driver.until_over(stream)) == [b""]
    assert driver.streams[stream].reset
    assert driver.session.streams == 0
    with pytest.raises(LinkClosed):
        driver.session.send(stream, b"x")
    other = driver.open(b"echo\nthe link lives on")
    driver.session.finish(other)
    assert list(driver.until_over(other)) == [b"the link lives on"]


def test_we_reset(pair: Pair) -> None:
    driver, node = pair
    stream = driver.open(b"wait\n")
    while not driver.streams[stream].accepted:
        driver.step()
    driver.session.reset(stream)
    driver.flush()
    assert node.told() == {"event": "was reset", "error": "StreamResetError"}
    assert driver.session.streams == 0


def test_we_ping(pair: Pair) -> None:
    driver, _ = pair
    for value in (0, 1, 0xFFFFFFFF):
        driver.session.ping(value)
    while len(driver.pings) < 3:
        driver.step()
    assert driver.pings == [0, 1, 0xFFFFFFFF]


def test_we_go_away(pair: Pair) -> None:
    driver, node = pair
    driver.session.go_away()
    with pytest.raises(LinkClosed):
        driver.open()
    with pytest.raises(EOFError):  # to them it is the end
        while True:
            driver.step()
    assert node.told() == {"event": "closed"}


# ---- streams that they open ---------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(1, 5), (100, 1000), (3, BULK)], ids=["one", "many", "bulk"])
def test_we_echo(pair: Pair, count: int, size: int) -> None:
    driver, node = pair
    node.order("echo", count=count, size=size)
    for _ in range(count):
        driver.echo(driver.opened())
    assert node.told() == {"event": "echoed", "good": count}
    assert driver.session.streams == 0


def test_they_open_and_reset(pair: Pair) -> None:
    driver, node = pair
    node.order("open and reset")
    stream = driver.opened()
    driver.session.accept(stream, b"welcome")
    driver.flush()
    assert node.told() == {"event": "answered", "text": "welcome"}
    assert node.told() == {"event": "aborted"}
    assert list(driver.until_over(stream)) == [b"to be given up"]
    assert driver.streams[stream].reset
    assert driver.session.streams == 0


def test_we_refuse_a_stream(pair: Pair) -> None:
    driver, node = pair
    node.order("echo", count=1, size=5)
    driver.session.reset(driver.opened())
    driver.flush()
    assert node.told() == {"event": "failed", "error": "StreamResetError: stream reset"}
    assert driver.session.streams == 0


def test_they_ping(pair: Pair) -> None:
    driver, node = pair
    node.order("ping")
    node.order("echo", count=1, size=5)  # follows it on the wire, so we know when both are here
    driver.echo(driver.opened())
    assert {node.told()["event"], node.told()["event"]} == {"pinged", "echoed"}


def test_they_go_away(pair: Pair) -> None:
    driver, node = pair
    node.order("go away")
    while driver.went_away is None:
        driver.step()
    assert driver.went_away == 0
    assert driver.session.exhausted
    with pytest.raises(LinkClosed):
        driver.open()
    assert node.told() == {"event": "gone away"}
