"""When the state of an actor is taken, and what waits until it is kept. Who keeps it is the test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event
from gevent.queue import Queue

from stractory.actors import each_call
from stractory.actors.each_call import SnapshotsOfEachCall
from stractory.actors.rpc import methods_of
from stractory.actors.snapshots import Keeping, Snapshots
from stractory.errors import CallTimeout, SnapshotFailed, StoreError
from stractory.net.answers import deadline
from stractory.net.calls import Calls
from stractory.net.serving import Serving
from stractory.net.turns import Turns
from stractory.wire.codec import pack, unpack
from stractory.wire.life import SNAPSHOT_LIMIT
from tests.net.test_link import Pair
from tests.support.green import green_until

LIMIT = 10.0
INTERVAL = 0.05


class Account:
    """``halves`` are equal, but in the middle of move() and slow_move()."""

    def __init__(self) -> None:
        self.halves = [0, 0]
        self.gate = Event()
        self.told: Any = None
        self.snapshots = 0
        self.broken: BaseException | None = None

    def move(self) -> int:
        self.halves[0] += 1
        self.halves[1] += 1
        return self.halves[0]

    def slow_move(self) -> None:
        self.halves[0] += 1
        self.gate.wait()
        self.halves[1] += 1

    def move_and_fail(self) -> None:
        self.move()
        raise KeyError("moved")

    def look(self) -> list[int]:
        return self.halves

    def moves(self, count: int) -> Iterator[int]:
        try:
            for _ in range(count):
                yield self.move()
        finally:
            self.halves = [0, 0]

    def listen(self, function: Any) -> None:
        self.told = function

    def tell(self) -> int:
        number = self.move()
        self.told(number)
        self.gate.wait()
        return number

    def function(self) -> Callable[[], int]:
        return self.move

    def snapshot(self) -> Any:
        self.snapshots += 1
        if self.broken is not None:
            raise self.broken
        return self.halves

    def restore(self, state: Any) -> None:
        self.halves = state


class AnyTime(Account):
    snapshot_any_time = True


class Home:
    """Has the state of an actor kept, when the test says so."""

    def __init__(self, made: Any, interval: float | None = None) -> None:
        self.made = made
        self.problems: list[str] = []
        self.states: Queue[tuple[Any, AsyncResult[bool]]] = Queue()
        self.auto = False
        keeping = Keeping("account", gevent.spawn, self.keep, self.problems.append)
        self.snapshots = (
            SnapshotsOfEachCall(made, keeping) if interval is None else Snapshots(made, keeping, interval)
        )
        self.methods = self.snapshots.serving(methods_of(made), None)

    def keep(self, state: bytes) -> bool:
        answer: AsyncResult[bool] = AsyncResult()
        self.states.put((unpack(state), answer))
        return True if self.auto else answer.get()

    def begin(self, method: str, *args: Any) -> gevent.Greenlet[..., Any]:
        call = gevent.spawn(attempt, self.methods[method], *args)
        gevent.idle()
        return call

    def next(self) -> tuple[Any, AsyncResult[bool]]:
        return self.states.get(timeout=LIMIT)

    def keep_next(self) -> Any:
        """What was to be kept, and is."""
        state, answer = self.next()
        answer.set(True)
        gevent.idle()
        return state


def attempt(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:
        return error


# ---- each call -------------------------------------------------------------------------------------------


def test_a_call_is_answered_when_its_state_is_kept() -> None:
    home = Home(Account())
    call = home.begin("move")
    state, answer = home.next()
    assert state == [1, 1] and not call.ready()
    answer.set(True)
    assert call.get(timeout=LIMIT) == 1


def test_calls_that_end_meanwhile_share_the_next_snapshot() -> None:
    home = Home(Account())
    first, *others = [home.begin("move") for _ in range(10)]
    assert home.keep_next() == [1, 1]
    assert first.ready() and not any(call.ready() for call in others)
    assert home.keep_next() == [10, 10]
    assert [call.get(timeout=LIMIT) for call in others] == list(range(2, 11))
    assert home.states.empty() and home.made.snapshots == 2


def test_what_is_answered_is_what_was_kept() -> None:
    home = Home(Account())
    looking = home.begin("look")
    home.begin("move")
    assert home.keep_next() == [0, 0]
    assert looking.get(timeout=LIMIT) == [0, 0]  # and not what the next call has made of it meanwhile
    assert home.keep_next() == [1, 1]


def test_calls_run_in_turn_and_nothing_is_taken_in_the_middle() -> None:
    home = Home(Account())
    slow, quick = home.begin("slow_move"), home.begin("move")
    assert home.states.empty() and home.made.halves == [1, 0]
    home.made.gate.set()
    state, answer = home.next()
    assert state == [1, 1]
    gevent.idle()
    assert home.made.halves == [2, 2] and not (slow.ready() or quick.ready())
    answer.set(True)
    assert home.keep_next() == [2, 2]
    assert (slow.get(timeout=LIMIT), quick.get(timeout=LIMIT)) == (None, 2)


def test_nobody_begins_while_the_state_is_taken() -> None:
    class Slow(Account):
        def snapshot(self) -> Any:
            first = self.halves[0]
            self.gate.wait()
            return [first, self.halves[1]]

    home = Home(Slow())
    calls = [home.begin("move") for _ in range(3)]
    assert home.made.halves == [1, 1]
    home.made.gate.set()
    assert home.keep_next() == [1, 1]
    assert home.keep_next() == [3, 3]
    assert [call.get(timeout=LIMIT) for call in calls] == [1, 2, 3]


def test_calls_of_one_that_says_so_run_together() -> None:
    home = Home(AnyTime())
    slow, quick = home.begin("slow_move"), home.begin("move")
    assert home.keep_next() == [2, 1]
    assert quick.get(timeout=LIMIT) == 2 and not slow.ready()
    home.made.gate.set()
    assert home.keep_next() == [2, 2]
    assert slow.get(timeout=LIMIT) is None


def test_what_changed_nothing_is_not_kept_again() -> None:
    home = Home(Account())
    home.auto = True
    home.begin("move").get(timeout=LIMIT)
    assert home.keep_next() == [1, 1]
    assert home.begin("look").get(timeout=LIMIT) == [1, 1]
    assert home.states.empty()


def test_a_call_that_fails_may_have_changed_the_state() -> None:
    home = Home(Account())
    call = home.begin("move_and_fail")
    assert not call.ready()
    assert home.keep_next() == [1, 1]
    assert isinstance(call.get(timeout=LIMIT), KeyError)


def test_each_item_is_kept_before_it_is_given() -> None:
    home = Home(Account())
    call = home.begin("moves", 2)
    home.keep_next()
    items = call.get(timeout=LIMIT)
    for number in (1, 2):
        item = gevent.spawn(next, items)
        gevent.idle()
        assert not item.ready()
        assert home.keep_next() == [number, number]
        assert item.get(timeout=LIMIT) == number
    items.close()
    assert home.keep_next() == [0, 0]


def test_items_are_not_bound_to_the_time_of_their_call() -> None:
    home = Home(Account())
    home.auto = True

    def count() -> list[int]:
        deadline.set(monotonic() + LIMIT)
        items = home.methods["moves"](2)
        deadline.set(monotonic())
        return [*items]

    assert gevent.spawn(attempt, count).get(timeout=LIMIT) == [1, 2]


def test_what_may_have_been_kept_is_kept_again() -> None:
    home = Home(Account())
    for _ in range(2):
        call = home.begin("look")
        home.next()[1].set_exception(StoreError("it may have been written"))
        assert isinstance(call.get(timeout=LIMIT), SnapshotFailed)
    home.snapshots.restore(pack([3, 3]))
    call = home.begin("move")
    home.next()[1].set_exception(StoreError("it may have been written"))
    call.get(timeout=LIMIT)
    home.made.halves = [3, 3]
    call = home.begin("look")
    assert home.keep_next() == [3, 3]
    assert call.get(timeout=LIMIT) == [3, 3]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda account: object(), "TypeError: .*state"),
        (lambda account: bytes(SNAPSHOT_LIMIT), "the state has 1048581 bytes; at most 1048576 are kept"),
    ],
)
def test_a_state_that_cannot_be_kept(broken: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(Account())
    home.made.halves = broken(home.made)
    for _ in range(3):
        with pytest.raises(SnapshotFailed, match=f"the call has run, but the state of 'account' .*{told}"):
            home.methods["look"]()
    assert len(home.problems) == len(caplog.records) == 1 and caplog.records[0].levelno == logging.ERROR
    home.made.halves = [7, 7]
    call = home.begin("move")
    assert home.keep_next() == [8, 8]
    assert call.get(timeout=LIMIT) == 8
    assert home.problems[1:] == [""] and home.snapshots.problem == ""


def test_a_snapshot_that_raises_or_exits() -> None:
    home = Home(Account())
    for error in (ZeroDivisionError("by 0"), SystemExit(3)):
        home.made.broken = error
        assert isinstance(home.begin("move").get(timeout=LIMIT), SnapshotFailed)
    assert home.problems == [
        "snapshot() failed: ZeroDivisionError: by 0",
        "snapshot() failed: SystemExit: 3",
    ]


def test_a_full_disk_and_a_later_life() -> None:
    home = Home(Account())
    call = home.begin("move")
    home.next()[1].set_exception(StoreError("the disk is full"))
    assert "the disk is full" in str(call.get(timeout=LIMIT))
    call = home.begin("look")
    state, answer = home.next()  # it was not kept before
    assert state == [1, 1]
    answer.set(False)
    assert "another life has its name" in str(call.get(timeout=LIMIT))


def test_a_caller_waits_for_its_own_time_only() -> None:
    home = Home(Account())

    def call(seconds: float) -> Any:
        deadline.set(seconds)
        return attempt(home.methods["move"])

    late = gevent.spawn(call, monotonic())
    assert isinstance(late.get(timeout=LIMIT), CallTimeout) and home.made.halves == [0, 0]
    waiting = gevent.spawn(call, monotonic() + 0.2)
    assert isinstance(waiting.get(timeout=LIMIT), CallTimeout)
    assert home.keep_next() == [1, 1]  # which goes on


# ---- what is sent one way --------------------------------------------------------------------------------


class Connected:
    """A client's end of calls to an account."""

    def __init__(self, pair: Pair, made: Account) -> None:
        self.home = Home(made)
        serving = Serving(
            self.home.methods, functions=True, through=self.home.snapshots.run, hold=self.home.snapshots.hold
        )
        pair.serve = lambda link, stream, dial: Calls(stream, serving)  # type: ignore[assignment, return-value]
        self.calls = Calls(pair.open(), Serving(functions=True))
        self.heard: list[Any] = []

    def begin(self, method: str, *args: Any) -> gevent.Greenlet[..., Any]:
        return gevent.spawn(attempt, self.calls.call, method, *args)


