"""Rpc between two ends in this process: functions as arguments, items, order, and both tables at rest."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from socket import SHUT_WR
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore
from msgpack import ExtType, Timestamp

from stractory.errors import (
    CallbackGone,
    CallTimeout,
    LinkClosed,
    ProtocolError,
    RemoteError,
    UnknownMethod,
)
from stractory.net.answers import Items
from stractory.net.callbacks import Callback
from stractory.net.calls import Calls
from stractory.net.serving import Serving
from stractory.wire.codec import encode, pack
from stractory.wire.messages import Call, Item, Release
from tests.net.test_link import Pair
from tests.support.faults import let_pass
from tests.support.green import green_until


class Room:
    """What the far end serves."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.gate = Event()
        self.slow = Event()
        self.seen: list[Any] = []
        self.stopped = Event()

    def keep(self, thing: Any) -> None:
        self.kept.append(thing)

    def drop(self) -> None:
        self.kept.clear()
        gc.collect()

    def give(self) -> Any:
        return self.kept[-1]

    def ask(self, function: Any, *args: Any) -> Any:
        return function.call(*args)

    def tell(self, function: Any, *args: Any) -> None:
        function(*args)

    def note(self, number: int) -> None:
        self.seen.append(number)

    def wait(self, number: int) -> int:
        self.seen.append(number)
        self.gate.wait()
        return number

    def count(self, up_to: int) -> Iterator[int]:
        try:
            for number in range(up_to):
                self.seen.append(number)
                yield number
        finally:
            self.stopped.set()

    def slow_count(self) -> Iterator[int]:
        self.slow.wait()
        yield 1

    def broken_count(self) -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    def same(self, first: Any, second: Any) -> bool:
        return first is second

    def make_adder(self, number: int) -> Any:
        return lambda other: number + other

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def look(self, value: Any) -> Any:
        self.kept.append(value)
        return value

    def _hidden(self) -> None:
        raise AssertionError

    def methods(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in dir(self) if callable(getattr(self, name))}


class Ends:
    """Both ends. ``failures`` of one-way calls: of the near end."""

    def __init__(self, pair: Pair, **options: Any) -> None:
        self.pair = pair
        self.room = Room()
        self.failures: list[BaseException] = []
        far: AsyncResult[Calls] = AsyncResult()
        serving = Serving(self.room.methods(), functions=True, **options)
        pair.serve = lambda link, stream, dial: far.set(Calls(stream, serving))
        failed = Serving(functions=True, failed=lambda what, error: self.failures.append(error))
        self.near = Calls(pair.open(), failed)
        self.far = far.get()

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.near.call(method, *args, **kwargs)

    def held(self) -> int:
        """How many functions are held at both ends."""
        tables = [end.references for end in (self.near, self.far) if end.references]
        return sum(table.given + table.held for table in tables)

    def at_rest(self) -> bool:
        """Whether no function is held at either end, once what is on the way has arrived."""
        gc.collect()
        self.call("drop")
        with gevent.Timeout(5, False):
            while self.held():
                gevent.idle()
        return not self.held()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def ends(pair: Pair) -> Ends:
    return Ends(pair)


def test_arguments_and_results(ends: Ends) -> None:
    assert ends.call("echo", 1, "two", b"three", None, x=[1.5, {"y": True}]) == [
        [1, "two", b"three", None],
        {"x": [1.5, {"y": True}]},
    ]
    with pytest.raises(UnknownMethod, match=r"it has: .*echo.*wait"):
        ends.call("nothing")
    with pytest.raises(UnknownMethod):
        ends.call("_hidden")


def test_functions_go_both_ways_and_back(ends: Ends) -> None:
    assert ends.call("ask", lambda x: x * 2, 21) == 42
    assert ends.call("make_adder", 40).call(2) == 42
    got: AsyncResult[Any] = AsyncResult()
    ends.call("tell", got.set, "hello")
    assert got.get(timeout=5) == "hello"

    def mine(function: Any) -> Any:  # is handed a function in turn: its own, come home
        return function(1) + 1

    assert ends.call("ask", mine, lambda x: x + 40) == 42
    ends.call("keep", mine)
    assert ends.call("give") is mine  # come home
    assert ends.call("same", mine, mine) is True
    assert ends.call("same", ends.room.kept.append, 1) is False
    del mine
    assert ends.at_rest()


