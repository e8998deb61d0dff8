"""Rpc, eventemitter and spawn actors on real workers, and wrappers."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import gevent
import pytest
import zerorpc
import zmq
from gevent.event import AsyncResult, Event

import stractory
from stractory.actors import zerorpc_session
from tests.factory.test_factory import exchange, host_port, read_all
from tests.support.actors import multicast
from tests.support.cluster import Cluster, alive, until
from tests.support.green import next_event
from tests.support.programs import run_program, start_program

ROOT = Path(__file__).resolve().parents[2]


class Room:
    """A chat room that forgets who left."""

    def __init__(self, options, context):
        self.people = {}
        self.options = options
        self.context = context

    def join(self, name, tell):
        self.people[name] = tell
        tell.on_close(lambda: self.people.pop(name, None))

    def leave(self, name):
        self.people.pop(name).release()

    def say(self, text):
        for tell in list(self.people.values()):
            tell(text)

    def ask(self, name, question):
        return self.people[name].call(question)

    def list(self):
        return sorted(self.people)

    def mark(self):
        return self.options["mark"], self.context.name, self.context.epoch

    def count(self, up_to):
        yield from range(up_to)

    def fail(self):
        raise KeyError("lost")

    def held(self):
        """How many functions of clients are held here."""
        import gc

        from stractory.net.callbacks import Callback

        gc.collect()
        return sum(isinstance(thing, Callback) and not thing.closed for thing in gc.get_objects())

    def destroy(self):
        with open(self.options["path"], "w") as file:
            file.write("destroyed")

    def _private(self):
        raise AssertionError


room = stractory.rpc(Room, options={"mark": "!"})


# ---- rpc -------------------------------------------------------------------------------------------------


def test_methods(strac, name):
    info = strac.create(name, room, options={"mark": "?"})
    assert info.kind == "rpc"
    client = strac.get(name)
    assert client.list() == []
    assert client.mark() == ["?", name, info.epoch]
    assert list(client.count(300)) == list(range(300))
    assert client.mark.future().get(timeout=10) == ["?", name, info.epoch]
    client.mark.send()
    with pytest.raises(stractory.RemoteError, match="in fail") as caught:
        client.fail()
    assert caught.value.type == "KeyError"
    with pytest.raises(stractory.UnknownMethod, match=r"it has: ask, count.*say"):
        client.nothing()
    with pytest.raises(stractory.UnknownMethod):
        client.destroy()
    with pytest.raises(AttributeError, match="private"):
        client._private()
    with pytest.raises(stractory.UnknownMethod):
        client["_private"]()
    with pytest.raises(TypeError, match=r"args\[0\]\['x'\] cannot travel"):
        client.say({"x": {1, 2}})
    assert client["list"]() == []


def test_a_dict_of_functions(strac, name):
    def adder(options):
        total = []
        return {"add": lambda number: total.append(number) or sum(total), "total": lambda: sum(total)}

    strac.create(name, stractory.dnode(adder))
    client = strac.get(name)
    assert [client.add(number) for number in (1, 2, 3)] == [1, 3, 6]
    with strac.connect(name) as other:
        assert other.total() == 6


@pytest.mark.parametrize(
    "init",
    [lambda options: None, lambda options: {}, lambda options: {"x": 1}, lambda options: 7],
    ids=["None", "empty", "no function", "number"],
)
def test_what_is_no_rpc_actor(strac, name, init):
    with pytest.raises(stractory.ActorStartFailed, match="rpc actor"):
        strac.create(name, stractory.rpc(init))
    assert strac.list(name) == []


def test_callbacks(strac, cluster, name):
    strac.create(name, room)
    heard: AsyncResult[str] = AsyncResult()
    client = strac.get(name)
    client.join("Alex", heard.set)
    client.join("Bob", lambda question: question.upper())
    with cluster.client() as other:
        other.get(name).say("hello")
        assert heard.get(timeout=10) == "hello"
        assert other.get(name).ask("Bob", "what?") == "WHAT?"
        client.leave("Alex")
        assert other.get(name).list() == ["Bob"]
    with cluster.client() as third:
        third.get(name).join("Carl", print)
        assert client.list() == ["Bob", "Carl"]
    until(lambda: client.list() == ["Bob"])  # Carl has left


def test_actors_call_each_other_and_back(strac, name):
    def relay(options, context):
        def ask(other, function):
            return context.client.get(other).run(lambda x: function.call(x) + 1)

        return {"ask": ask, "run": lambda function: function.call(40) + 1}

    strac.create(f"{name}.a", stractory.rpc(relay))
    strac.create(f"{name}.b", stractory.rpc(relay))
    assert strac.get(f"{name}.a").ask(f"{name}.b", lambda x: x) == 42


def test_an_error_in_a_callback_goes_to_its_owner(strac, cluster, name):
    strac.create(name, room)
    errors: AsyncResult[BaseException] = AsyncResult()
    heard: AsyncResult[str] = AsyncResult()
    strac.on("error", errors.set)

    def fail(text):
        raise ValueError(text)

    client = strac.get(name)
    client.join("Alex", fail)
    client.join("Bob", heard.set)
    client.say("hello")
    assert heard.get(timeout=10) == "hello"
    assert str(errors.get(timeout=10)) == "hello"
    assert client.list() == ["Alex", "Bob"]


def turns(options):
    import sys

    import gevent

    running, most = [], []

    def turn():
        running.append(1)
        most.append(len(running))
        gevent.idle()
        running.pop()
        return max(most)

    return {"turn": turn, "leave": sys.exit}


def test_one_turn_at_a_time(strac, name):
    strac.create(f"{name}.one", stractory.rpc(turns, concurrency=1))
    strac.create(f"{name}.all", stractory.rpc(turns))
    for actor, most in (("one", 1), ("all", 20)):
        client = strac.get(f"{name}.{actor}")
        assert max(future.get(timeout=20) for future in [client.turn.future() for _ in range(20)]) == most
    for wrong in (0, -1, "1", True):
        with pytest.raises(ValueError):
            stractory.rpc(turns, concurrency=wrong)


def test_one_turn_at_a_time_at_its_own_port(strac, name):
    strac.create(name, stractory.rpc(turns, concurrency=1), public=True)
    client = zerorpc.Client(strac.endpoint(name), timeout=20)
    try:
        waiting = [gevent.spawn(client.turn) for _ in range(10)]
        assert [each.get(timeout=20) for each in waiting] == [1] * 10
        with pytest.raises(zerorpc.RemoteError, match="SystemExit"):
            client.leave()
        assert client.turn() == 1
    finally:
        client.close()


def test_a_hundred_thousand_callbacks_and_then_none(strac, name):
    strac.create(name, room)
    client = strac.get(name)
    for number in range(100):
        client.join.send("Alex", lambda text: None)
        for _ in range(999):
            client.join.send("Bob", lambda text, number=number: number)
        client.list()
    client.leave("Alex")
    client.leave("Bob")
    references = client._connection.calls.references
    until(lambda: client.list() == [] and not references.given)
    assert client.held() == 0


SUBSCRIBER = """
    import sys
    import stractory

    _, address, name = sys.argv
    strac = stractory.client(address)
    room = strac.get(name)
    room.join("subscriber", lambda text: print(text, flush=True))
    print("joined", flush=True)
    from gevent.event import Event
    Event().wait()
