"""Clients with a loop of their own: its end, the stand-ins, forks."""

from __future__ import annotations

import functools
import inspect
import os
import pydoc
import queue
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import stractory
from stractory.clients.loop import _Thread
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import until
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def loops():
    return [thread for thread in threading.enumerate() if thread.name == "stractory client"]


def test_close_ends_the_thread_and_frees_its_descriptors(cluster, name):
    before = descriptors()
    with cluster.client(background=True) as strac:
        strac.create(name, echo)
        assert exchange(strac.get(name)) == b"hello"
        assert len(loops()) == 1
    assert loops() == []
    assert descriptors() == before
    strac.close()
    assert loops() == []


def test_close_returns_though_the_thread_ends_before_all_is_handed_over(cluster, name, monkeypatch):
    hand_over = _Thread.hand_over

    def hand_over_and_lose_the_processor(thread, job):
        hand_over(thread, job)
        if job == thread._over.set:
            thread.join()

    monkeypatch.setattr(_Thread, "hand_over", hand_over_and_lose_the_processor)
    with cluster.client(background=True) as strac:
        assert strac.list(name) == []
    assert loops() == []


def test_a_closed_client_starts_anew(cluster, name):
    strac = cluster.client(background=True)
    told = []
    strac.on("actor-close", lambda name, connection, had_error: told.append(connection))
    strac.create(name, echo)
    for round in range(1, 4):
        stream = strac.get(name)
        assert exchange(stream) == b"hello"
        strac.close()
        assert loops() == []
        assert len(told) == round
        assert stream.closed
        with pytest.raises(stractory.ActorLost):
            stream.recv(1)
        stream.close()
        assert loops() == []


def test_calls_that_wait_when_it_is_closed(cluster, name):
    strac = cluster.client(background=True)
    strac.list()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(strac.wait, name)
        until(lambda: strac._target._registry._calls._waiting)
        strac.close()
        with pytest.raises(stractory.LinkClosed, match="the client was closed"):
            waiting.result(20)
    assert strac.list(name) == []
    strac.close()


def test_closed_by_a_function_for_an_event(cluster, strac, name):
    strac.create(name, echo)
    watching = cluster.client(background=True)
    watching.on("actor-close", lambda *arguments: watching.close())
    stream = watching.connect(name)
    strac.destroy(name)
    until(lambda: not loops())
    assert stream.closed
    assert watching.list(name) == []
    watching.close()


def test_one_stand_in_for_each_object(cluster, strac, name):
    strac.create(name, echo)
    over = threading.Event()
    told = []
    with cluster.client(background=True) as background:
        background.on("actor-close", lambda name, connection, error: (told.append(connection), over.set()))
        stream = background.get(name)
        assert background.get(name) is stream
        assert background.get(name) == stream
        assert len({stream, background.get(name)}) == 1
        assert background.connect(name) != stream
        strac.destroy(name)
        assert over.wait(20)
        until(lambda: stream in told)
        assert [one for one in told if one is stream]
        with background as same:
            assert same is background


def test_help(cluster):
    with cluster.client(background=True) as strac:
        for method in ("create", "destroy", "connect", "get", "wait", "list", "on", "close"):
            there = getattr(stractory.Client, method)
            here = getattr(strac, method)
            assert inspect.getdoc(here) == inspect.getdoc(there)
            names = list(inspect.signature(there).parameters)[1:]
            assert list(inspect.signature(here).parameters) == names
        assert "Start ``actor`` under ``name``" in pydoc.render_doc(strac.create)


class Passing:
    """Rpc methods that give and take functions, anywhere in what they get and return."""

    def __init__(self, options):
        self.given = self.double

    def double(self, number):
        return number * 2

    def is_one(self, function, others):
        return function is others[0]["same"]

    def echo(self, value):
        return value

    def hand(self, functions):
        functions["take"]([self.double])

    def give(self):
        return {"functions": [self.given]}

    def is_mine(self, functions):
        return functions["mine"][0] == self.double

    def loop(self):
        value = [1]
        value.append(value)
        return value

    def tell_loop(self, function):
        return function.call(self.loop())

    def tower(self, levels):
        value = []
        for _ in range(levels):
            value = [value]
        return value


@pytest.fixture(params=[False, True], ids=["plain", "background"])
def passing(cluster, name, request):
    with cluster.client(background=request.param) as strac:
        strac.create(name, stractory.rpc(Passing))
        yield strac.get(name)


def test_functions_anywhere_are_themselves(passing):
    def own(value):
        return value

    assert passing.is_one(own, [{"same": own}])
    assert passing.echo({"functions": [own]})["functions"][0] is own
    assert passing.echo(own) is own
    given = passing.give()["functions"][0]
    assert isinstance(given, stractory.Callback)
    assert given.call(21) == 42
    assert passing.give()["functions"][0] is given
    assert passing.echo([given])[0] is given
    assert passing.is_mine({"mine": [given]})
    given.release()
    with pytest.raises(stractory.CallbackGone):
        given.call(21)
    assert passing.give()["functions"][0].call(21) == 42


