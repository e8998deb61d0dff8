"""Streams and calls over a real link between two ends in this process."""

import errno
import gc
import hashlib
import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from stractory.errors import CallTimeout, LinkClosed, RemoteError, StaleLocation, StreamReset, UnknownMethod
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.net.serving import Serving
from stractory.net.stream import Stream
from stractory.wire.dialling import Dial
from tests.support.tls import joined


class Pair:
    """Two joined links; ``serve`` is what the accepting end does with a stream."""

    def __init__(self, transport: str = "plain") -> None:
        ours, theirs = joined(transport)
        self.serve: Callable[[Link, Stream, Dial], None] = lambda link, stream, dial: gevent.spawn(
            self.echo, stream
        )
        self.near = Link(ours, dialled=True, peer="far end")
        self.far = Link(theirs, dialled=False, peer="near end", serve=self._accept)
        self.tasks = [gevent.spawn(self.near.run), gevent.spawn(self.far.run)]

    def _accept(self, link: Link, stream: Stream, dial: Dial) -> None:
        if dial.name == "refused":
            link.refuse_stream(stream, StaleLocation("gone"))
        else:
            link.accept_stream(stream)
            self.serve(link, stream, dial)

    @staticmethod
    def echo(stream: Stream) -> None:
        with stream:
            for data in stream:
                stream.sendall(data)

    def open(self, name: str = "room") -> Stream:
        stream = self.near.open(Dial("actor", name, 1), name)
        stream.wait_accepted()
        return stream

    def close(self) -> None:
        self.near.close()
        self.far.close()
        gevent.joinall(self.tasks, timeout=5, raise_error=True)


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(request.param)
    yield pair
    pair.close()


def read_all(stream: Stream) -> bytes:
    return b"".join(stream)


def test_echo_and_half_close(pair: Pair) -> None:
    stream = pair.open()
    stream.sendall(b"Hello")
    assert stream.recv(2) + stream.recv(100) == b"Hello"
    stream.shutdown(socket.SHUT_WR)
    assert read_all(stream) == b""
    with pytest.raises(OSError, match="shut for writing"):
        stream.sendall(b"more")
    stream.close()
    with pytest.raises(OSError, match="closed"):
        stream.recv(1)


def test_much_more_than_a_window_in_both_directions(pair: Pair) -> None:
    stream = pair.open()
    data = os.urandom(5_000_000)

    def send() -> None:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)

    sender = gevent.spawn(send)
    assert hashlib.sha256(read_all(stream)).digest() == hashlib.sha256(data).digest()
    sender.get()


def test_many_streams_at_once(pair: Pair) -> None:
    streams = [pair.near.open(Dial("actor", str(number), 1), "many") for number in range(1000)]
    for number, stream in enumerate(streams):
        stream.wait_accepted()
        stream.sendall(b"%d" % number)
    assert [stream.recv(100) for stream in streams] == [b"%d" % number for number in range(1000)]


def test_a_stream_that_is_not_read_does_not_stop_the_others(pair: Pair) -> None:
    stalled, lively = pair.open(), pair.open()
    sender = gevent.spawn(stalled.sendall, bytes(3_000_000))
    lively.sendall(b"still here")
    assert lively.recv(100) == b"still here"
    assert not sender.ready()
    stalled.close()
    with pytest.raises(OSError):
        sender.get()


def test_two_writers_do_not_mix(pair: Pair) -> None:
    stream = pair.open()
    writers = [gevent.spawn(stream.sendall, letter * 1_000_000) for letter in (b"a", b"b")]
    received = b""
    while len(received) < 2_000_000:
        received += stream.recv(65536)
    assert received in (b"a" * 1_000_000 + b"b" * 1_000_000, b"b" * 1_000_000 + b"a" * 1_000_000)
    gevent.joinall(writers, raise_error=True)


def test_a_refusal_carries_its_error(pair: Pair) -> None:
    with pytest.raises(StaleLocation, match="gone"):
        pair.open("refused")
    assert pair.open().id > 1  # the link is well


def test_a_reset_is_seen_after_what_came_before_it(pair: Pair) -> None:
    def send_and_abort(link: Link, stream: Stream, dial: Dial) -> None:
        stream.sendall(b"last words")
        stream.abort()

    pair.serve = send_and_abort
    stream = pair.open()
    assert stream.recv(100) == b"last words"
    with pytest.raises(StreamReset):
        stream.recv(100)


def test_the_end_of_the_link_ends_its_streams(pair: Pair) -> None:
    stream = pair.open()
    reader = gevent.spawn(stream.recv, 1)
    gevent.idle()
    pair.far.close()
    with pytest.raises(LinkClosed, match="far end"):
        reader.get(timeout=5)
    with pytest.raises(LinkClosed):
        pair.open()


