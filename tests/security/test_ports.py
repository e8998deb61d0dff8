"""What listens, and where; and strangers at each kind of port: those who say nothing, or something else."""

from __future__ import annotations

import contextlib
import os
import resource
import socket as blocking
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from gevent import socket

import stractory
from stractory.proof import keys
from stractory.wire.dialling import Dial
from tests.factory.test_factory import exchange, host_port
from tests.security.guarded import Guarded, calls, prove_by_hand
from tests.security.test_secrets import family
from tests.support.actors import echo, multicast
from tests.support.cluster import POOL_READY, Cluster
from tests.support.faults import descriptors
from tests.support.green import green_until

adder = stractory.rpc(lambda options: {"add": lambda a, b: a + b})

LISTEN = "0A"
"""As the kernel spells the state of a TCP socket that listens."""


def listening(pid: int) -> Iterator[tuple[str, int]]:
    """The addresses at which a process listens, or takes datagrams, by the kernel's tables."""
    own = set()
    for number in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            own.add(os.readlink(number).removeprefix("socket:[").removesuffix("]"))
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in own and (fields[3] == LISTEN or table.startswith("udp")):
                host, port = fields[1].split(":")
                words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
                yield str(ip_address(b"".join(words))), int(port, 16)


def everywhere(cluster: Cluster) -> set[tuple[str, int]]:
    """Where any process of it listens."""
    assert cluster.registry is not None and cluster.pool is not None
    pids = [pid for daemon in (cluster.registry, cluster.pool) for pid in family(daemon.pid)]
    found = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            found |= set(listening(pid))
    return found


@pytest.fixture(scope="module")
def usual() -> Iterator[Cluster]:
    """One of whose addresses nothing is said but the ports, so that tests can run beside each other."""
    with Cluster(workers=0) as cluster:
        cluster.kill_registry()
        cluster._start_registry("0")
        cluster.pool = cluster.daemon("stractory-workers", "--workers=2", f"--registry={cluster.address}")
        cluster.pool.wait_line(POOL_READY)
        yield cluster


def test_the_usual_start_listens_on_loopback_alone(usual: Cluster) -> None:
    """Also with ports of every sort."""
    assert len(everywhere(usual)) == 3
    with usual.client() as strac:
        for public in (False, True):
            for isolate in (False, True):
                terms = {"public": public, "isolate": isolate}
                strac.create(f"stream {terms}", echo, **terms)
                strac.create(f"rpc {terms}", adder, **terms)
                strac.create(f"emitter {terms}", stractory.eventemitter(multicast), **terms)
                strac.create(f"spawn {terms}", stractory.spawn("cat"), **terms)
        own = {host_port(strac.endpoint(info.name)) for info in strac.list()}
        found = everywhere(usual)
        assert own < found and len(own) == 16
        assert len(found) == 3 + 16 + 8  # and each isolated one has a worker
        assert {host for host, _ in found} == {"127.0.0.1"}
        for info in strac.list():
            strac.destroy(info.name)
        green_until(lambda: len(everywhere(usual)) == 3)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_nothing_listens_beyond_loopback_in_plain_text_unless_told(
    guarded: Guarded, program: str, listen: str
) -> None:
    registry = ["--data-dir=none"] if program == "stractory" else [f"--registry={guarded.address}"]
    path = guarded.cluster.key_file if program == "stractory" else guarded.key_file(keys.NODE, "node3")
    daemon = guarded.cluster.daemon(program, f"--listen={listen}", f"--key-file={path}", *registry)
    assert daemon.join() == 1
    assert guarded.told(listen.removesuffix(":0"), "beyond loopback, in plain text", "tls = auto")


@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_nothing_listens_beyond_loopback_without_a_key(
    guarded: Guarded, program: str, tmp_path: Path
) -> None:
    """None is made: it would be one that nobody else has."""
    path = tmp_path / "none.key"
    said = ["--listen=0.0.0.0:0", "--insecure-plaintext", f"--key-file={path}"]
    assert guarded.cluster.daemon(program, *said).join() == 1
    assert guarded.told(f"no key file at {path}") and not path.exists()


# ---- strangers -------------------------------------------------------------------------------------------

PORTS = ("registry", "worker", "stream", "emitter", "rpc", "public rpc")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def besieged(request: pytest.FixtureRequest) -> Iterator[tuple[Guarded, dict[str, str]]]:
    """A cluster, and where each kind of its ports is."""
    with Guarded(["node1"], tls=request.param) as guarded, guarded.client() as strac:
        strac.create("stream", echo)
        strac.create("emitter", stractory.eventemitter(multicast))
        strac.create("rpc", adder)
        strac.create("public rpc", adder, public=True)
        own = {info.name: strac.endpoint(info.name).removeprefix("tcp://") for info in strac.list()}
        (worker,) = strac.workers()
        yield guarded, {"registry": guarded.address, "worker": worker.address, **own}