class Taker:
    """A function of another sort."""

    def __init__(self, taken):
        self._taken = taken

    def __call__(self, functions):
        self._taken.put(functions)


@pytest.mark.parametrize(
    "function_of",
    [
        lambda taken: taken.put,
        lambda taken: lambda functions: taken.put(functions),
        lambda taken: functools.partial(taken.put),
        Taker,
    ],
    ids=["method", "lambda", "partial", "object"],
)
@pytest.mark.parametrize("queue_class", [queue.Queue, queue.SimpleQueue])
def test_functions_that_functions_of_any_sort_get(cluster, name, function_of, queue_class):
    taken = queue_class()
    with cluster.client(background=True) as strac:
        strac.create(name, stractory.rpc(Passing))
        strac.get(name).hand({"take": function_of(taken)})
        assert taken.get(timeout=20)[0].call(21, timeout=20) == 42


def test_values_that_contain_themselves_and_deep_ones(passing):
    value = passing.loop()
    assert value[1] is value
    assert passing.tell_loop(lambda value: value[1][1][0]) == 1
    assert passing.echo(passing.tower(490)) == passing.tower(490)


def relay(options):
    def handle(emitter):
        emitter.on("say", lambda value: emitter.emit("said", value))

    return handle


def test_a_decorator_listens_on_the_loop(cluster, name):
    heard = queue.Queue()
    with cluster.client(background=True) as strac:
        strac.create(name, stractory.eventemitter(relay))
        emitter = strac.get(name)

        def listen(value):
            heard.put((value, threading.current_thread().name))

        assert emitter.on("said")(listen) is listen
        emitter.emit("say", 1)
        assert heard.get(timeout=20) == (1, "stractory client")
        emitter.off("said", listen)
        with pytest.raises(TypeError, match="without background=True"):
            stractory.emit([emitter], "say", 2)


class Notes:
    """A wrapper with special methods."""

    def __init__(self, room, options):
        self.room = room
        self.notes = {}
        self.streams = [room.echo]

    def __len__(self):
        return len(self.notes)

    def __bool__(self):
        return False

    def __contains__(self, name):
        return name in self.notes

    def __getitem__(self, name):
        return self.room.echo(self.notes[name])

    def __setitem__(self, name, note):
        self.notes[name] = note

    def __delitem__(self, name):
        del self.notes[name]

    def __iter__(self):
        return iter(self.notes)

    def __lt__(self, other):
        return len(self) < len(other)

    def __call__(self, function):
        return self.room.echo([function])


def test_what_a_wrapper_makes_is_the_users_own(cluster, name):
    with cluster.client(background=True) as strac:
        strac.create(name, stractory.rpc(Passing, client=Notes))
        notes = strac.get(name)
        assert type(notes) is Notes
        notes["a"] = [1]
        assert (len(notes), bool(notes), list(notes), notes["a"]) == (1, False, ["a"], [1])
        assert "a" in notes
        assert strac.connect(name) < notes
        del notes["a"]
        assert "a" not in notes
        assert notes(test_help) == [test_help]
        assert notes.streams[0](7) == 7


def test_only_what_can_be_called_is_a_function(passing):
    with pytest.raises(TypeError, match="cannot travel"):
        passing.echo([passing])
    assert callable(passing.echo)


class Room:
    """A client with an attribute that can be called and has methods too."""

    class Join:
        def __init__(self, stream):
            self.stream = stream

        def __call__(self, who):
            return self.send(f"{who} joins")

        def send(self, text):
            self.stream.sendall(text.encode())
            return self.stream.recv(100).decode()

    def __init__(self, stream, options):
        self.join = self.Join(stream)


def test_an_attribute_to_call_that_has_methods(cluster, name):
    with cluster.client(background=True) as strac:
        strac.create(name, stractory.stream(echo, client=Room))
        room = strac.get(name)
        assert isinstance(room, Room)
        assert room.join("ann") == "ann joins"
        assert room.join.send("hello") == "hello"
        assert room.join is room.join


FORK = """
    import os, sys
    import stractory

    strac = stractory.client(sys.argv[1], background=sys.argv[2] == "True")
    strac.list()
    child = os.fork()
    if not child:
        for use in (lambda: strac.list(), lambda: strac.get("a"), lambda: strac.close()):
            try:
                use()
            except RuntimeError as error:
                print(error, flush=True)
        with stractory.client(sys.argv[1], background=True) as own:
            print(own.list("none"), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(strac.list("none"))
    strac.close()
"""


@pytest.mark.parametrize("background", [False, True])
def test_a_fork(cluster, background):
    run = run_program(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORK), cluster.address, str(background)],
        env=cluster.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.stderr == ""
    *told, child, parent = run.stdout.splitlines()
    assert len(told) == 3
    assert all("fork" in line and "new one" in line for line in told)
    assert child == parent == "[]"