def test_callbacks_leave_with_the_state_that_led_to_them(pair: Pair) -> None:
    client = Connected(pair, Account())
    listening = client.begin("listen", client.heard.append)
    client.home.keep_next()
    listening.get(timeout=LIMIT)
    telling = client.begin("tell")
    green_until(lambda: client.home.made.halves == [1, 1])
    client.home.made.gate.set()
    state, answer = client.home.next()
    assert state == [1, 1] and client.heard == [] and not telling.ready()
    client.home.made.told("outside of a call")
    answer.set(True)
    assert telling.get(timeout=LIMIT) == 1
    assert client.heard == [1, "outside of a call"]
    client.home.made.told("at rest")
    green_until(lambda: client.heard[2:] == ["at rest"])


def test_callbacks_of_a_state_that_is_not_kept_are_not_sent(pair: Pair) -> None:
    client = Connected(pair, Account())
    listening = client.begin("listen", client.heard.append)
    client.home.keep_next()
    listening.get(timeout=LIMIT)
    client.home.made.gate.set()
    telling = client.begin("tell")
    client.home.next()[1].set_exception(StoreError("the disk is full"))
    assert isinstance(telling.get(timeout=LIMIT), SnapshotFailed)
    telling = client.begin("tell")
    client.home.keep_next()
    assert telling.get(timeout=LIMIT) == 2 and client.heard == [2]


