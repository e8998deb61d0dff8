"""What actors do on real workers: exit, fork, fail, print, and take their time to end."""

from __future__ import annotations

import os
import re
import signal
import socket

import gevent
import pytest
from gevent.event import Event

import stractory
from stractory.worker.pool import READY
from tests.factory.test_factory import exchange, gated_leaver, read_all
from tests.support.actors import Gate, echo
from tests.support.cluster import Cluster, alive, until
from tests.support.green import green_until


def error_of_create(strac, name, init, **options):
    with pytest.raises(stractory.ActorStartFailed) as caught:
        strac.create(name, init, **options)
    return caught.value


# ---- exits and forks -------------------------------------------------------------------------------------


def test_an_exit_in_a_green_thread_of_an_actor(strac, cluster, name):
    def init(options):
        import sys

        import gevent

        def handle(stream, address):
            for data in stream:
                if data == b"exit":
                    gevent.spawn(sys.exit, 3).join()
                stream.sendall(data)

        return handle

    strac.create(name, init)
    pids = {worker.pid for worker in strac.workers()}
    with strac.connect(name) as stream:
        assert exchange(stream, b"exit") == b"exit"
        assert exchange(stream) == b"hello"
    assert {worker.pid for worker in strac.workers()} == pids
    assert "SystemExit: 3" in until(lambda: "a green thread failed" in cluster.errors() and cluster.errors())


def test_a_fork_in_an_init_makes_no_second_worker(strac, name):
    def init(options):
        import os

        child = os.fork()
        return lambda stream, address: stream.sendall(b"%d" % child)

    strac.create(name, init)
    child = int(read_all(strac.connect(name)))
    assert child  # the worker answers, not its child
    until(lambda: not alive(child))


# ---- the orderly end -------------------------------------------------------------------------------------


def patient(options):
    """An rpc actor in whose methods one can wait."""
    from gevent.event import Event

    def wait(hear):
        hear()
        Event().wait()

    def items():
        yield "first"
        Event().wait()

    return {"wait": wait, "items": items}


