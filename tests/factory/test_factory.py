"""The factory as its users see it: clients against real daemons."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.pool
import pytest

import stractory
from stractory.proof import keys
from tests.support.actors import Gate, echo, gated_echo, pass_gate
from tests.support.cluster import ALL_IN_TLS, Cluster, until
from tests.support.programs import run_program

ROOT = Path(__file__).resolve().parents[2]


# ---- actors ----------------------------------------------------------------------------------------------


def tell_options(options, context):
    def handle(stream, address):
        stream.sendall(json.dumps([options, context.name, context.epoch]).encode())

    return handle


class Leaver:
    """Writes a file when it is destroyed."""

    def __init__(self, options):
        self.path = options["path"]

    def __call__(self, stream, address):
        for data in stream:
            stream.sendall(data)

    def destroy(self):
        with open(self.path, "w") as file:
            file.write("destroyed")


def failing_handler(options):
    def handle(stream, address):
        for data in stream:
            if data == b"boom":
                raise ValueError("boom")
            stream.sendall(data)

    return handle


def failing_init(options):
    raise ZeroDivisionError("no luck today")


def shout(stream, options):
    """A client wrapper."""

    def ask(text):
        stream.sendall(text.encode())
        return stream.recv(100).decode() + options["end"]

    return ask


shouting = stractory.stream(echo, options={"end": "!"}, client=shout)


def exchange(stream: Any, data: bytes = b"hello") -> bytes:
    """What comes back for ``data``, as many bytes."""
    stream.settimeout(20)
    stream.sendall(data)
    answer = b""
    while len(answer) < len(data):
        more = stream.recv(len(data) - len(answer))
        assert more, "the stream ended"
        answer += more
    return answer


def read_all(stream: Any) -> bytes:
    stream.settimeout(20)
    return b"".join(stream)


def host_port(where: str) -> tuple[str, int]:
    host, _, port = where.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def sockets() -> int:
    """How many sockets this process has."""
    count = 0
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count


# ---- creating, using, ending -----------------------------------------------------------------------------


def test_create_connect_echo(strac, name):
    info = strac.create(name, echo)
    assert (info.name, info.kind, info.state, info.public, info.wrapped) == (
        name, "stream", "running", False, False)  # fmt: skip
    with strac.connect(name) as stream:
        assert exchange(stream) == b"hello"
        big = os.urandom(1 << 17)
        assert exchange(stream, big) == big


def test_connections_are_separate(strac, name):
    strac.create(name, echo)
    with strac.connect(name) as one, strac.connect(name) as other:
        assert one is not other
        one.sendall(b"1")
        assert exchange(other, b"2") == b"2"
        assert one.recv(10) == b"1"


def test_half_close(strac, name):
    strac.create(name, echo)
    with strac.connect(name) as stream:
        stream.sendall(b"the last words")
        stream.shutdown(socket.SHUT_WR)
        assert read_all(stream) == b"the last words"


def test_get_is_cached_until_it_dies(strac, name):
    strac.create(name, echo)
    first = strac.get(name)
    assert strac.get(name) is first
    first.close()
    second = strac.get(name)
    assert second is not first
    assert exchange(second) == b"hello"
    strac.create(name, echo, if_exists="replace")
    assert exchange(strac.get(name), b"anew") == b"anew"


def test_destroy(strac, name, tmp_path):
    path = tmp_path / "destroyed"
    strac.create(name, Leaver, options={"path": str(path)})
    stream = strac.connect(name)
    assert exchange(stream) == b"hello"
    strac.destroy(name)
    assert path.read_text() == "destroyed"
    stream.settimeout(20)
    with pytest.raises((stractory.StractoryError, ConnectionError)):
        while stream.recv(100):
            pass
        pytest.fail("the stream ended in order")
    with pytest.raises(stractory.ActorNotFound):
        strac.connect(name)
    with pytest.raises(stractory.ActorNotFound):
        strac.destroy(name)
    assert strac.list(name) == []


def test_list(strac, name):
    for suffix in ("a", "b", "c"):
        strac.create(f"{name}-{suffix}", echo)
    assert sorted(info.name for info in strac.list(f"{name}-[ab]")) == [f"{name}-a", f"{name}-b"]
    assert {f"{name}-a", f"{name}-b", f"{name}-c"} <= {info.name for info in strac.list()}
    assert strac.list("no such *") == []


def test_workers(strac, name):
    info = strac.create(name, echo)
    workers = strac.workers()
    assert len(workers) == 2
    assert {worker.state for worker in workers} == {"running"}
    assert info.worker in {worker.address for worker in workers}
    assert all(worker.pid > 1 and worker.python for worker in workers)


def test_options_are_merged(strac, name):
    definition = stractory.stream(tell_options, options={"a": 1, "b": 2})
    info = strac.create(name, definition, options={"b": 3, "c": [4]})
    with strac.connect(name) as stream:
        assert json.loads(read_all(stream)) == [{"a": 1, "b": 3, "c": [4]}, name, info.epoch]
    assert definition.options == {"a": 1, "b": 2}


def test_if_exists(strac, name):
    first = strac.create(name, echo)
    with pytest.raises(stractory.ActorExists) as caught:
        strac.create(name, echo)
    assert caught.value.details["epoch"] == first.epoch
    assert strac.create(name, echo, if_exists="get").epoch == first.epoch
    stream = strac.connect(name)
    replaced = strac.create(name, echo, if_exists="replace")
    assert replaced.epoch != first.epoch
    stream.settimeout(20)
    with pytest.raises((stractory.StractoryError, ConnectionError)):
        while stream.recv(100):
            pass
        pytest.fail("the stream ended in order")
    with strac.connect(name) as stream:
        assert exchange(stream) == b"hello"


def test_connect_list_in_order(strac, name):
    names = [f"{name}-{number}" for number in range(10)]
    for each in names:
        strac.create(each, tell_options)
    wanted = list(reversed(names))
    assert [json.loads(read_all(stream))[1] for stream in strac.connect(wanted)] == wanted


def test_connect_pattern(strac, name):
    names = {f"{name}-{number}" for number in range(5)}
    for each in names:
        strac.create(each, tell_options)
    found = strac.connect(re.compile(re.escape(name) + r"-\d"))
    assert set(found) == names
    assert {json.loads(read_all(stream))[1] for stream in found.values()} == names
    assert strac.connect(re.compile("no such .*")) == {}


def test_connect_errors(strac, name):
    strac.create(f"{name}-a", echo)
    strac.create(f"{name}-b", echo)
    with pytest.raises(stractory.ConnectErrors, match="1 of 3") as caught:
        strac.connect([f"{name}-a", f"{name}-missing", f"{name}-b"])
    error = caught.value
    assert set(error.clients) == {f"{name}-a", f"{name}-b"}
    assert list(error.errors) == [f"{name}-missing"]
    assert isinstance(error.errors[f"{name}-missing"], stractory.ActorNotFound)
    assert all(exchange(stream) == b"hello" for stream in error.clients.values())


def test_wait(strac, cluster, name):
    waiting = gevent.spawn(strac.wait, name, 20)
    with cluster.client() as other:
        assert other.list(name) == []
        assert not waiting.ready()
        other.create(name, echo)
        assert exchange(waiting.get(timeout=20)) == b"hello"


def test_wait_times_out(strac, name):
    with pytest.raises(stractory.CallTimeout):
        strac.wait(name, 0.1)
    assert strac.list(name) == []


# ---- own ports -------------------------------------------------------------------------------------------


def test_direct(strac, name):
    info = strac.create(name, echo)
    with strac.connect(name, direct=True) as stream:
        assert ALL_IN_TLS or stream.fileno() >= 0
        assert exchange(stream) == b"hello"
        assert stream.getpeername()[1] != host_port(info.worker)[1]
        assert stream.getpeername() == host_port(strac.endpoint(name))


def test_public(strac, name):
    assert strac.create(name, echo, public=True).public
    endpoint = strac.endpoint(name)
    assert endpoint.startswith("tcp://127.0.0.1:")
    with socket.create_connection(host_port(endpoint), timeout=20) as plain:
        assert exchange(plain) == b"hello"
    with strac.connect(name) as stream:
        assert exchange(stream) == b"hello"
    with strac.connect(name, direct=True) as stream:
        assert exchange(stream) == b"hello"


def test_own_port_ends_with_the_actor(strac, name):
    strac.create(name, echo, public=True)
    where = host_port(strac.endpoint(name))
    strac.destroy(name)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=20).close()


# ---- wrappers --------------------------------------------------------------------------------------------


def test_wrapper_of_this_process(strac, name):
    assert strac.create(name, shouting).wrapped
    assert strac.get(name)("hello") == "hello!"
    assert strac.connect(name)("again") == "again!"
    assert strac.connect([name])[0]("and") == "and!"


@pytest.mark.parametrize("trust", [False, True])
def test_wrapper_in_another_process(strac, cluster, name, trust):
    strac.create(name, shouting)
    program = textwrap.dedent("""
        import sys, stractory
        address, key_file, name, trust = sys.argv[1:]
        with stractory.client(address, key_file=key_file, trust_wrappers=trust == "True") as strac:
            try:
                print(strac.get(name)("hello"))
            except stractory.UntrustedWrapper as error:
                print("untrusted", name in str(error))
    """)
    arguments = [cluster.address, str(cluster.key_file), name, str(trust)]
    run = run_program(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (run.stdout, run.stderr) == ("hello!\n" if trust else "untrusted True\n", "")


# ---- what can go wrong -----------------------------------------------------------------------------------


def test_import_path(strac, cluster, name):
    (cluster.folder / "actors_by_path.py").write_text(
        "def reverse(options):\n    return lambda stream, address: stream.sendall(stream.recv(100)[::-1])\n"
    )
    strac.create(name, "actors_by_path:reverse")
    with strac.connect(name) as stream:
        assert exchange(stream, b"abc") == b"cba"


def test_import_path_that_is_not_there(strac, name):
    with pytest.raises(stractory.ActorStartFailed, match="no_such_module"):
        strac.create(name, "no_such_module:thing")
    assert strac.list(name) == []


def test_not_shippable_names_the_variable(strac, name):
    guilty_lock = threading.Lock()

    def init(options):
        with guilty_lock:
            return

    with pytest.raises(stractory.ActorNotShippable, match="guilty_lock"):
        strac.create(name, init)
    with pytest.raises(stractory.ActorNotShippable, match="guilty_option"):
        strac.create(name, echo, options={"guilty_option": object()})
    assert strac.list(name) == []


def test_start_failed(strac, name):
    with pytest.raises(stractory.ActorStartFailed, match="no luck today") as caught:
        strac.create(name, failing_init)
    assert "ZeroDivisionError" in caught.value.remote_traceback
    assert "failing_init" in caught.value.remote_traceback
    assert "test_factory" in caught.value.remote_traceback  # the module's file
    assert caught.value.remote_traceback.rstrip() in str(caught.value)
    strac.create(name, echo)  # the name is free


def test_init_that_returns_no_handler(strac, name):
    with pytest.raises(stractory.ActorStartFailed, match="handler"):
        strac.create(name, lambda options: 5)


def test_not_found(strac, name):
    for use in (strac.connect, strac.get, strac.destroy, strac.endpoint):
        with pytest.raises(stractory.ActorNotFound, match=re.escape(name)):
            use(name)


@pytest.mark.parametrize("wrong", ["", "n" * 600, "ü" * 300], ids=["empty", "600 bytes", "600 bytes UTF-8"])
def test_invalid_name(strac, wrong):
    with pytest.raises(stractory.InvalidName):
        strac.create(wrong, echo)


def test_longest_name(strac):
    longest = "n" * 512
    strac.create(longest, echo)
    with strac.connect(longest) as stream:
        assert exchange(stream) == b"hello"


def test_no_workers(name):
    with Cluster(workers=0) as empty, empty.client() as strac:
        assert strac.workers() == []
        with pytest.raises(stractory.NoWorkers):
            strac.create(name, echo)


def test_another_python(strac, name, monkeypatch):
    monkeypatch.setattr("stractory.actors.code.PYTHON_TAG", "cpython-399")
    with pytest.raises(stractory.NoCompatibleWorker, match="cpython-399"):
        strac.create(name, echo)
    assert strac.list(name) == []


def test_registry_unavailable(cluster, name):
    with socket.socket() as taken:  # bound but not listening: nobody answers
        taken.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        strac = stractory.client(where, key_file=cluster.key_file)
        with pytest.raises(stractory.RegistryUnavailable, match=where):
            strac.create(name, echo)


def test_another_key(cluster, name, tmp_path):
    keys.load(tmp_path / "other.key", create=True)
    with cluster.client(key_file=tmp_path / "other.key") as stranger, pytest.raises(stractory.AuthError):
        stranger.create(name, echo)


def test_missing_key_file(cluster, tmp_path):
    with cluster.client(key_file=tmp_path / "none.key") as stranger, pytest.raises(stractory.AuthError):
        stranger.list()


def test_failing_handler_ends_its_own_stream_only(strac, name):
    strac.create(name, failing_handler)
    good, bad = strac.connect([name, name])
    assert exchange(bad) == b"hello"
    bad.sendall(b"boom")
    with pytest.raises((stractory.StractoryError, ConnectionError)):
        while bad.recv(100):
            pass
        pytest.fail("the stream ended in order")
    assert exchange(good) == b"hello"
    with strac.connect(name) as another:
        assert exchange(another) == b"hello"


# ---- many ------------------------------------------------------------------------------------------------


def test_race_for_one_name(strac, name):
    def create() -> tuple[bool, int]:
        try:
            return True, strac.create(name, echo).epoch
        except stractory.ActorExists as error:
            return False, error.details["epoch"]

    outcomes = [task.get(timeout=30) for task in [gevent.spawn(create) for _ in range(100)]]
    winners = [epoch for won, epoch in outcomes if won]
    assert len(winners) == 1
    assert {epoch for won, epoch in outcomes if not won} == {winners[0]}


def test_race_of_several_clients(cluster, name):
    clients = [cluster.client() for _ in range(10)]
    tasks = [gevent.spawn(client.create, name, echo, if_exists="get") for client in clients]
    assert len({task.get(timeout=30).epoch for task in tasks}) == 1
    for client in clients:
        client.close()


def test_two_thousand_actors_over_few_sockets(cluster, name):
    names = [f"{name}-{number}" for number in range(2000)]
    before = sockets()
    with cluster.client() as strac:
        pool = gevent.pool.Pool(200)
        infos = pool.map(lambda each: strac.create(each, echo), names)
        assert len({info.worker for info in infos}) == 2
        streams = strac.connect(names)
        for number, stream in enumerate(streams):
            stream.sendall(b"%d" % number)
        assert [stream.recv(100) for stream in streams] == [b"%d" % number for number in range(2000)]
        assert sockets() - before <= 3  # the registry and two workers
        for stream in streams:
            stream.close()
        pool.map(strac.destroy, names)
        assert strac.list(f"{name}-*") == []
    assert sockets() == before


# ---- strangers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 40, bytes(4096), b"\xff" * 70000],
                         ids=["http", "zeros", "ones"])  # fmt: skip
@pytest.mark.parametrize("where", ["registry", "worker", "actor"])
def test_garbage(strac, cluster, name, where, garbage):
    info = strac.create(name, echo)
    port = {"registry": cluster.address, "worker": info.worker, "actor": strac.endpoint(name)}[where]
    with socket.create_connection(host_port(port), timeout=20) as stranger:
        try:
            stranger.sendall(garbage)
            while stranger.recv(65536):
                pass
        except ConnectionError:
            pass
    with cluster.client() as good:
        for direct in (False, True):
            with good.connect(name, direct=direct) as stream:
                assert exchange(stream) == b"hello"


# ---- threads and events ----------------------------------------------------------------------------------


def test_background_streams_in_threads(cluster, name):
    with cluster.client(background=True) as strac:
        strac.create(name, echo)

        def use(number: int) -> bool:
            with strac.connect(name) as stream:
                data = bytes([number]) * 1000
                return all(exchange(stream, data) == data for _ in range(20))

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(use, range(16)))


def test_background_one_stream_read_and_written_by_two_threads(cluster, name):
    with cluster.client(background=True) as strac:
        strac.create(name, echo)
        with strac.connect(name) as stream, ThreadPoolExecutor(1) as threads:
            reading = threads.submit(lambda: b"".join(stream))
            for _ in range(50):
                stream.sendall(b"x" * 1000)
            stream.shutdown(socket.SHUT_WR)
            assert reading.result(20) == b"x" * 50_000


def test_background_event_comes_between_calls(cluster, strac, name):
    closed = threading.Event()
    told: list[Any] = []
    with cluster.client(background=True) as watching:
        watching.on("actor-close", lambda *arguments: (told.append(arguments), closed.set()))
        strac.create(name, echo)
        stream = watching.connect(name)
        assert exchange(stream) == b"hello"
        strac.destroy(name)
        assert closed.wait(20)
    assert (told[0][0], told[0][2]) == (name, False)


def test_background_errors_are_the_same(cluster, name):
    with cluster.client(background=True) as strac:
        with pytest.raises(stractory.ActorNotFound):
            strac.get(name)
        strac.create(name, shouting)
        assert strac.get(name)("hello") == "hello!"
        with pytest.raises(stractory.ConnectErrors) as caught:
            strac.connect([name, f"{name}-missing"])
        assert caught.value.clients[name]("you") == "you!"


def test_a_client_belongs_to_one_thread(strac):
    strac.list()
    with ThreadPoolExecutor(1) as threads, pytest.raises(RuntimeError, match="background=True"):
        threads.submit(strac.list).result(20)


@pytest.mark.parametrize("end", ["returned", "destroyed", "failed"])
def test_actor_close_event(strac, name, end):
    told = gevent.event.AsyncResult()
    strac.on("actor-close", lambda *arguments: told.set(arguments))
    strac.create(name, failing_handler if end == "failed" else echo)
    stream = strac.connect(name)
    if end == "destroyed":
        assert exchange(stream) == b"hello"
        strac.destroy(name)
    else:
        stream.sendall(b"boom" if end == "failed" else b"hello")
        stream.shutdown(socket.SHUT_WR)  # the actor's handler returns
    assert told.get(timeout=20) == (name, stream, end == "failed")


def test_unknown_event(strac):
    with pytest.raises(ValueError, match="actor-close"):
        strac.on("actor-gone", print)


def leave_at_once(options):
    return lambda stream, address: stream.sendall(b"bye")


def test_get_after_the_handler_returned(strac, name):
    strac.create(name, leave_at_once)
    for _ in range(20):
        assert read_all(strac.get(name)) == b"bye"


def test_actor_close_event_of_a_handler_that_returns_at_once(strac, name):
    strac.create(name, leave_at_once)
    for _ in range(20):
        told = gevent.event.AsyncResult()
        strac.on("actor-close", lambda *arguments, told=told: told.set(arguments))
        stream = strac.connect(name)
        assert told.get(timeout=2) == (name, stream, False)
        assert read_all(stream) == b"bye"


def test_destroy_while_many_connect(strac, name):
    """Each either connects or is told plainly; nothing hangs."""
    strac.create(name, echo)

    def connect() -> str:
        try:
            with strac.connect(name) as stream:
                exchange(stream)
            return "served"
        except (stractory.ActorError, ConnectionError) as error:
            return type(error).__name__

    tasks = [gevent.spawn(connect) for _ in range(50)]
    ending = gevent.spawn(strac.destroy, name)
    outcomes = {task.get(timeout=20) for task in tasks}
    ending.get(timeout=20)
    assert outcomes <= {"served", "ActorNotFound", "ActorLost", "ActorEnded"}


def gated_leaver(options):
    class Gated(Leaver):
        def destroy(self):
            pass_gate(options)
            super().destroy()

    return Gated(options)


def test_replace_ends_the_old_one_first(strac, name, tmp_path):
    path = tmp_path / "destroyed"
    with Gate() as gate:
        strac.create(name, gated_leaver, options={"path": str(path), **gate.options})
        replacing = gevent.spawn(strac.create, name, echo, if_exists="replace")
        gate.wait_reached()
        assert not replacing.ready() and not path.exists()
        gate.open()
        replacing.get(timeout=20)
    assert path.exists()


def test_destroy_that_times_out_frees_the_name_in_the_end(strac, name, tmp_path):
    path = tmp_path / "destroyed"
    with Gate() as gate:
        strac.create(name, gated_leaver, options={"path": str(path), **gate.options})
        destroying = gevent.spawn(_error_of, strac.destroy, name, timeout=0.1)
        gate.wait_reached()
        assert isinstance(destroying.get(timeout=20), stractory.CallTimeout)
        assert strac.list(name)  # taken until its destroy() has run
        gate.open()
        until(lambda: not strac.list(name))
    assert path.exists()


def _error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except stractory.StractoryError as error:
        return error


def test_replace_race(strac, name):
    """Replacing one name at once from many: the last one is the one that is there."""
    tasks = [gevent.spawn(strac.create, name, echo, if_exists="replace") for _ in range(30)]
    epochs = {task.get(timeout=30).epoch for task in tasks}
    (left,) = strac.list(name)
    assert left.epoch in epochs and left.epoch == max(epochs)
    assert exchange(strac.get(name)) == b"hello"


def test_destroy_while_it_starts(strac, cluster, name):
    """A name that is being created can be destroyed; the creator is told."""
    with Gate() as gate, cluster.client() as other:
        creating = gevent.spawn(_error_of, strac.create, name, gated_echo, options=gate.options, timeout=20)
        gate.wait_reached()
        other.destroy(name)
        assert isinstance(creating.get(timeout=20), stractory.StractoryError)
        other.create(name, echo)
        assert exchange(other.get(name)) == b"hello"


def test_name_that_is_being_created(strac, cluster, name):
    """It is not found yet, is taken, and is waited for by if_exists="get"."""
    with Gate() as gate, cluster.client() as other:
        creating = gevent.spawn(strac.create, name, gated_echo, options=gate.options, timeout=20)
        gate.wait_reached()
        assert [info.state for info in other.list(name)] == ["pending"]
        with pytest.raises(stractory.ActorNotFound):
            other.connect(name)
        with pytest.raises(stractory.ActorExists):
            other.create(name, echo)
        getting = gevent.spawn(other.create, name, echo, if_exists="get")
        other.list()
        assert not getting.ready()
        gate.open()
        assert creating.get(timeout=20) == getting.get(timeout=20)
        assert exchange(other.get(name)) == b"hello"


def test_create_times_out_and_frees_the_name(strac, name):
    def never(options):
        from gevent.event import Event

        Event().wait()

    with pytest.raises(stractory.CallTimeout):
        strac.create(name, never, timeout=0.3)
    until(lambda: not strac.list(name), timeout=5)
    strac.create(name, echo)


def test_closed_client_dials_anew(strac, name):
    strac.create(name, echo)
    assert exchange(strac.get(name)) == b"hello"
    strac.close()
    assert exchange(strac.get(name)) == b"hello"