def test_what_waits_for_a_state_is_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(each_call, "HELD_LIMIT", 1000)
    client = Connected(pair, Account())
    listening = client.begin("listen", client.heard.append)
    client.home.keep_next()
    listening.get(timeout=LIMIT)
    telling = client.begin("tell")
    green_until(lambda: client.home.made.halves == [1, 1])
    client.home.made.told("a" * 500)
    with pytest.raises(SnapshotFailed, match="has reached 1000 bytes: send less in one call"):
        client.home.made.told("b" * 2000)
    client.home.made.gate.set()
    client.home.keep_next()
    assert telling.get(timeout=LIMIT) == 1
    assert client.heard == [1, "a" * 500]


def test_a_function_of_the_actor_is_answered_when_its_state_is_kept(pair: Pair) -> None:
    client = Connected(pair, Account())
    asking = client.begin("function")
    client.home.keep_next()
    calling = gevent.spawn(asking.get(timeout=LIMIT).call)
    state, answer = client.home.next()
    assert state == [1, 1] and not calling.ready()
    answer.set(True)
    assert calling.get(timeout=LIMIT) == 1


# ---- every so many seconds -------------------------------------------------------------------------------


def test_nothing_is_taken_before_something_is_called() -> None:
    home = Home(Account(), INTERVAL)
    assert home.methods["move"]() == home.methods["move"]() - 1 == 1
    assert home.keep_next() == [2, 2]
    home.methods["look"]()
    green_until(lambda: home.made.snapshots == 2)
    assert home.states.empty()