KINDS = {
    "stream": lambda: stractory.stream(echo),
    "rpc": lambda: stractory.rpc(patient),
    "eventemitter": lambda: stractory.eventemitter(lambda options: lambda emitter: None),
    "spawn": lambda: stractory.spawn("cat"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["destroy", "replace"])
def test_an_orderly_end_is_no_failure(cluster, name, kind, end):
    told = []
    with cluster.client() as strac:
        for event in ("actor-error", "actor-fail", "actor-close"):
            strac.on(event, lambda *arguments, event=event: told.append((event, arguments[-1])))
        strac.create(name, KINDS[kind]())
        connection = strac.connect(name)
        if end == "destroy":
            strac.destroy(name)
        else:
            strac.create(name, KINDS[kind](), if_exists="replace")
        green_until(lambda: connection.closed and told)
        gevent.idle()
        assert told == [("actor-close", False)]
        if end == "replace":
            strac.destroy(name)


@pytest.mark.parametrize("kind", ["stream", "spawn"])
def test_who_reads_of_an_actor_that_ends_hears_of_that(strac, name, kind):
    strac.create(name, KINDS[kind]())
    with strac.connect(name) as stream:
        stream.settimeout(20)
        stream.sendall(b"not the end")
        assert stream.recv(100) == b"not the end"
        reading = gevent.spawn(stream.recv, 1)
        strac.destroy(name)
        with pytest.raises(stractory.ActorEnded, match="has ended: it was destroyed"):
            reading.get(timeout=20)


def test_calls_of_an_actor_that_ends_tell_so(strac, name):
    strac.create(name, stractory.rpc(patient))
    with strac.connect(name) as client:
        items = client.items()
        assert next(items) == "first"
        begun = Event()
        waiting = client.wait.future(begun.set)
        assert begun.wait(20)
        strac.destroy(name)
        for use in (waiting.get, lambda: next(items), client.wait):
            with pytest.raises(stractory.ActorEnded, match="it was destroyed"):
                use()


def test_an_orderly_end_of_the_worker_is_no_failure(name):
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create(name, echo)
        with strac.connect(name) as stream:
            assert exchange(stream) == b"hello"
            assert cluster.pool is not None
            assert cluster.pool.end() == 0
            cluster.pool = None
            stream.settimeout(20)
            with pytest.raises(stractory.ActorEnded, match="its worker shut down"):
                stream.recv(1)


# ---- failures --------------------------------------------------------------------------------------------


def test_an_error_of_the_operating_system_in_a_handler_is_told(strac, cluster, name):
    def init(options):
        def handle(stream, address):
            assert b"".join(stream) == b"the last words"
            os.stat("/no/such/file")

        return handle

    strac.create(name, init)
    stream = strac.connect(name)
    stream.settimeout(20)
    stream.sendall(b"the last words")
    stream.shutdown(socket.SHUT_WR)
    with pytest.raises(stractory.StreamReset):
        stream.recv(1)
    said = until(lambda: f"actor {name!r}: the handler of" in cluster.errors() and cluster.errors())
    assert "/no/such/file" in said


def test_a_client_that_leaves_is_no_failure(strac, cluster, name):
    def init(options):
        from gevent.event import Event

        left = Event()

        def handle(stream, address):
            if stream.recv(100) == b"wait":
                left.wait()
                stream.sendall(b"left")
            try:
                stream.recv(1)
            finally:
                left.set()

        return handle

    strac.create(name, init)
    leaving, waiting = strac.connect([name, name])
    leaving.sendall(b"leave")
    waiting.sendall(b"wait")
    leaving.abort()
    waiting.settimeout(20)
    assert waiting.recv(100) == b"left"
    waiting.close()
    strac.destroy(name)
    said = until(lambda: f"actor {name!r} ended" in cluster.errors() and cluster.errors())
    assert f"actor {name!r}: the handler" not in said


def test_a_huge_error_is_cut(strac, name):
    def init(options):
        raise ValueError("many words " * 1_000_000)

    error = error_of_create(strac, name, init)
    assert len(str(error)) < 4 * 64 * 1024
    assert "ValueError" in str(error) and "many words" in str(error)


def test_an_error_without_a_text(strac, name):
    def init(options):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError("no words")

        raise Mute

    assert "Mute" in str(error_of_create(strac, name, init))
    strac.create(name, echo)  # the name is free


def test_a_handler_that_would_run_nothing(strac, name):
    async def handle(stream, address):
        pass

    assert "async def" in str(error_of_create(strac, name, lambda options: handle))


# ---- clients of actors -----------------------------------------------------------------------------------


def asks_others(options, context):
    """It uses a client for each of its connections, and closes it."""

    def handle(stream, address):
        with context.client as strac:
            found = [info.name for info in strac.list(options["pattern"])]
        stream.sendall(" ".join(found).encode())

    return handle


def test_an_actor_that_closes_its_client_closes_nobody_elses():
    def keeps_one(options, context):
        other = context.client.connect(options["other"])

        def handle(stream, address):
            other.sendall(stream.recv(100))
            stream.sendall(other.recv(100))

        return handle

    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create("echo", echo)
        strac.create("keeper", keeps_one, options={"other": "echo"})
        strac.create("asker", asks_others, options={"pattern": "k*"})
        assert read_all(strac.connect("asker")) == b"keeper"
        assert exchange(strac.connect("keeper")) == b"hello"


def test_the_key_file_of_a_worker_that_changes_its_folder(tmp_path):
    with Cluster(workers=0) as cluster, cluster.client() as strac:
        worker = cluster.daemon(
            "stractory-worker",
            "--listen=127.0.0.1:0",
            f"--registry={cluster.address}",
            f"--key-file={os.path.relpath(cluster.key_file)}",
            f"--working-dir={tmp_path}",
        )
        worker.wait_line(READY)
        strac.create("a", asks_others, options={"pattern": "*"})
        assert read_all(strac.connect("a")) == b"a"
        assert worker.end() == 0


# ---- the end of a worker ---------------------------------------------------------------------------------


def test_names_are_taken_until_destroy_has_run(tmp_path):
    path = tmp_path / "destroyed"
    with Gate() as gate, Cluster(workers=1) as cluster, cluster.client() as strac, gevent.Timeout(40):
        strac.create("a", gated_leaver, options={"path": str(path), **gate.options})
        pool, cluster.pool = cluster.pool, None
        pool.process.send_signal(signal.SIGTERM)
        gate.wait_reached()
        assert [info.name for info in strac.list()] == ["a"]
        with pytest.raises(stractory.StractoryError):
            strac.create("b", echo)
        assert not path.exists()
        gate.open()
        assert pool.join() == 0
        assert path.exists()
        until(lambda: not strac.list())


def test_the_log_tells_of_actors(strac, cluster, name):
    strac.create(name, echo, public=True)
    where = strac.endpoint(name).removeprefix("tcp://")
    strac.destroy(name)
    told = [f"actor {name!r} {what}" for what in ("started", f"is public at {where}", "ended")]
    pattern = ".*".join(map(re.escape, told))
    until(lambda: re.search(pattern, cluster.errors(), re.DOTALL))