"""


def start(cluster, program, *arguments):
    return start_program(
        [sys.executable, "-c", textwrap.dedent(program), cluster.address, *arguments],
        env=cluster.env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_subscriber_is_forgotten(strac, cluster, name):
    strac.create(name, room)
    subscriber = start(cluster, SUBSCRIBER, name)
    assert subscriber.stdout.readline() == "joined\n"
    client = strac.get(name)
    assert client.list() == ["subscriber"]
    subscriber.kill()
    subscriber.wait()
    subscriber.stdout.close()
    until(lambda: client.list() == [])
    client.say("anybody?")


def test_a_stalled_subscriber_harms_nobody(strac, cluster, name):
    strac.create(name, room)
    subscriber = start(cluster, SUBSCRIBER, name)
    assert subscriber.stdout.readline() == "joined\n"
    os.kill(subscriber.pid, signal.SIGSTOP)
    heard = []
    done = Event()

    def hear(text):
        heard.append(text)
        if len(heard) == 300:
            done.set()

    client = strac.get(name)
    client.join("Alex", hear)
    try:
        for _ in range(300):
            client.say("x" * 100_000)  # far more than is kept for one that takes nothing
        assert done.wait(20)
        assert client.list() == ["Alex"]  # the other was given up
    finally:
        subscriber.kill()
        subscriber.wait()
        subscriber.stdout.close()


def test_destroy_of_an_rpc_actor(strac, name, tmp_path):
    strac.create(name, room, options={"path": str(tmp_path / "destroyed")})
    client = strac.get(name)
    waiting = client.ask.future("nobody", "x")
    with pytest.raises(stractory.RemoteError):
        waiting.get(timeout=10)
    closed = Event()
    client.on_close(closed.set)
    strac.destroy(name)
    assert (tmp_path / "destroyed").exists()
    assert closed.wait(10) and client.closed
    with pytest.raises(ConnectionError):
        client.list()
    with pytest.raises(stractory.ActorNotFound):
        strac.get(name)


def test_a_limit_of_time(strac, name):
    def slow(options):
        from gevent.event import Event

        def ticks():
            yield 1
            Event().wait()

        return {"wait": lambda seconds: Event().wait(seconds), "ticks": ticks}

    strac.create(name, stractory.rpc(slow))
    client = strac.get(name)
    with pytest.raises(stractory.CallTimeout, match=r"wait\(\) in 0.05 s"):
        stractory.timeout(client, 0.05).wait(1000)
    assert client.wait(0) is False
    ticks = stractory.timeout(client, 0.05).ticks()
    assert next(ticks) == 1
    with pytest.raises(stractory.CallTimeout):
        next(ticks)
    with pytest.raises(TypeError):
        stractory.timeout(7, 1)


# ---- an rpc actor's own port -----------------------------------------------------------------------------


def test_zerorpc_clients(strac, name):
    strac.create(name, room, public=True)
    client = zerorpc.Client(strac.endpoint(name), timeout=10)
    try:
        assert client.list() == []
        assert list(client.count(5)) == [0, 1, 2, 3, 4]
        with pytest.raises(zerorpc.RemoteError, match="KeyError"):
            client.fail()
    finally:
        client.close()


COMMAND = (
    "import collections, collections.abc as abc; collections.Iterator = abc.Iterator; import zerorpc.cli"
)


def test_the_zerorpc_command(strac, name):
    strac.create(name, room, public=True)
    where = strac.endpoint(name)

    def run(*arguments: str) -> str:
        # From Python 3.10 on the command itself lacks collections.Iterator when it shows a result.
        program = f"{COMMAND}; import sys; sys.exit(zerorpc.cli.main())"
        done = run_program(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "held  How many functions of clients are held here." in run(where)
    assert "count(up_to)" in run("-?", where)
    assert "held(??)" in run("-?", where, "held")  # as the command spells that it takes none
    assert run(where, "list").strip() == "[]"
    assert run("--json", where, "count", "3").split() == ["0", "1", "2"]


def test_callbacks_at_its_own_port(strac, name):
    strac.create(name, room, public=True)
    heard: AsyncResult[str] = AsyncResult()
    with strac.connect(name, direct=True) as client:
        assert client.mark()[0] == "!"
        client.join("Alex", heard.set)
        strac.get(name).say("hello")
        assert heard.get(timeout=10) == "hello"
        assert list(client.count(300)) == list(range(300))
        assert strac.get(name).list() == ["Alex"]
    until(lambda: strac.get(name).list() == [])


def test_its_own_port_ends_with_the_actor(strac, name, tmp_path, monkeypatch):
    strac.create(name, room, public=True, options={"path": str(tmp_path / "destroyed")})
    client = strac.connect(name, direct=True)
    closed = Event()
    client.on_close(closed.set)
    where = strac.endpoint(name)
    (actor,) = strac.list(name)
    strac.destroy(name)
    assert closed.wait(20)
    monkeypatch.setattr(zerorpc_session, "TIME_LIMIT", 1.0)
    with pytest.raises((stractory.WorkerUnavailable, stractory.StaleLocation)):  # another may have it by now
        zerorpc_session.dial(where, "the port", name, actor.epoch)


def zerorpc_client(where, curve):
    """As zerorpc makes one, with the keys that it is to have."""
    client = zerorpc.Client(timeout=10)
    if curve is not None:
        client._events.setsockopt(zmq.CURVE_SERVERKEY, curve.server_key)
        client._events.setsockopt(zmq.CURVE_PUBLICKEY, curve.public_key)
        client._events.setsockopt(zmq.CURVE_SECRETKEY, curve.secret_key)
    client.connect(where)
    return contextlib.closing(client)


@pytest.mark.parametrize("background", [False, True])
def test_its_own_port_asks_for_the_key_unless_it_is_public(cluster, name, background):
    with cluster.client(background=background) as strac:
        strac.create(name, room, if_exists="replace")
        with strac.connect(name, direct=True) as client:
            client.join("Alex", str.upper)
            assert client.ask("Alex", "hello") == "HELLO"
            assert list(client.count(300)) == list(range(300))
        where = strac.endpoint(name)
        assert where == f"tcp://{where.address}"
        assert where.curve.secret_key.decode() not in repr(where.curve)
        with zerorpc_client(where, where.curve) as other:
            assert list(other.count(5)) == [0, 1, 2, 3, 4]

        strac.create(f"{name}.public", room, public=True, if_exists="replace")  # on the same worker, perhaps
        assert strac.endpoint(f"{name}.public").curve is None


def test_keys_are_for_one_client_and_one_life(strac, cluster, name):
    info = strac.create(name, room)
    first, again = strac.endpoint(name), strac.endpoint(name)
    assert first == again and first.curve == again.curve
    with cluster.client() as another:
        other = another.endpoint(name)
        assert other == first and other.curve.server_key == first.curve.server_key
        assert other.curve.secret_key != first.curve.secret_key
    strac.create(f"{name}.2", room)
    stranger = strac.endpoint(f"{name}.2").curve
    with pytest.raises(stractory.AuthError, match=f"'{name}'.* {first} "):
        zerorpc_session.dial(first, f"actor {name!r}", name, info.epoch, curve=stranger)
    strac.create(name, room, if_exists="replace")
    assert strac.endpoint(name).curve.server_key != first.curve.server_key


def test_an_endpoint_travels_as_text(strac, name):
    strac.create(name, stractory.rpc(lambda options: {"type": lambda x: type(x).__name__}))
    where = strac.endpoint(name)
    assert strac.get(name).type(where) == "str"
    again = pickle.loads(pickle.dumps(where))  # noqa: S301  # bytes of our own
    assert again.curve == where.curve


# ---- eventemitter ----------------------------------------------------------------------------------------


def test_events_reach_all(strac, cluster, name):
    strac.create(name, stractory.eventemitter(multicast))
    with cluster.client() as other:
        mine, theirs = strac.get(name), other.get(name)
        heard = [next_event(emitter, "echo.hello") for emitter in (mine, theirs)]
        assert theirs.emit("count") and mine.emit("echo.hello", {"to": "world", "raw": b"\x00"})
        assert [one.get(timeout=10) for one in heard] == [{"to": "world", "raw": b"\x00"}] * 2
    counted = next_event(mine, "counted")
    mine.emit("count")
    assert counted.get(timeout=10) == 1  # the other has left


def test_lines_of_json_at_its_own_port(strac, name):
    strac.create(name, stractory.eventemitter(multicast), public=True)
    heard = next_event(strac.get(name), "echo.x")
    with socket.create_connection(host_port(strac.endpoint(name))) as sock:
        sock.sendall(b'["echo.x", {"a": [1, null]}]\n')
        assert json.loads(sock.makefile().readline()) == ["echo.x", {"a": [1, None]}]
        assert heard.get(timeout=10) == {"a": [1, None]}
    with socket.create_connection(host_port(strac.endpoint(name))) as sock:
        sock.sendall(b"garbage\n")
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    with strac.connect(name, direct=True) as emitter:
        heard = next_event(emitter, "echo.y")
        emitter.emit("echo.y", 7)
        assert heard.get(timeout=10) == 7


def test_what_is_no_eventemitter(strac, name):
    with pytest.raises(stractory.ActorStartFailed, match="handler"):
        strac.create(name, stractory.eventemitter(lambda options: {}))


def greeting(options):
    def handle(emitter):
        emitter.emit("hello", 1)
        emitter.emit("world", 2)

    return handle


@pytest.mark.parametrize("background", [False, True])
def test_what_is_emitted_at_once_waits_for_listeners(cluster, name, background):
    with cluster.client(background=background) as strac:
        strac.create(name, stractory.eventemitter(greeting))
        for _ in range(10):
            heard = []
            both = threading.Event() if background else Event()
            emitter = strac.connect(name)
            emitter.on("hello", heard.append)
            emitter.on("world", lambda number, heard=heard, both=both: heard.append(number) or both.set())
            assert both.wait(10)
            assert heard == [1, 2]


def test_a_handler_that_fails_ends_its_connection(strac, name):
    def picky(options):
        def handle(emitter):
            raise ValueError("not you")

        return handle

    strac.create(name, stractory.eventemitter(picky))
    emitter = strac.connect(name)
    closed = Event()
    emitter.on_close(closed.set)
    assert closed.wait(10)


def test_an_emitter_ends_with_the_actor(strac, name):
    strac.create(name, stractory.eventemitter(multicast))
    emitter = strac.get(name)
    closed = Event()
    emitter.on_close(closed.set)
    strac.destroy(name)
    assert closed.wait(10)
    assert emitter.emit("count") is False and emitter.missed == 1


# ---- spawn -----------------------------------------------------------------------------------------------


def test_cat(strac, cluster, name):
    assert strac.create(name, stractory.spawn("cat")).kind == "spawn"
    with cluster.client() as other:
        mine, theirs = strac.get(name), other.get(name)
        mine.sendall(b"hello")
        assert exchange(theirs, b"") == b""
        theirs.settimeout(10)
        assert theirs.recv(5) == b"hello"
        theirs.sendall(b"!")
    assert mine.recv(6) == b"hello"


def test_exit_of_a_child(strac, name):
    strac.create(name, stractory.spawn("sh", ["-c", "echo $0 $1; exit 3", "one", "two"]))
    client = strac.get(name)
    assert client.makefile("r").readline() == "one two\n"
    with pytest.raises(stractory.ActorExited, match="status 3") as caught:
        read_all(client)
    assert caught.value.status == 3
    until(lambda: strac.list(name) == [])
    with pytest.raises(stractory.ActorNotFound):
        strac.get(name)


def test_options_of_a_child(strac, name, tmp_path):
    definition = stractory.spawn("sh", ["-c", "pwd; echo $A"], cwd=str(tmp_path), env={"A": "b"})
    strac.create(name, definition)
    assert strac.get(name).makefile("r").read() == f"{tmp_path}\nb\n"
    strac.create(f"{name}.2", definition, options={"args": ["-c", "echo $A"]})
    assert strac.get(f"{name}.2").makefile("r").read() == "b\n"


def test_a_child_at_its_own_port(strac, name):
    strac.create(name, stractory.spawn("cat"), public=True)
    with socket.create_connection(host_port(strac.endpoint(name))) as sock:
        sock.sendall(b"raw")
        assert sock.recv(10) == b"raw"
    with strac.connect(name, direct=True) as stream:
        assert exchange(stream) == b"hello"


def test_the_end_of_the_output_at_its_own_port(strac, name):
    strac.create(name, stractory.spawn("sh", ["-c", "read line; head -c 8000000 /dev/zero"]), public=True)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.connect(host_port(strac.endpoint(name)))
        sock.sendall(b"\n")
        until(lambda: strac.list(name) == [])  # the actor is gone, and most is still on its way
        assert len(sock.makefile("rb").read()) == 8_000_000


def test_destroy_ends_the_child(strac, name):
    strac.create(name, stractory.spawn("sh", ["-c", "echo $$; cat"]))
    client = strac.get(name)
    pid = int(client.makefile("r").readline())
    assert alive(pid)
    strac.destroy(name)
    assert not alive(pid)
    with pytest.raises(ConnectionError):
        client.recv(1)


def test_the_workers_death_ends_the_child():
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create("child", stractory.spawn("sh", ["-c", "echo $$; cat"]))
        pid = int(strac.get("child").makefile("r").readline())
        (worker,) = strac.workers()
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not alive(pid))


def test_commands_that_are_none(strac, name):
    with pytest.raises(stractory.ActorStartFailed, match=r"/no/such/program.*No such file"):
        strac.create(name, stractory.spawn("/no/such/program"))
    assert strac.list(name) == []
    for wrong in ("ls -l", "echo hi | cat", 'echo "hi" | cat'):
        with pytest.raises(ValueError, match="shell") as caught:
            stractory.spawn(wrong)
        assert f'spawn("sh", ["-c", {json.dumps(wrong)}])' in str(caught.value)
    with pytest.raises(TypeError):
        stractory.spawn("ls", "-l")
    with pytest.raises(TypeError):
        stractory.spawn(["ls"])
    with pytest.raises(TypeError, match="b'file'"):
        stractory.spawn("cat", [b"file"])


def test_a_program_whose_path_looks_like_a_line_for_a_shell(strac, name, tmp_path):
    program = tmp_path / "my program (copy)"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    strac.create(name, stractory.spawn(str(program)))
    assert strac.get(name).makefile("r").read() == "hello\n"
    with pytest.raises(ValueError, match="shell"):
        stractory.spawn(f"{program} | cat")


# ---- wrappers and contexts -------------------------------------------------------------------------------


def test_a_wrapper_gets_what_the_kind_has(strac, name):
    def polite(room, options):
        return lambda: f"{options['mark']} {room.list()}"

    strac.create(name, stractory.rpc(Room, options={"mark": "please"}, client=polite))
    assert strac.get(name)() == "please []"


def test_a_wrapper_by_name(strac, name):
    strac.create(name, stractory.rpc(Room, options={"mark": "!"}, client=f"wrapper.{name}"))
    with pytest.raises(stractory.WrapperNotFound, match=f"wrapper.{name}"):
        strac.get(name)

    @stractory.wrapper(f"wrapper.{name}")
    class Wrapped:
        def __init__(self, room, options):
            self.room = room

    assert isinstance(strac.get(name), Wrapped)
    assert strac.get(name).room.list() == []
    for wrong in ("", "a:b", 7):
        with pytest.raises(ValueError):
            stractory.wrapper(wrong, print)


def test_kinds_in_the_background(cluster, name):
    with cluster.client(background=True) as strac:
        strac.create(f"{name}.rpc", room, public=True)
        client = strac.get(f"{name}.rpc")
        heard = []
        client.join("Alex", heard.append)
        client.say.send("hello")
        until(lambda: heard == ["hello"])
        assert list(client.count(5)) == [0, 1, 2, 3, 4]
        assert client.list.future().get(timeout=10) == ["Alex"]
        assert stractory.timeout(client, 5).list() == ["Alex"]
        with strac.connect(f"{name}.rpc", direct=True) as direct:
            assert direct.list() == ["Alex"]
        # A function that a function is given works in any thread.
        given = []
        client.join("Bob", given.append)

        def take(function):
            given.append(function)

        client.join("Carl", take)
        with cluster.client(background=True) as other:
            other.get(f"{name}.rpc").ask("Carl", lambda number: number + 1)
            assert given[0].call(41) == 42
        client.ask("Carl", take)
        assert given[1] is take  # come home
        strac.create(f"{name}.ee", stractory.eventemitter(multicast))
        emitter = strac.get(f"{name}.ee")
        emitter.on("echo.x", heard.append)
        emitter.emit("echo.x", 7)
        until(lambda: heard == ["hello", 7])
        strac.create(f"{name}.cat", stractory.spawn("cat"))
        assert exchange(strac.get(f"{name}.cat")) == b"hello"