def test_a_stream_times_out_as_a_socket_does(pair: Pair) -> None:
    stream = pair.open()
    stream.settimeout(0.01)
    assert stream.gettimeout() == 0.01
    with pytest.raises(TimeoutError):
        stream.recv(1)


def test_files_made_of_a_stream(pair: Pair) -> None:
    stream = pair.open()
    with stream.makefile("rw", encoding="utf-8", newline="\n") as file:
        stream.close()  # the file goes on
        file.write("grüße\nsecond\n")
        file.flush()
        assert [file.readline(), file.readline()] == ["grüße\n", "second\n"]
    assert stream.closed


def test_recv_into_and_names(pair: Pair) -> None:
    stream = pair.open()
    stream.sendall(b"abcdef")
    buffer = bytearray(4)
    assert stream.recv_into(buffer) == 4 and bytes(buffer) == b"abcd"
    assert stream.getpeername()[0] == "127.0.0.1" and stream.fileno() == -1


def test_garbage_ends_the_link_only(pair: Pair) -> None:
    stream = pair.open()
    pair.near._socket.send(b"\xff" * 64)
    with pytest.raises(OSError):
        stream.recv(1)
    assert pair.far.failure is not None


@pytest.mark.parametrize(
    "end",
    [b"\xff" * 64, b"\0\0\0\x01\0\0\0\x05\0\0\0\x04\0\x02\xc1\xc1", None],
    ids=["ones", "no dial header", "closed"],
)
def test_a_link_that_is_over_needs_no_collector(pair: Pair, end: bytes | None) -> None:
    """It has what was read and not used, and the collector does not know how much that is."""
    gc.disable()
    try:
        gone = weakref.ref(pair.far)
        if end is None:
            pair.near.close()
        else:
            pair.near._socket.send(end)
        gevent.joinall(pair.tasks, timeout=5)
        pair.tasks.clear()
        pair.far = pair.near
        assert gone() is None
    finally:
        gc.enable()


def test_a_stream_that_is_reset_right_after_it_got_room_ends_alone(pair: Pair) -> None:
    """A client that closes what it has only partly read: credit and reset may come in one read."""
    innocent = pair.open()

    def fire(link: Link, stream: Stream, dial: Dial) -> None:
        gevent.spawn(stream.sendall, bytes(1_000_000)).rawlink(lambda task: task.exception)

    pair.serve = fire
    for _ in range(20):
        hose = pair.open()
        while pair.far._session.output_size or not hose._chunks:
            gevent.idle()
        for _ in range(3):
            hose.recv(100_000)
        hose.close()
    innocent.sendall(b"still here")
    assert innocent.recv(100) == b"still here"
    innocent.close()


def test_a_stream_that_nobody_holds_any_more_is_given_up(pair: Pair) -> None:
    served: list[Stream] = []
    pair.serve = lambda link, stream, dial: served.append(stream)
    kept, dropped = pair.open(), pair.open()
    del dropped
    gc.collect()
    assert served[1].recv(1) == b""
    assert not served[0].closed
    assert pair.near._session.streams == 2  # the dropped one until the far end closes it too
    served[1].close()
    gevent.idle()
    kept.sendall(b"x")
    assert served[0].recv(1) == b"x"
    assert pair.near._session.streams == pair.far._session.streams == 1


def test_a_stream_that_is_closed_unanswered_makes_room_for_another(pair: Pair) -> None:
    unanswered: list[Stream] = []
    pair.far._serve = lambda link, stream, dial: unanswered.append(stream)
    begun = [pair.near.open(Dial("actor", "x", 1), "x") for _ in range(256)]
    waiting = gevent.spawn(pair.near.open, Dial("actor", "x", 1), "x")
    gevent.idle()
    assert not waiting.ready()
    begun[0].abort()
    assert waiting.get(timeout=5).id == begun[-1].id + 2


def test_what_a_timed_out_send_goes_on_sending_is_what_it_was_given(pair: Pair) -> None:
    served: list[Stream] = []
    pair.serve = lambda link, stream, dial: served.append(stream)
    stream = pair.open()
    stream.settimeout(0.02)
    data = bytearray(b"a" * 1_000_000)
    with pytest.raises(TimeoutError):
        stream.sendall(data)
    data[:] = b"b" * len(data)
    received = b""
    while len(received) < len(data):
        received += served[0].recv(100_000)
    assert received == b"a" * len(data)


def test_an_end_without_a_word_is_a_failure(pair: Pair) -> None:
    stream = pair.open()
    reasons: list[str] = []
    pair.far.call_at_end(reasons.append)
    pair.near._socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(LinkClosed):
        stream.recv(1)
    gevent.idle()
    assert isinstance(pair.far.failure, LinkClosed)
    pair.far.call_at_end(reasons.append)  # it is over already
    assert reasons == ["the link to near end broke: it ended without a word"] * 2


