from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import AsyncResult, Event

from stractory.actors.emitter import Emitter
from stractory.actors.listeners import Listeners, matches
from stractory.net.carrier import over_socket
from stractory.net.counters import Tally, counters
from stractory.net.secured import TlsStream
from stractory.net.sockets import SocketStream
from stractory.wire.occasions import LINE_LIMIT, JsonLines, Msgpack
from tests.net.test_link import Pair
from tests.support.green import green_until
from tests.support.tls import joined


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "b"]),
        ("*", ["a", "b"], ["a.b"]),
        ("a.*", ["a.b", "a.c"], ["a", "a.b.c", "b.a"]),
        ("*.b", ["a.b"], ["b", "a.b.b"]),
        ("**", ["a", "a.b.c"], []),
        ("a.**", ["a", "a.b", "a.b.c"], ["b", "b.a"]),
        ("a.**.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "a.b", "z"]),
        ("a*", ["a*"], ["ab", "a"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], does_not: list[str]) -> None:
    assert [event for event in [*fits, *does_not] if matches(pattern, event)] == fits


def test_listeners_in_the_order_of_their_coming() -> None:
    listeners = Listeners()
    first, second, third = [lambda n=n: n for n in range(3)]
    listeners.add("a.b", first)
    listeners.add("a.*", second, once=True)
    listeners.add("**", third)
    assert listeners["a.c"] == (second, third)
    assert listeners["a.b"] == (first, third)
    listeners.add("a.b", second)
    assert listeners["a.b"] == (first, third, second)
    listeners.remove("a.b", first)
    assert listeners["a.b"] == (third, second)
    listeners.remove("a.b")
    listeners.remove("never added")
    assert listeners["a.b"] == (third,)
    with pytest.raises(TypeError):
        listeners.add("a", "no function")  # type: ignore[arg-type]


def over_link(pair: Pair) -> tuple[Emitter, Emitter]:
    far: AsyncResult[Emitter] = AsyncResult()
    pair.serve = lambda link, stream, dial: far.set(Emitter(stream, Msgpack()))
    near = Emitter(pair.open(), Msgpack())
    return near, far.get()


def over_tcp(transport: str = "plain") -> tuple[Emitter, Emitter]:
    ends = [end if isinstance(end, TlsStream) else SocketStream.over(end) for end in joined(transport)]
    near, far = (Emitter(over_socket(end, "own port"), JsonLines()) for end in ends)
    return near, far


@pytest.fixture(params=["link", "plain", "tls"])
def ends(request: pytest.FixtureRequest, pair: Pair) -> Iterator[tuple[Emitter, Emitter]]:
    both = over_link(pair) if request.param == "link" else over_tcp(request.param)
    yield both
    for end in both:
        end.close()


def collected(emitter: Emitter, event: str, last: Any) -> list[Any]:
    """What comes, up to the last."""
    seen: list[Any] = []
    done = Event()

    def note(*data: Any) -> None:
        seen.append((emitter.event, *data))
        if data == (last,):
            done.set()

    emitter.on(event, note)
    assert done.wait(10)
    return seen


def test_both_ways_in_order(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    far.on("ping", lambda *data: far.emit("pong", *data))
    for number in range(5000):
        assert near.emit("ping", number)
    assert collected(near, "pong", 4999) == [("pong", number) for number in range(5000)]


def test_what_comes_to_actors_is_counted_and_what_comes_to_clients_is_not(pair: Pair) -> None:
    tally, events, errors = Tally(), counters.events, counters.event_errors
    far: AsyncResult[Emitter] = AsyncResult()
    pair.serve = lambda link, stream, dial: far.set(Emitter(stream, Msgpack(), tally=tally))
    both = [Emitter(pair.open(), Msgpack()), far.get()]
    said = [Event(), Event()]
    for end, heard in zip(both, said, strict=True):
        end.on("fail", lambda: 1 / 0)
        end.on("say", heard.set)
    for end in both:
        end.emit("fail")
        end.emit("say")
    assert all(heard.wait(10) for heard in said)
    for end in both:
        end.close()
    assert (tally.calls, tally.errors) == (2, 1)
    assert (counters.events - events, counters.event_errors - errors) == (2, 1)


def test_patterns_and_the_name_of_the_event(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    near.emit("draw.line", 1)
    near.emit("draw.circle", 2)
    near.emit("say", 3)
    near.emit("draw.end", 4)
    assert collected(far, "draw.*", 4) == [("draw.line", 1), ("draw.circle", 2), ("draw.end", 4)]


def test_once_and_off(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    seen: list[int] = []
    far.once("x", seen.append)

    @far.on("x")
    def twice(number: int) -> None:
        seen.append(number * 10)
        if number == 2:
            far.off("x", twice)

    for number in (1, 2, 3):
        near.emit("x", number)
    near.emit("end", 0)
    collected(far, "end", 0)
    assert seen == [1, 10, 20]


def test_a_function_that_waits_holds_up_later_events_only(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    gate, seen = Event(), []

    def wait(number: int) -> None:
        seen.append(number)
        gate.wait()
        seen.append(-number)

    far.on("x", wait)
    near.emit("x", 1)
    near.emit("x", 2)
    far.emit("back", 3)
    assert collected(near, "back", 3)
    assert seen in ([], [1])
    gate.set()
    near.emit("end", 0)
    collected(far, "end", 0)
    assert seen == [1, -1, 2, -2]


def test_a_function_that_raises(ends: tuple[Emitter, Emitter], caplog: pytest.LogCaptureFixture) -> None:
    near, far = ends

    def fail(number: int) -> None:
        raise KeyError(number)

    far.on("x", fail)
    near.emit("x", 1)
    near.emit("end", 0)
    collected(far, "end", 0)
    assert "event 'x' failed" in caplog.text
    errors: list[Exception] = []
    far.on("error", errors.append)
    near.emit("x", 2)
    near.emit("end", 0)
    collected(far, "end", 0)
    assert [error.args for error in errors] == [(2,)]


def test_a_function_that_raises_what_cannot_be_told(
    ends: tuple[Emitter, Emitter], caplog: pytest.LogCaptureFixture
) -> None:
    near, far = ends

    class Leaving(Exception):
        def __str__(self) -> str:
            raise SystemExit

    def fail(number: int) -> None:
        raise Leaving

    far.on("x", fail)
    near.emit("x", 1)
    near.emit("end", 0)
    collected(far, "end", 0)
    assert "event 'x' failed: (Leaving without a text)" in caplog.text


def test_the_end(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    over, closed = Event(), Event()
    far.on_close(over.set)
    far.on("close", closed.set)
    near.emit("last", 0)
    near.close()
    assert collected(far, "last", 0) == [("last", 0)]
    assert over.wait(5) and closed.wait(5) and far.closed and near.closed
    assert not far.emit("more") and not near.emit("more") and far.missed == near.missed == 1
    again = Event()
    far.on_close(again.set)
    assert again.wait(5)


def test_data_that_cannot_travel(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    with pytest.raises(TypeError):
        near.emit("x", object())
    with pytest.raises(TypeError, match=r"event\[2\]\['f'\] cannot travel"):
        near.emit("x", 1, {"f": print})
    with pytest.raises(ValueError):
        near.emit("close")
    near.emit("end", 0)
    assert collected(far, "**", 0) == [("end", 0)]


def test_what_one_format_cannot_carry_is_missed(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    room = [*over_tcp(), *over_link(pair)]
    by_json, json_end, by_link, link_end = room
    for data in (math.nan, {b"k": 1}, ["x" * LINE_LIMIT]):
        assert [each.emit("x", data) for each in (by_json, by_link)] == [False, True]
    assert by_json.missed == 3 and by_link.missed == 0 and not by_json.closed
    assert caplog.text.count("missed an event 'x'") == 1
    for near, far, expected in ((by_json, json_end, 1), (by_link, link_end, 4)):
        assert near.emit("end", 0)
        assert len(collected(far, "**", 0)) == expected
    for emitter in room:
        emitter.close()


@pytest.mark.parametrize("pattern", [None, 5, ["x"]])
def test_what_is_no_pattern(ends: tuple[Emitter, Emitter], pattern: Any) -> None:
    near, far = ends
    for use in (near.on, near.once, near.off):
        with pytest.raises(TypeError, match="by name or pattern"):
            use(pattern, print)
    for use in (near.on, near.off):
        with pytest.raises(TypeError, match="by name or pattern"):
            use(pattern)
    far.emit("end", 0)
    assert collected(near, "end", 0)


def test_what_fails_while_events_are_handled_keeps_no_credit(pair: Pair) -> None:
    def fail(error: BaseException) -> None:
        raise error

    near, far = over_link(pair)
    far._failed = fail  # as one of the user's may
    far.on("x", lambda data: 1 / 0)
    for _ in range(100):  # more than may be on the way
        near.emit("x", bytes(10_000))
        gevent.idle()
    near.emit("end", 0)
    collected(far, "end", 0)


def test_what_is_no_event_ends_the_connection() -> None:
    near, far = socket.socketpair()
    emitter = Emitter(over_socket(SocketStream.over(near), "own port"), JsonLines())
    over = Event()
    emitter.on_close(over.set)
    far.sendall(b"garbage\n")
    assert over.wait(5)
    assert emitter.closed
    far.close()


def test_a_side_that_takes_nothing_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 3_000_000)
    unread = []
    pair.serve = lambda link, stream, dial: unread.append(stream)
    emitter = Emitter(pair.open(), Msgpack())
    while emitter.emit("x", bytes(100_000)):
        pass
    assert emitter.closed and emitter.missed == 1
    assert not emitter.emit("x") and emitter.missed == 2


def test_events_are_not_unpacked_before_their_turn(ends: tuple[Emitter, Emitter]) -> None:
    near, far = ends
    gate, waits = Event(), Event()

    @far.on("first")
    def first() -> None:
        waits.set()
        gate.wait()

    near.emit("first")
    assert waits.wait(5)
    tracemalloc.start()
    try:
        for _ in range(5000):
            near.emit("x")
        near.close()
        green_until(lambda: far.closed)
        assert tracemalloc.get_traced_memory()[0] < 5000 * 50
    finally:
        tracemalloc.stop()
    gate.set()
    green_until(lambda: not far._runner)


def test_a_function_that_waits_slows_the_sender(pair: Pair) -> None:
    near, far = over_link(pair)
    gate = Event()
    far.on("x", lambda data: gate.wait())
    for _ in range(50):
        near.emit("x", bytes(10_000))
        gevent.idle()
    assert near._carrier._backlog is not None  # type: ignore[attr-defined]
    gate.set()
    near.emit("end", 0)
    collected(far, "end", 0)
