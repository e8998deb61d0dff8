"""A whole factory in TLS: all kinds of actors, their own ports, deaths and restarts, and two machines."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

import pytest

import stractory
from stractory.clients.direct import DirectTlsStream
from stractory.net.trust import Trust
from stractory.worker import accusation
from tests.factory.test_factory import exchange, host_port, read_all
from tests.lasting.test_coming_back import counter
from tests.support import network
from tests.support.actors import echo, multicast
from tests.support.cluster import Cluster
from tests.support.green import green_until, next_event
from tests.support.tls import signed_by


@pytest.fixture(scope="module")
def secure():
    with Cluster(workers=2, tls=True) as cluster:
        yield cluster


@pytest.fixture
def strac(secure):
    with secure.client() as client:
        yield client


def announced(where):
    """What the one who listens there says first, in the clear."""
    with socket.create_connection(host_port(where), timeout=20) as sock:
        return sock.recv(6, socket.MSG_WAITALL)


def test_all_ports_that_ask_for_the_key_begin_with_tls(secure, strac, name):
    info = strac.create(name, echo)
    for where in (secure.address, info.worker, strac.endpoint(name)):
        assert announced(where) == b"STRT\0\0"


def test_strangers_who_do_not_go_on_with_tls_keep_nobody_out(secure):
    with contextlib.ExitStack() as stack:
        where = host_port(secure.address)
        strangers = [stack.enter_context(socket.create_connection(where, timeout=20)) for _ in range(300)]
        for stranger in strangers:
            with contextlib.suppress(ConnectionError):  # the oldest have to go
                stranger.recv(6, socket.MSG_WAITALL)
                stranger.sendall(b"\x16\x03\x01")
        with secure.client() as strac:
            strac.list()
        with contextlib.suppress(ConnectionError):
            assert strangers[0].recv(1) == b""


def test_streams(strac, name):
    strac.create(name, echo)
    for direct in (False, True):
        with strac.connect(name, direct=direct) as stream:
            assert exchange(stream) == b"hello"
            stream.shutdown(socket.SHUT_WR)
            assert read_all(stream) == b""
    assert isinstance(stream, DirectTlsStream) and stream.closed


def test_an_actor_that_ends_resets_its_own_port(strac, name):
    strac.create(name, echo)
    over = []
    stream = strac.connect(name, direct=True)
    stream.call_at_end(over.append)
    strac.destroy(name)
    with pytest.raises(ConnectionResetError):
        stream.recv(1)
    assert isinstance(over[0], ConnectionResetError)


def test_a_public_port_speaks_its_own_protocol(strac, name):
    strac.create(name, echo, public=True)
    with socket.create_connection(host_port(strac.endpoint(name)), timeout=20) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
    with strac.connect(name, direct=True) as stream:
        assert exchange(stream) == b"hello"


def test_rpc_with_callbacks(strac, name):
    strac.create(name, stractory.rpc(lambda options: {"apply": lambda function, x: function.call(x)}))
    assert strac.get(name).apply(lambda x: x + 1, 41) == 42


@pytest.mark.parametrize("direct", [False, True])
def test_eventemitters(strac, name, direct):
    strac.create(name, stractory.eventemitter(multicast))
    with strac.connect(name, direct=direct) as emitter:
        heard = next_event(emitter, "echo")
        emitter.emit("echo", "hello")
        assert heard.get(timeout=20) == "hello"


@pytest.mark.parametrize("direct", [False, True])
def test_child_processes(strac, name, direct):
    strac.create(name, stractory.spawn("cat"))
    with strac.connect(name, direct=direct) as stream:
        assert exchange(stream) == b"hello"


def test_an_isolated_actor_that_blocks(secure, strac, name):
    def thinker(options):
        def block():
            sum(range(20_000_000))
            return "through"

        return {"block": block}

    strac.create(name, stractory.rpc(thinker), isolate=True)
    blocked = strac.get(name).block.future()
    with secure.client() as another:  # its proof waits until then
        assert another.get(name).block() == "through"
    assert blocked.get(timeout=20) == "through"
    strac.create(f"{name}.echo", echo, isolate=True)
    with strac.connect(f"{name}.echo", direct=True) as stream:
        assert exchange(stream) == b"hello" and isinstance(stream, DirectTlsStream)


def test_what_comes_back_and_a_registry_that_is_restarted(secure, strac, name):
    strac.create(name, stractory.rpc(counter), restart="on-failure")
    handle = strac.get(name)
    assert handle.add() == 1
    os.kill(handle.pid(), signal.SIGKILL)
    green_until(lambda: handle.closed)
    assert handle.add() == 1
    secure.restart_registry()
    assert strac.get(name).add() == 2
    strac.create(f"{name}.after", echo)


# ---- who signs ---------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    """A CA, and a file with a certificate that it has signed and its key."""
    authority = signed_by(None)
    (tmp_path / "ca.pem").write_bytes(authority[0])
    (tmp_path / "server.pem").write_bytes(b"".join(signed_by(authority)))
    (tmp_path / "server.pem").chmod(0o600)
    (tmp_path / "other.pem").write_bytes(signed_by(None)[0])
    return tmp_path


def test_certificates_by_a_ca(site, name, monkeypatch):
    shown, asked = f"--tls={site / 'server.pem'}", f"--tls-ca={site / 'ca.pem'}"
    with Cluster(workers=1, registry_arguments=[shown], pool_arguments=[shown, asked]) as cluster:
        monkeypatch.setenv("STRACTORY_TLS_CA", str(site / "ca.pem"))
        with cluster.client() as strac:
            strac.create(name, stractory.rpc(asker), options={"name": name})
            assert strac.get(name).ask() == [name]  # its own client has the CA too
            strac.create(f"{name}.isolated", echo, isolate=True)
            assert exchange(strac.get(f"{name}.isolated")) == b"hello"
        accusation.tell(cluster.address, cluster.key_file, bytes(6), Trust(site / "ca.pem"))
        refused = pytest.raises(stractory.AuthError, match=r"its certificate is refused: .*issuer")
        with cluster.client(tls_ca=site / "other.pem") as stranger, refused:
            stranger.list()


def asker(options, context):
    return {"ask": lambda: [info.name for info in context.client.list(options["name"])]}


def test_a_worker_that_does_not_trust_the_registry(site, secure):
    worker = secure.daemon(
        "stractory-worker", "--listen=0", f"--registry={secure.address}", f"--tls-ca={site / 'ca.pem'}"
    )
    assert worker.join() == 1
    assert "its certificate is refused" in worker.errors.read_text()


@pytest.mark.parametrize("program", ["stractory", "stractory-worker"])
def test_a_file_that_is_not_there_is_one_line(program, site, secure):
    daemon = secure.daemon(program, "--listen=0", f"--tls={site / 'missing.pem'}")
    assert daemon.join() == 1
    told = f"{program}: there is no tls file {site / 'missing.pem'}: write no, auto, or the path of one\n"
    assert daemon.errors.read_text().endswith(told)


@pytest.mark.skipif(network.why_not() is not None, reason=f"no namespaces: {network.why_not()}")
def test_between_two_machines():
    run = network.start_inside("tests/factory/two_machines.py")
    output, _ = run.communicate()
    assert run.returncode == 0, output