def check_serves(guarded: Guarded) -> None:
    """Whether a client that comes now gets in everywhere."""
    with guarded.client(keys.CLIENT, "bob") as bob:
        for direct in (False, True):
            with bob.connect("stream", direct=direct) as stream:
                assert exchange(stream) == b"hello"
            for name in ("rpc", "public rpc"):
                with bob.connect(name, direct=direct) as client:
                    assert client.add(1, 2) == 3


CLIENT_HELLO = bytes.fromhex(
    "16030100750100007103030123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0000021301"
    "010000460000000e000c0000096c6f63616c686f7374002b0003020304000d0006000404030804000a00040002001d"
    "00330026002400"
)
"""How TLS begins."""

SAID = {
    "HTTP": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n",
    "TLS": CLIENT_HELLO.ljust(512, b"\0"),
    "pickle": b"\x80\x04\x95" + bytes(200),
    "nothing": b"",
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("port", PORTS)
def test_who_speaks_something_else_is_gone_soon(
    besieged: tuple[Guarded, dict[str, str]], port: str, said: bytes
) -> None:
    guarded, where = besieged
    with socket.create_connection(host_port(where[port]), timeout=20) as sock:
        with contextlib.suppress(OSError):  # it may be gone even before
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while sock.recv(65536):
                pass
    check_serves(guarded)
    assert not guarded.told("Traceback")
    level = "WARNING" if said else "INFO"
    if port in ("registry", "worker"):
        assert guarded.told(level, f"{port}: connection from 127.0.0.1:", "ended: ")
    elif "rpc" not in port:
        assert guarded.told(level, f"actor {port!r}: connection from 127.0.0.1:", "ended: ")


@pytest.mark.parametrize("port", PORTS)
def test_a_crowd_that_says_nothing_keeps_nobody_out(
    besieged: tuple[Guarded, dict[str, str]], port: str
) -> None:
    """Those at registry and worker are in tests/faults/test_strangers.py; these are fewer."""
    guarded, where = besieged
    pids = [daemon.pid for daemon in guarded.daemons]
    before = [descriptors(pid) for pid in pids]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(min(2000, hard - 500)):
            sock = stack.enter_context(blocking.socket())
            sock.setblocking(False)  # those for whom the kernel has no room just now come later
            sock.connect_ex(host_port(where[port]))
        check_serves(guarded)
        if "rpc" not in port:  # those are ZeroMQ's, which counts nobody
            assert all(descriptors(pid) < most + 400 for pid, most in zip(pids, before, strict=True))
    green_until(lambda: all(descriptors(pid) < most + 100 for pid, most in zip(pids, before, strict=True)))


# ---- what is told of those who are refused ---------------------------------------------------------------


def test_each_refusal_is_told_with_who_and_why() -> None:
    """The first of each kind at once; the others are counted (tests/net/test_seldom.py)."""
    with Guarded(["node1"]) as guarded, guarded.client() as strac:
        strac.create("a", echo)
        place, eves = guarded.look_up("a"), guarded.look_up("a", who="eve")
        own = strac.endpoint("a").removeprefix("tcp://")
        bob = guarded.key(keys.CLIENT, "bob")
        for name, where, claim in (
            ("registry", guarded.address, bob.claim),
            ("worker", place.info.worker, place.claim),
            ("actor 'a'", own, place.claim),
        ):
            prove_by_hand(where, claim, bytes(32))
            told = f"WARNING {name}: connection from 127.0.0.1:"
            green_until(lambda told=told: guarded.told(told, "ended: a peer failed the proof"))
        with guarded.link(eves, place.info.worker, "worker") as link:
            stream = link.open(Dial("actor", "a", place.info.epoch, place.ticket), "stolen")
            with pytest.raises(stractory.AuthError):
                stream.wait_accepted()
            told = (
                f"worker: client eve at 127.0.0.1:{link.own_address[1]} was refused: ",
                "for the client bob",
            )
            green_until(lambda: guarded.told("WARNING", *told))
        with guarded.link(bob) as link:
            with pytest.raises(stractory.ForbiddenRole):
                calls(link).call("destroy", "a", call_timeout=10)
            told = (
                f"registry: client bob at 127.0.0.1:{link.own_address[1]} was refused: ",
                "the role operator",
            )
            green_until(lambda: guarded.told("WARNING", *told))
