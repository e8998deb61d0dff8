"""Clients, connections and methods that nobody holds any more, and what is held of theirs."""

from __future__ import annotations

import gc
import os
import sys
import textwrap
import threading
from functools import partial
from pathlib import Path

import gevent
import pytest

import stractory
from stractory.clients.loop import Loop
from stractory.net.threads import threads
from tests.clients.test_background import descriptors, loops
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import until
from tests.support.green import green_until
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]


class Room:
    """Rpc methods of all sorts."""

    def __init__(self, options):
        self.people = []

    def join(self, hear):
        self.people.append(hear)

    def say(self, text):
        for hear in self.people:
            hear(text)

    def upper(self, text):
        return text.upper()

    def spell(self, word):
        yield from word


def relay(options):
    def handle(emitter):
        emitter.on("say", lambda text: emitter.emit("said", text))

    return handle


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()


@pytest.fixture
def names(strac, name):
    """Of an rpc actor, an emitter and an echo."""
    made = {"room": stractory.rpc(Room), "relay": stractory.eventemitter(relay), "echo": echo}
    for each, actor in made.items():
        strac.create(f"{name}.{each}", actor)
    return {each: f"{name}.{each}" for each in made}


background = pytest.mark.parametrize("background", [False, True], ids=["plain", "background"])


class Closed:
    """True when as few descriptors are open as when it was made, and no background loop runs."""

    def __init__(self):
        gc.collect()
        gevent.idle()
        gc.freeze()  # what is looked through each time has nothing of what the tests before have left
        self._before = descriptors()

    def __call__(self):
        gc.collect()
        return descriptors() <= self._before and not loops()


USES = {
    "nothing": lambda strac, names: None,
    "registry": lambda strac, names: strac.list(),
    "stream": lambda strac, names: exchange(strac.get(names["echo"])),
    "endpoint": lambda strac, names: strac.endpoint(names["echo"]),
    "functions": lambda strac, names: strac.get(names["room"]).join(lambda text: strac),
    "emitter": lambda strac, names: strac.get(names["relay"]).on("said", lambda text: strac),
}


@background
@pytest.mark.parametrize("idle_timeout", [None, 0.2], ids=["", "idle"])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_dropped_client_closes_its_connections(cluster, names, background, idle_timeout, use):
    closed = Closed()
    strac = cluster.client(background=background, idle_timeout=idle_timeout)
    strac.on("timeout", partial(print, strac))  # what refers to the client itself does not keep it
    strac.on("actor-close", partial(print, strac))
    use(strac, names)
    del strac
    green_until(closed)


def test_dropped_by_another_thread(cluster):
    closed = Closed()
    held = [cluster.client(), cluster.client(background=True)]
    for strac in held:
        strac.list()
    del strac
    thread = threading.Thread(target=lambda: (held.clear(), gc.collect()))
    thread.start()
    thread.join()
    green_until(closed)


def test_the_loop_waits_until_its_links_are_closed():
    """Whoever drops them may tell the loop, and not run for a while before that hears of its links."""
    loop = Loop()
    loop.start()
    (thread,) = loops()
    own = loop.run(threads)
    own.links += 1
    del loop
    thread.join(0.1)
    assert thread.ended and thread.is_alive()
    own.links -= 1
    thread.join(20)
    assert not thread.is_alive()


@background
def test_what_is_held_goes_on_without_its_client(cluster, names, background):
    closed = Closed()
    strac = cluster.client(background=background)
    stream, room, emitter = strac.connect([names["echo"], names["room"], names["relay"]])
    own = strac.get(names["echo"])
    answer = strac.connect(names["room"]).upper.future("later")
    letters = strac.connect(names["room"]).spell("abc")
    heard = []
    room.join(heard.append)
    emitter.on("said", heard.append)
    del strac
    gc.collect()
    gevent.idle()
    gc.collect()
    assert exchange(stream) == exchange(own) == b"hello"
    assert room.upper("hello") == "HELLO"
    room.say("hi")
    emitter.emit("say", "ho")
    (until if background else green_until)(lambda: sorted(heard) == ["hi", "ho"])
    assert answer.get(timeout=20) == "LATER"
    assert list(letters) == ["a", "b", "c"]
    del stream, own, room, emitter, answer, letters
    green_until(closed)


@background
def test_a_connection_right_out_of_a_client(cluster, names, background):
    for _ in range(5):
        assert exchange(cluster.client(background=background).connect(names["echo"])) == b"hello"
        gc.collect()


@background
def test_what_is_taken_from_a_connection_that_is_dropped(cluster, names, background):
    with cluster.client(background=background) as strac:

        def room():
            return strac.connect(names["room"])

        for _ in range(20):
            assert room().upper("hello") == "HELLO"
            assert stractory.timeout(room(), 20).upper("hello") == "HELLO"
        assert list(room().spell("abc")) == ["a", "b", "c"]
        assert room().upper.future("hello").get(timeout=20) == "HELLO"
        upper = room().upper
        gc.collect()
        gevent.idle()
        assert upper("hello") == "HELLO"
        with strac.connect(names["echo"]).makefile("rwb") as file:
            gc.collect()
            file.write(b"line\n")
            file.flush()
            assert file.readline() == b"line\n"


@background
def test_an_emitter_listens_when_it_is_dropped(cluster, names, background):
    heard = []
    with cluster.client(background=background) as strac:
        emitter = strac.connect(names["relay"])
        emitter.on("said", heard.append)
        emitter.emit("say", "hello")
        del emitter
        gc.collect()
        (until if background else green_until)(lambda: heard == ["hello"])


FORK = """
    import gc, os, sys
    import gevent, stractory

    _, address, name, background = sys.argv
    strac = stractory.client(address, background=background == "True")
    stream = strac.connect(name)
    child = os.fork()
    if not child:
        del strac, stream
        gc.collect()
        gevent.idle()
        os._exit(0)
    os.waitpid(child, 0)
    stream.sendall(b"hello")
    print(stream.recv(5), strac.list("none"))
"""


@background
def test_dropped_in_a_fork_and_at_the_end(cluster, names, background):
    arguments = cluster.address, names["echo"], str(background)
    run = run_program(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORK), *arguments],
        env=cluster.env | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.stdout, run.stderr) == ("b'hello' []\n", "")