def test_a_method_of_one_thing_is_one_function(ends: Ends) -> None:
    people: set[str] = set()

    class Thing:
        def method(self) -> None: ...

    thing = Thing()
    assert ends.call("same", thing.method, thing.method)
    assert ends.call("same", people.add, people.add)
    assert not ends.call("same", Thing().method, thing.method)
    assert ends.at_rest()


def test_calls_in_the_middle_of_calls(ends: Ends) -> None:
    def again(depth: int) -> int:
        return depth if depth == 5 else ends.call("ask", again, depth + 1)

    assert ends.call("ask", again, 0) == 5


def test_a_function_that_is_called_and_dropped_at_once(ends: Ends) -> None:
    for _ in range(100):
        told: AsyncResult[int] = AsyncResult()
        ends.near.post("tell", (told.set, 42), {})
        del told
    heard: list[int] = []
    for number in range(1000):
        ends.near.post("tell", (lambda number: heard.append(number), number), {})
    assert ends.at_rest()
    ends.call("echo")
    assert heard == list(range(1000)) and not ends.failures


def test_a_large_message(ends: Ends) -> None:
    data = bytes(40 << 20)
    assert ends.call("echo", data) == [[data], {}]


def test_turns_of_generators(pair: Pair) -> None:
    ends = Ends(pair, turns=BoundedSemaphore(1))
    ends.room.gate.set()
    first, second = ends.call("count", 3), ends.call("count", 3)
    assert list(first) == list(second) == [0, 1, 2]
    running = ends.call("slow_count")
    waiting = gevent.spawn(ends.call, "echo")
    gevent.idle()
    assert not waiting.ready()  # the generator has the turn
    ends.room.slow.set()
    assert next(running) == 1 and waiting.get(timeout=5) == [[], {}]


def test_a_function_is_given_back_when_nobody_holds_it(ends: Ends) -> None:
    ends.call("keep", lambda: None)
    assert ends.near.references and ends.near.references.given == 1
    assert ends.far.references and ends.far.references.held == 1
    assert ends.at_rest()

    ends.call("keep", print)
    ends.room.kept[0].release()
    assert ends.room.kept[0].closed
    with pytest.raises(CallbackGone, match="given back"):
        ends.room.kept[0]()
    assert ends.at_rest()


def test_many_functions_and_then_none(ends: Ends) -> None:
    for number in range(20_000):
        ends.near.post("tell", (lambda number=number: None, number), {})
        if not number % 1000:
            ends.call("drop")
    assert ends.at_rest()


def test_what_could_not_be_sent_is_not_held(ends: Ends) -> None:
    with pytest.raises(TypeError, match=r"args\[1\]\['x'\]\[0\] cannot travel.*object"):
        ends.call("echo", print, {"x": [object()]})
    with pytest.raises(TypeError, match=r"kwargs\['end'\]"):
        ends.call("echo", print, end={1, 2})
    with pytest.raises(OverflowError, match=r"args\[0\]"):
        ends.call("echo", 2**64, print)
    assert ends.at_rest()


@pytest.mark.parametrize(
    "value",
    [{(1, 2): {((3,), b"x"): 4}}, *(ExtType(kind, b"\x09") for kind in range(7)), Timestamp(5, 6)],
    ids=repr,
)
def test_whatever_msgpack_has(ends: Ends, value: Any) -> None:
    assert ends.call("look", value) == value == ends.room.kept.pop()
    assert ends.call("ask", lambda: value) == value
    assert list(ends.call("ask", lambda: iter([value]))) == [value]


