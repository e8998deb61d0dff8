"""Clients with a loop of their own: its end, the stand-ins, forks."""

from __future__ import annotations

import inspect
import os
import pydoc
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import stractory
from tests.factory.test_factory import exchange
from tests.support.actors import echo
from tests.support.cluster import until

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
    run = subprocess.run(
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