def test_a_link_that_breaks_in_the_middle_of_a_send(pair: Pair) -> None:
    class Broken:
        def send(self, *data: Any) -> int:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

        sendmsg = send

    stream = pair.open()
    pair.near.writer._socket = Broken()
    with gevent.Timeout(5), pytest.raises(LinkClosed, match="reset by peer"):
        stream.sendall(bytes(1_000_000))


@pytest.mark.parametrize("end", [Stream.close, Stream.abort, lambda stream: stream.sendall(b"bye")])
def test_what_is_collected_in_the_middle_of_anything_may_use_its_stream(
    pair: Pair, end: Callable[[Stream], None]
) -> None:
    class Holder:
        def __init__(self, stream: Stream) -> None:
            self.itself, self.stream = self, stream

        def __del__(self) -> None:
            end(self.stream)

    stream = pair.open()
    stream.settimeout(5)
    before = gc.get_threshold()
    gc.disable()
    gc.freeze()  # what all tests before have left would be looked through thousands of times
    try:
        for allocations in range(12):
            for send, size in ((stream.queue, 500), (stream.sendall, 70_000)):
                gc.collect()
                Holder(pair.open())
                gevent.idle()  # no flush is due
                gc.set_threshold(gc.get_count()[0] + allocations + 1)
                gc.enable()
                sent = bytes([allocations]) * size
                send(sent)
                gc.disable()
                received = b""
                while len(received) < size:
                    received += stream.recv(size)
                assert received == sent
    finally:
        gc.unfreeze()
        gc.collect()
        gc.set_threshold(*before)
        gc.enable()


def test_reading_what_was_closed(pair: Pair) -> None:
    stream = pair.open()
    stream.sendall(b"hello")
    assert stream.recv(1) == b"h"
    stream.close()
    with pytest.raises(OSError, match="closed"):
        stream.recv(1)
    with pytest.raises(ValueError, match="too small"):
        pair.open().recv_into(bytearray(2), 3)


class Methods:
    def add(self, a: int, b: int = 0) -> int:
        return a + b

    def fail(self) -> None:
        raise KeyError("lost")

    def leave(self) -> None:
        raise SystemExit(3)

    def shout(self, size: int) -> None:
        raise ValueError("a" * size + "\udcff")

    def hang(self) -> None:
        Event().wait()

    def function(self) -> Any:
        return print

    def methods(self) -> dict[str, Callable[..., Any]]:
        return {name: getattr(self, name) for name in ("add", "fail", "shout", "leave", "hang", "function")}


@pytest.fixture
def calls(pair: Pair) -> Calls:
    pair.serve = lambda link, stream, dial: Calls(stream, Serving(Methods().methods()))  # type: ignore[assignment]
    return Calls(pair.open("methods"))


def test_calls(calls: Calls) -> None:
    assert calls.call("add", 1, b=2) == 3
    assert [task.get() for task in [gevent.spawn(calls.call, "add", n, 1) for n in range(50)]] == list(
        range(1, 51)
    )


def test_what_a_method_raises_comes_back(calls: Calls) -> None:
    with pytest.raises(RemoteError, match="lost") as caught:
        calls.call("fail")
    assert caught.value.type == "KeyError" and "def fail" not in caught.value.remote_traceback
    assert "in fail" in caught.value.remote_traceback
    with pytest.raises(RemoteError):
        calls.call("leave")
    with pytest.raises(RemoteError, match="cannot travel"):
        calls.call("function")
    with pytest.raises(UnknownMethod, match="add, fail"):
        calls.call("nothing")
    assert calls.call("add", 1) == 1


def test_a_call_ends_in_time(calls: Calls) -> None:
    with pytest.raises(CallTimeout, match="hang"):
        calls.call("hang", call_timeout=0.02)


def test_a_call_that_cannot_be_sent_ends_in_time(pair: Pair) -> None:
    unread: list[Stream] = []
    pair.serve = lambda link, stream, dial: unread.append(stream)
    calls = Calls(pair.open())
    with pytest.raises(CallTimeout, match="add"):
        calls.call("add", bytes(5_000_000), call_timeout=0.05)


def test_texts_of_errors_are_cut_to_what_can_travel(calls: Calls) -> None:
    with pytest.raises(RemoteError) as caught:
        calls.call("shout", 1_000_000)
    assert len(caught.value.args[0]) < 70_000
    with pytest.raises(RemoteError, match="udcff"):
        calls.call("shout", 0)


def test_a_call_ends_with_its_link(pair: Pair, calls: Calls) -> None:
    waiting = gevent.spawn(calls.call, "hang")
    gevent.idle()
    pair.far.close()
    with pytest.raises(LinkClosed):
        waiting.get(timeout=5)


def test_a_message_that_is_none_ends_its_stream_only(pair: Pair, calls: Calls) -> None:
    calls.stream.sendall(b"\xc1\xc1")
    with pytest.raises(OSError):
        calls.call("add", 1)
    assert Calls(pair.open("methods")).call("add", 2) == 2