def test_what_cannot_be_sent_leaves_the_connection_as_it_was(ends: Ends) -> None:
    many = [None] * (8 * 1024 * 1024 + 1)
    for method in (lambda: many, lambda: [print, ExtType(1, b"\x09")]):
        with pytest.raises(RemoteError, match=r"value.* cannot travel"):
            ends.near.call("ask", method)
    waiting = ends.near.future("wait", (1,), {})
    with pytest.raises(ValueError, match=r"args\[0\]\['x'\] cannot travel: an array of more than 8388608"):
        ends.call("look", {"x": many})
    with pytest.raises(TypeError, match=r"args\[1\] cannot travel: an ExtType"):
        ends.call("look", print, ExtType(1, b"\x09"))
    ends.room.gate.set()
    assert waiting.get(timeout=5) == 1
    assert ends.at_rest()


def test_what_contains_itself(ends: Ends) -> None:
    loop: dict[str, Any] = {"name": "Alex", "friends": [], "tell": print}
    loop["friends"] += [loop, {"name": "Bob", "friends": [loop]}]
    back = ends.call("look", loop)
    assert back is not loop and back["name"] == "Alex" and back["tell"] is print
    assert back["friends"][0] is back and back["friends"][1]["friends"] == [back]
    (there,) = ends.room.kept
    assert there["friends"][0] is there and isinstance(there["tell"], Callback)
    del there
    with pytest.raises(TypeError, match="cannot travel"):
        ends.call("look", [loop, object()])
    assert ends.at_rest()


def test_deep_but_not_endless(ends: Ends) -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ValueError, match="cannot travel"):
        ends.call("look", deep)


def test_calls_start_in_the_order_sent_and_wait_for_nobody(ends: Ends) -> None:
    answers = [gevent.spawn(ends.call, "wait", number) for number in range(300)]
    gevent.idle()
    ends.near.post("note", (300,), {})
    assert ends.call("echo") == [[], {}]
    assert ends.room.seen == list(range(301))
    ends.room.gate.set()
    assert [answer.get(timeout=5) for answer in answers] == list(range(300))


def test_in_turns(pair: Pair) -> None:
    ends = Ends(pair, turns=BoundedSemaphore(1))
    answers = [ends.near.future("wait", (number,), {}) for number in range(5)]
    with pytest.raises(CallTimeout):
        ends.call("note", "late", call_timeout=0.02)
    assert ends.room.seen == [0]
    let_pass(0.05)  # who serves it has heard of it later than it was called, and has the same patience
    ends.room.gate.set()
    assert [answer.get(timeout=5) for answer in answers] == list(range(5))
    assert ends.call("echo") == [[], {}]
    assert ends.room.seen == list(range(5))  # what came too late was not run


def test_a_future_that_is_late(ends: Ends) -> None:
    future = ends.near.future("wait", (1,), {})
    for wait in (lambda: future.get(timeout=0.01), lambda: future.result(timeout=0.01), future.get_nowait):
        with pytest.raises(CallTimeout, match=r"no answer to wait\(\) in 0(\.01)? s"):
            wait()
    with gevent.Timeout(0.01, False) as outer:  # the caller's own stays what it is
        future.get(timeout=20)
    assert outer.seconds == 0.01 and not future.ready()
    ends.room.gate.set()
    assert future.get(timeout=20) == 1 == future.get_nowait()


def test_futures_and_items_wait_no_longer_than_who_called(ends: Ends) -> None:
    within = AsyncResult()

    def serve(wait: Any, count: Any) -> None:
        future = wait.future()
        items = count.call()
        with pytest.raises(CallTimeout):
            future.get(timeout=10)
        with pytest.raises(CallTimeout):
            next(items)
        within.set(True)

    ends.far.serving.methods["serve"] = serve  # type: ignore[index]
    with pytest.raises(CallTimeout):
        ends.call("serve", lambda: ends.room.gate.wait(), ends.room.slow_count, call_timeout=0.2)
    assert within.get(timeout=10)