def test_it_is_taken_at_the_first_moment_of_rest() -> None:
    home = Home(Account(), INTERVAL)
    slow = home.begin("slow_move")
    home.begin("move").get(timeout=LIMIT)
    green_until(lambda: home.snapshots._due)
    home.begin("move").get(timeout=LIMIT)
    assert home.made.snapshots == 0
    home.made.gate.set()
    slow.get(timeout=LIMIT)
    assert home.keep_next() == [3, 3]


def test_no_moment_of_rest_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    home = Home(Account(), INTERVAL / 10)
    slow = home.begin("slow_move")
    green_until(lambda: caplog.records)
    assert "snapshot_any_time = True" in caplog.text
    home.made.gate.set()
    slow.get(timeout=LIMIT)
    assert home.keep_next() == [1, 1]
    assert len(caplog.records) == 1


def test_one_that_says_so_is_taken_in_the_middle() -> None:
    home = Home(AnyTime(), INTERVAL)
    slow = home.begin("slow_move")
    assert home.keep_next() == [1, 0]
    home.made.gate.set()
    slow.get(timeout=LIMIT)
    assert home.keep_next() == [1, 1]


def test_turns_give_moments_of_rest() -> None:
    home = Home(Account(), INTERVAL)
    home.methods = home.snapshots.serving(methods_of(home.made), Turns(1))
    calls = [home.begin("slow_move") for _ in range(3)]
    green_until(lambda: home.snapshots._due)
    home.made.gate.set()
    assert home.keep_next() == [1, 1]
    gevent.joinall(calls, timeout=LIMIT)
    assert home.keep_next() == [3, 3]


def test_what_could_not_be_stored_is_tried_again() -> None:
    home = Home(Account(), INTERVAL)
    home.methods["move"]()
    home.next()[1].set_exception(StoreError("the disk is full"))
    assert home.keep_next() == [1, 1]
    assert home.problems == ["the disk is full", ""]


def test_one_that_ends_whoever_takes_it_is_taken_again() -> None:
    home = Home(Account(), INTERVAL)
    home.made.broken = gevent.GreenletExit()
    home.methods["move"]()
    green_until(lambda: home.problems)
    home.made.broken = None
    home.methods["move"]()
    assert home.keep_next() == [2, 2]
    assert home.problems[-1] == ""


def test_what_lasts_is_taken_again_and_again() -> None:
    home = Home(AnyTime(), INTERVAL)
    with home.snapshots.lasting():
        home.made.move()
        assert home.keep_next() == [1, 1]
        home.made.move()
        assert home.keep_next() == [2, 2]
    green_until(lambda: not home.snapshots._watched)


# ---- the beginning and the end ---------------------------------------------------------------------------


def test_the_next_life_goes_on_from_it() -> None:
    home = Home(Account())
    home.snapshots.restore(pack([4, 4]))
    assert home.methods["look"]() == [4, 4]  # which is kept
    assert home.states.empty()
    call = home.begin("move")
    assert home.keep_next() == [5, 5]
    assert call.get(timeout=LIMIT) == 5


@pytest.mark.parametrize("missing", ["snapshot", "restore"])
def test_a_hook_that_is_missing(missing: str) -> None:
    hooks = {"snapshot": list, "restore": print}
    del hooks[missing]
    with pytest.raises(TypeError, match=rf"the dict that init returned has no {missing}\(\)"):
        Home({"move": print, **hooks})


def test_hooks_are_not_for_clients() -> None:
    assert not {"snapshot", "restore"} & methods_of(Account()).keys()


@pytest.mark.parametrize("interval", [None, 60.0])
def test_the_last_state_is_kept_at_the_end(interval: float | None) -> None:
    home = Home(Account(), interval)
    slow = home.begin("slow_move")
    finishing = gevent.spawn(home.snapshots.finish, LIMIT)
    gevent.idle()
    late = home.begin("move")
    assert home.states.empty()
    home.made.gate.set()
    assert home.keep_next() == [1, 1]
    finishing.get(timeout=LIMIT)
    slow.get(timeout=LIMIT)
    assert not late.ready() and home.made.halves == [1, 1]
    late.kill()


def test_the_end_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    home = Home(Account(), 60.0)
    slow = home.begin("slow_move")
    home.snapshots.finish(0.05)
    assert "the last state of actor 'account' was not kept" in caplog.text
    home.made.gate.set()
    slow.get(timeout=LIMIT)
    assert home.states.empty()  # too late: it may live elsewhere
