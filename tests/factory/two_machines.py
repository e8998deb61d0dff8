"""A factory on two machines that are joined by a cable. test_tls.py runs it in a network of its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import gevent
import pytest

import stractory
from stractory.proof import keys
from tests.factory.test_factory import exchange, host_port
from tests.support.actors import echo
from tests.support.cluster import REGISTRY_READY, Cluster, Daemon
from tests.support.network import Neighbour

SECRET = b"the secret that nobody on the way may read"


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    with Neighbour() as neighbour:
        yield neighbour


@contextlib.contextmanager
def factory(neighbour: Neighbour, setting: str, *of_worker: str) -> Iterator[tuple[stractory.Client, Daemon]]:
    """A registry here, a worker there, with this setting, and a client here."""
    cluster = Cluster(workers=0)
    keys.load(cluster.key_file, create=True)  # nobody makes one that listens beyond loopback
    cluster.registry = cluster.daemon("stractory", f"--listen={neighbour.here}:0", setting)
    with contextlib.closing(cluster):
        cluster.address = cluster.registry.wait_line(REGISTRY_READY).removeprefix(REGISTRY_READY)
        worker = cluster.daemon(
            "stractory-worker",
            f"--listen={neighbour.there}:0",
            f"--registry={cluster.address}",
            setting,
            *of_worker,
            inside=neighbour.inside,
        )
        try:
            worker.wait_line("stractory worker ready")
            with cluster.client() as strac:
                yield strac, worker
        finally:
            assert worker.end() == 0


def heard_on_the_way(neighbour: Neighbour, strac: stractory.Client) -> bytes:
    """What passes over the cable while actors are made and used."""
    heard = bytearray()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
        tap.bind((neighbour.cable, 0))
        tap.setblocking(False)
        strac.create("a", echo, options={"secret": SECRET})
        strac.create("isolated", echo, isolate=True)
        for name in ("a", "isolated"):
            for direct in (False, True):
                with strac.connect(name, direct=direct) as stream:
                    stream.sendall(SECRET)
                    assert stream.recv(1000) == SECRET
        strac.create("rpc", stractory.rpc(lambda options: {"same": lambda x: x}))
        for direct in (False, True):
            with strac.connect("rpc", direct=direct) as client:
                assert client.same(SECRET) == SECRET
        gevent.idle()
        with contextlib.suppress(BlockingIOError):
            while True:
                heard += tap.recv(65536)
    return bytes(heard)


def test_nobody_on_the_way_reads_it(neighbour: Neighbour) -> None:
    with factory(neighbour, "--tls=auto") as (strac, worker):
        heard = heard_on_the_way(neighbour, strac)
        assert SECRET not in heard and b"STRT" in heard
        assert "plain text" not in worker.errors.read_text()


def test_what_is_trusted_is_read_by_anybody(neighbour: Neighbour) -> None:
    with factory(neighbour, "--insecure-plaintext") as (strac, worker):
        heard = heard_on_the_way(neighbour, strac)
        assert SECRET in heard and b"STRC" in heard
        assert "plain text: anyone on the way" in worker.errors.read_text()


def test_a_public_port_is_plain_and_says_so(neighbour: Neighbour) -> None:
    with factory(neighbour, "--tls=auto", "--allow-public-actors=yes") as (strac, worker):
        strac.create("public", echo, public=True)
        with socket.create_connection(host_port(strac.endpoint("public")), timeout=20) as sock:
            assert exchange(sock) == b"hello"
        strac.create("rpc", stractory.rpc(lambda options: {"same": lambda x: x}), public=True)
        with strac.connect("rpc", direct=True) as client:
            assert client.same("hello") == "hello"
        for name in ("public", "rpc"):
            assert f"actor {name!r} listens at 10.9.0.2:" in worker.errors.read_text()