class TestAbandoned:
    """A connection whose client nobody holds any more ends when nothing is left of its calls."""

    def ended(self, ends: Ends) -> bool:
        gc.collect()
        ends.near.abandon()
        gevent.idle()
        return ends.near.stream.closed

    def test_at_rest(self, ends: Ends) -> None:
        assert self.ended(ends)

    def test_while_a_call_waits(self, ends: Ends) -> None:
        call = gevent.spawn(ends.call, "wait", 1)
        future = ends.near.future("wait", (2,), {})
        gevent.idle()
        assert not self.ended(ends)
        ends.room.gate.set()
        assert call.get(timeout=5) == 1 and future.get(timeout=5) == 2
        green_until(lambda: ends.near.stream.closed)

    def test_while_a_call_is_late(self, ends: Ends) -> None:
        call = gevent.spawn(ends.call, "wait", 1, call_timeout=3)
        gevent.idle()
        assert not self.ended(ends)
        with pytest.raises(CallTimeout):
            call.get()
        green_until(lambda: ends.near.stream.closed)

    def test_while_items_are_to_come(self, ends: Ends) -> None:
        items = ends.call("count", 100)
        assert not self.ended(ends)
        assert list(items) == list(range(100))
        green_until(lambda: ends.near.stream.closed)

    def test_until_items_are_dropped(self, ends: Ends) -> None:
        items = ends.call("count", 1000)
        assert not self.ended(ends)
        del items
        green_until(lambda: ends.near.stream.closed)

    def test_while_the_other_side_holds_a_function(self, ends: Ends) -> None:
        ends.call("keep", print)
        assert not self.ended(ends)
        ends.room.kept.clear()
        green_until(lambda: ends.near.stream.closed)

    def test_while_a_function_of_the_other_sides_is_held(self, ends: Ends) -> None:
        add = ends.call("make_adder", 40)
        assert not self.ended(ends)
        assert add.call(2) == 42
        del add
        green_until(lambda: ends.near.stream.closed)


def test_items(ends: Ends) -> None:
    items = ends.call("count", 1000)
    assert isinstance(items, Items)
    assert next(items) == 0
    gevent.idle()
    assert len(ends.room.seen) < 200  # no more than were asked for
    assert list(items) == list(range(1, 1000))
    assert list(items) == []
    with pytest.raises(RemoteError, match="no more"):
        list(ends.call("broken_count"))
    assert not ends.near._waiting and not ends.far._serve()._sources


def test_more_items_than_were_asked_for_end_the_stream(ends: Ends) -> None:
    items = ends.call("slow_count")
    for _ in range(1000):
        ends.far.stream.queue(encode(Item(1, None)))
    with pytest.raises(ProtocolError, match="more items"):
        list(items)


def test_items_of_which_no_more_are_wanted(ends: Ends) -> None:
    for number in ends.call("count", 10**9):
        if number == 3:
            break
    gc.collect()
    assert ends.room.stopped.wait(5)
    items = ends.call("count", 10**9)
    ends.room.stopped.clear()
    items.close()
    assert list(items) == []
    assert ends.room.stopped.wait(5)
    ends.call("echo")
    assert not ends.near._waiting and not ends.far._serve()._sources


def test_time_is_carried_along(pair: Pair) -> None:
    ends = Ends(pair)

    def slow() -> Any:
        return ends.call("wait", 1)  # with a timeout of its own of 30 s

    outcome: AsyncResult[Any] = AsyncResult()

    def ask() -> None:
        try:
            outcome.set(slow())
        except CallTimeout as error:
            outcome.set_exception(error)
            raise

    with pytest.raises(CallTimeout):
        ends.call("ask", ask, call_timeout=0.05)
    with pytest.raises(CallTimeout, match=r"in 0\.0"):
        outcome.get(timeout=5)


def test_errors_of_one_way_calls_go_to_the_owner_of_the_function(ends: Ends) -> None:
    def fail() -> None:
        raise KeyError("mine")

    ends.call("tell", fail)
    ends.call("echo")
    ends.call("echo")
    assert [type(error) for error in ends.failures] == [KeyError]


def test_who_calls_again_as_soon_as_the_connection_ends(ends: Ends) -> None:
    def insist() -> None:
        with pytest.raises(LinkClosed, match="ended"):
            ends.call("wait", 1)
        with pytest.raises(LinkClosed, match="closed"):
            ends.call("wait", 2)

    insisting = gevent.spawn(insist)
    assert green_until(lambda: ends.room.seen) == [1]
    ends.far.stream.shutdown(SHUT_WR)
    insisting.get(timeout=5)


def test_when_the_connection_ends(pair: Pair, ends: Ends) -> None:
    gone = Event()
    ends.call("keep", print)
    (callback,) = ends.room.kept
    callback.on_close(gone.set)
    assert not callback.closed
    items = ends.call("count", 10**9)
    waiting = ends.near.future("wait", (1,), {})
    pair.near.close()
    assert gone.wait(5)
    assert callback.closed and ends.room.stopped.wait(5)
    with pytest.raises(CallbackGone):
        callback(1)
    with pytest.raises(CallbackGone):
        callback.call(1)
    with pytest.raises(ConnectionError):
        waiting.get(timeout=5)
    with pytest.raises(ConnectionError):
        list(items)
    for end in (ends.near, ends.far):
        assert end.references and not end.references.given and not end.references.held
    again = Event()
    callback.on_close(again.set)
    assert again.wait(5)


@pytest.mark.parametrize(
    "message",
    [
        Call(1, 7, [], {}, None),
        Release(7, 1),
        pack(ExtType(5, b"\x93\x01\x01\xd4\x02\x07")),
        pack(ExtType(5, b"\x93\x01\x01\xd4\x01\xc0")),
    ],
    ids=["a function never given", "given back but not held", "come home but not ours", "no number"],
)
def test_what_breaks_the_rules_ends_the_stream(pair: Pair, ends: Ends, message: Any) -> None:
    ends.near.stream.queue(message if isinstance(message, bytes) else encode(message))
    with pytest.raises(ConnectionError):
        ends.call("echo")
    assert Ends(pair).call("echo") == [[], {}]


def test_who_waits_hears_what_the_other_side_did_wrong(ends: Ends) -> None:
    waiting = ends.near.future("wait", (1,), {})
    told: list[Exception | None] = []
    ends.near.stream.call_at_end(told.append)  # type: ignore[attr-defined]
    ends.far.stream.queue(b"\xc1")
    with pytest.raises(ProtocolError):
        waiting.get(timeout=5)
    assert [type(error) for error in told] == [ProtocolError]


def test_a_peer_that_takes_nothing_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 3_000_000)
    unread = []
    pair.serve = lambda link, stream, dial: unread.append(stream)
    calls = Calls(pair.open(), Serving(functions=True))
    with pytest.raises(ConnectionError, match="none was taken"):
        for _ in range(100):
            calls.post("tell", (bytes(100_000),), {})
    assert calls.stream.closed


def test_a_peer_that_takes_nothing_is_given_up_however_little_waits(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = []
    pair.serve = lambda link, stream, dial: unread.append(stream)
    calls = Calls(pair.open(), Serving(functions=True))
    calls.post("tell", (bytes(300_000),), {})  # more than its window
    monkeypatch.setattr("stractory.net.backlog.STILL_LIMIT", 0.0)
    with pytest.raises(ConnectionError, match="none was taken"):
        calls.post("tell", ("x",), {})
    assert calls.stream.closed


def test_no_protocol_error_where_functions_may_not_be(pair: Pair) -> None:
    pair.serve = lambda link, stream, dial: Calls(stream, Serving({"echo": lambda x: x}))  # type: ignore[assignment]
    calls = Calls(pair.open())
    with pytest.raises(TypeError, match="cannot travel"):
        calls.call("echo", print)
    assert calls.call("echo", 1) == 1
    with pytest.raises(ConnectionError):
        Calls(calls.stream, Serving(functions=True)).call("echo", print)
