"""Those who connect and do not do as they should, by mistake or malice; other versions, other keys."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket as blocking
from functools import partial
from typing import NamedTuple

import gevent
import pytest
from gevent import socket

import stractory
from stractory.net import process
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.proof import handshake, keys
from stractory.proof.admission import USUAL
from stractory.proof.dial import dial
from stractory.proof.handshake import Credential
from stractory.wire.dialling import Dial, encode_dial
from stractory.wire.frames import DATA, GO_AWAY, SYN, header
from tests.factory.test_factory import exchange, host_port
from tests.support.actors import echo
from tests.support.cluster import Cluster, until
from tests.support.faults import descriptors, let_pass, resident
from tests.support.green import green_until
from tests.support.tickets import located


def adder(options):
    return {"add": lambda a, b: a + b}


class Victim(NamedTuple):
    """What strangers connect to, where that is, and the pid of its process; what a client proves there."""

    purpose: str
    where: str
    pid: int
    credential: Credential


@pytest.fixture(params=["registry", "worker"])
def victim(request, breakable, strac):
    """One of them; an actor is there too."""
    info = strac.create("a", stractory.rpc(adder))
    ring = keys.load(breakable.key_file)
    if request.param == "registry":
        return Victim("registry", breakable.address, breakable.registry.pid, ring.credential(keys.OPERATOR))
    pid = next(each.pid for each in strac.workers() if each.address == info.worker)
    return Victim("worker", info.worker, pid, located(ring, "a", info.epoch))


def serves(cluster):
    """Whether a client that comes now gets in, and can use the actor."""
    with cluster.client() as good:
        return good.get("a").add(1, 2) == 3


def told(cluster, *texts):
    return [line for line in cluster.errors().splitlines() if all(text in line for text in texts)]


def recorded(cluster):
    return [json.loads(line) for line in (cluster.folder / "registry/audit.log").read_text().splitlines()]


def client_key(cluster, name):
    """A key file that proves the role client alone."""
    path = cluster.folder / f"{name}.key"
    path.touch(mode=0o600)
    path.write_text(keys.load(cluster.key_file).keys[0].derive(keys.CLIENT, name).as_line())
    return path


OPENED = header(DATA, SYN, 1, 100) + encode_dial(Dial("registry"))
BREAKING = {
    "oversize": header(DATA, SYN, 1, 1 << 31),
    "version": b"\x09" + header(DATA, SYN, 1, 0)[1:],
    "type": header(GO_AWAY + 1, 0, 0, 0),
    "no such stream": header(DATA, 0, 77, 0),
    "no dial header": header(DATA, SYN, 1, 4) + b"\x00\x02\xc1\xc1",
    "window": b"".join(header(DATA, flags, 1, 1 << 18) + bytes(1 << 18) for flags in (SYN, 0)),
}


@pytest.mark.parametrize("bytes", BREAKING.values(), ids=BREAKING.keys())
def test_frames_that_break_the_rules(breakable, victim, bytes):
    """Row 26."""
    purpose, where, pid, credential = victim
    open_before, memory = descriptors(pid), []
    for _ in range(2):  # the memory that it takes for the first ones it uses for all
        for _ in range(20):
            with socket.create_connection(host_port(where), timeout=20) as sock:
                handshake.prove_to_server(sock, purpose, credential)
                with contextlib.suppress(ConnectionError):
                    sock.sendall(bytes)
                    while sock.recv(65536):
                        pass
        green_until(lambda: descriptors(pid) <= open_before)
        assert serves(breakable)
        memory.append(resident(pid))
    assert memory[1] - memory[0] < 2 << 20


def test_frames_that_are_cut_and_frames_that_drip(breakable, victim):
    """Row 26: of who sends slowly or leaves, no more is kept than what came."""
    purpose, where, pid, credential = victim
    open_before, memory_before = descriptors(pid), resident(pid)
    with contextlib.ExitStack() as stack:
        for size in (3, 20, 60, len(OPENED)) * 25:
            sock = stack.enter_context(socket.create_connection(host_port(where), timeout=20))
            handshake.prove_to_server(sock, purpose, credential)
            for byte in OPENED[:size]:
                sock.sendall(b"%c" % byte)
        assert descriptors(pid) >= open_before + 100
        assert serves(breakable)
    green_until(lambda: descriptors(pid) <= open_before)
    assert resident(pid) - memory_before < 8 << 20


MALFORMED = {
    "never": b"\xc1",
    "number": b"\x07",
    "deep": b"\x91" * 100_000,
    "huge map": b"\xdf\xff\xff\xff\xff",
    "huge text": b"\xdb\xff\xff\xff\xff",
    "huge extension": b"\xc9\xff\xff\xff\xff\x00",
    "no such message": b"\x92\x63\x00",
    "call without a method": b"\x95\x01\x01\x07\x90\x80",
}


@pytest.mark.parametrize("bytes", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("service", ["registry", "worker", "actor"])
def test_malformed_messages(breakable, strac, service, bytes):
    """Row 27; those to zerorpc are in tests/actors/test_zerorpc_port.py."""
    info = strac.create("a", stractory.rpc(adder))
    where = breakable.address if service == "registry" else info.worker
    purpose = "registry" if service == "registry" else "worker"
    ring = keys.load(breakable.key_file)
    there = located(ring, "a", info.epoch)
    wanted = Dial("actor", "a", info.epoch, there.ticket) if service == "actor" else Dial(service)
    credential = ring.credential(keys.OPERATOR) if service == "registry" else there
    link = dial(address(where), purpose, credential)
    for _ in range(10):
        stream = link.open(wanted, label="stranger")
        stream.settimeout(20)
        stream.wait_accepted()
        stream.sendall(bytes)
        if bytes[0] in b"\xdf\xdb\xc9":  # so far it might become one
            stream.close()
            continue
        with contextlib.suppress(ConnectionError):
            while stream.recv(65536):
                pass
    assert link.usable
    link.close()
    assert serves(breakable)


def a_life(name="evil", epoch=1, since=1.0):
    return [[name, "rpc", epoch, since, b"", False, [False, "never", "none", False]], "running"]


MACHINE = process.own().machine
UNTRUE = {
    "id": {"id": 5},
    "empty id": {"id": b""},
    "address": {"address": None},
    "runtime": {"runtime": [1]},
    "lines": {"runtime": "any\nERROR a line of its own"},
    "parent": {"parent": [1]},
    "pid": {"process": [MACHINE, "\0", 1]},
    "path": {"process": [MACHINE, "sys/kernel/../../self", 1]},
    "machine": {"process": [None, 1, 1]},
    "epoch": {"reports": [a_life(epoch=2**64 - 1)]},
    "negative epoch": {"reports": [a_life(epoch=-1)]},
    "since": {"reports": [a_life(since=float("nan"))]},
    "name": {"reports": [a_life("x" * 1000)]},
}


def test_a_worker_that_says_what_cannot_be(tmp_path):
    """Row 36: nothing of it is believed, kept, or told to others."""
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create("a", stractory.rpc(adder))
        credential = keys.load(cluster.key_file).credential(keys.NODE)
        for wrong in UNTRUE.values():
            said = {
                "id": b"worker",
                "address": "127.0.0.1:1",
                "process": list(process.own()),
                "runtime": "any",
                "reports": [a_life()],
                "parent": b"",
                **wrong,
            }
            with contextlib.closing(
                dial(address(cluster.address), "registry", credential, lambda link, stream, dial: None)
            ) as link:
                stream = link.open(Dial("registry"), label="registry")
                stream.wait_accepted()
                with pytest.raises((stractory.ProtocolError, stractory.InvalidName)):
                    Calls(stream).call("register", *said.values(), call_timeout=10)
        assert [info.name for info in strac.list()] == ["a"]
        cluster.restart_registry()
        strac.create("b", stractory.rpc(adder))
        assert strac.get("a").add(1, 2) == strac.get("b").add(1, 2) == 3
        assert "Traceback" not in cluster.errors()


def test_thousands_of_silent_connections(breakable, victim):
    """Row 28: who has the key gets in meanwhile, and no more than so many stay."""
    _, where, pid, _ = victim
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    open_before = descriptors(pid)
    silent = []
    try:
        for number in range(min(10_000, hard - 500)):
            silent.append(blocking.create_connection(host_port(where)))
            if number % 2000 == 1999:
                assert serves(breakable)
        assert serves(breakable)
        assert descriptors(pid) <= open_before + USUAL.unproved
        silent[-1].recv(65536)  # the greeting
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):  # and not the end: it was there all the time
            silent[-1].recv(1)
    finally:
        for sock in silent:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: descriptors(pid) <= open_before)
    assert len(told(breakable, "too many others came")) < 20  # each process says so at most once in 10 s


def drip(sock, data):
    """A byte a second, until the other side ends the connection."""
    ended = gevent.spawn(lambda: list(iter(partial(sock.recv, 100), b"")))
    for byte in data:
        sock.sendall(b"%c" % byte)
        let_pass(1)
        if ended.ready():
            return
    raise AssertionError("it was waited for")


def test_who_drips_is_dropped(breakable, strac):
    """Row 28: at each door, an own port too."""
    info = strac.create("a", echo)
    with contextlib.ExitStack() as stack:
        dripping = []
        for where in (breakable.address, info.worker, strac.endpoint("a").removeprefix("tcp://")):
            sock = stack.enter_context(socket.create_connection(host_port(where), timeout=20))
            dripping.append(gevent.spawn(drip, sock, b"STRC\x07\xd0" + bytes(10)))
        for task in dripping:
            task.get(timeout=40)


def test_wrong_keys_have_few_lines_in_the_log_and_each_one_in_the_record(tmp_path):
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        stranger = keys.load(tmp_path / "other.key", create=True).credential(keys.OPERATOR)
        (worker,) = strac.workers()
        for purpose, where in (("registry", cluster.address), ("worker", worker.address)):
            for _ in range(20):
                with pytest.raises(stractory.AuthError):
                    dial(address(where), purpose, stranger)
            until(lambda purpose=purpose: told(cluster, f"{purpose}: connection from"))
            assert len(told(cluster, f"{purpose}: connection from")) == 1
        until(lambda: len(recorded(cluster)) == 20)
        assert {(line["event"], line["outcome"]) for line in recorded(cluster)} == {("proof", "AuthError")}


def test_who_creates_and_who_may_not_is_recorded():
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        info = strac.create("a", echo)
        with cluster.client(key_file=client_key(cluster, "bob")) as bob:
            with pytest.raises(
                stractory.ForbiddenRole, match="needs the role operator; 'bob' proved the role client"
            ):
                bob.destroy("a")
            with pytest.raises(stractory.ForbiddenRole):
                bob.create("b", echo)
        with pytest.raises(stractory.ActorExists):
            strac.create("a", echo)
        strac.destroy("a")
        until(lambda: len(recorded(cluster)) >= 6)
        lines = recorded(cluster)
        assert [(line["event"], line["name"], line["outcome"]) for line in lines] == [
            ("create", "a", "ok"),
            ("destroy", "a", "ForbiddenRole"),
            ("define", None, "ForbiddenRole"),
            ("create", "b", "ForbiddenRole"),
            ("create", "a", "ActorExists"),
            ("destroy", "a", "ok"),
        ]
        assert {line["by"]["name"] for line in lines} == {"bob", lines[0]["by"]["name"]}
        for line in (lines[0], lines[-1]):
            assert (line["worker"], line["epoch"], line["kind"]) == (info.worker, info.epoch, "stream")
        assert len(told(cluster, "client bob at", "was refused")) == 1  # of a kind


def test_the_record_may_be_elsewhere_or_nowhere(tmp_path):
    for setting, where in ((tmp_path / "record", tmp_path / "record"), ("none", None)):
        with Cluster(workers=1, registry_arguments=[f"--audit-log={setting}"]) as cluster:
            with cluster.client() as strac:
                strac.create("a", echo)
            assert cluster.registry.end() == 0  # and what waited is written
            cluster.registry = None
            assert not (cluster.folder / "registry/audit.log").exists()
            if where is not None:
                assert [json.loads(line)["name"] for line in where.read_text().splitlines()] == ["a"]


def test_one_link_too_many():
    """Operators have the last sixteenth; who is refused is told so at once."""
    limits = ["--links-limit=16"]
    with Cluster(workers=1, registry_arguments=limits, pool_arguments=limits) as cluster:
        with cluster.client() as strac, contextlib.ExitStack() as stack:
            info = strac.create("a", stractory.rpc(adder))
            key_file = client_key(cluster, "bob")

            def bob():
                return stack.enter_context(cluster.client(key_file=key_file))

            first = bob()
            there = located(keys.load(cluster.key_file), "a", info.epoch)
            open = [dial(address(info.worker), "worker", there) for _ in range(14)]
            assert first.get("a").add(1, 2) == 3
            with pytest.raises(
                stractory.WorkerFull, match=f"worker {info.worker} has its 16 links; close some"
            ):
                bob().get("a", timeout=20)
            assert first.get("a").add(1, 2) == 3
            assert strac.get("a").add(1, 2) == 3  # the last one of all
            with pytest.raises(stractory.WorkerFull):
                stack.enter_context(cluster.client()).get("a", timeout=20)
            open.pop().close()
            open.pop().close()

            def gets_in():
                with contextlib.suppress(stractory.WorkerFull):
                    return bob().get("a", timeout=20).add(1, 2) == 3

            green_until(gets_in)
            for link in open:
                link.close()
            credential = keys.load(key_file).credential(keys.CLIENT)
            more = [dial(address(cluster.address), "registry", credential) for _ in range(16)]
            where = re.escape(cluster.address)
            full = rf"^no link to the registry: registry {where} has its 16 links; close some"
            with pytest.raises(stractory.RegistryUnavailable, match=full):
                bob().list(timeout=20)
            for link in more:
                link.close()
        assert "Traceback" not in cluster.errors()


def test_who_is_one_too_many_and_says_nothing_is_let_go():
    with Cluster(workers=1, pool_arguments=["--links-limit=1"]) as cluster, cluster.client() as strac:
        there = located(keys.load(cluster.key_file), "a", 1)
        (worker,) = strac.workers()
        first, second = (dial(address(worker.address), "worker", there) for _ in range(2))
        green_until(lambda: second.ended)
        assert first.usable
        first.close()


@pytest.mark.parametrize("role", [keys.CLIENT, keys.OPERATOR])
def test_a_message_that_is_too_large_for_its_role(role):
    limits = ["--client-message-limit=64K", "--operator-message-limit=128K"]
    most = {keys.CLIENT: 65536, keys.OPERATOR: 131072}[role]
    with Cluster(workers=0, registry_arguments=limits) as cluster:
        key_file = client_key(cluster, "bob") if role == keys.CLIENT else cluster.key_file
        with cluster.client(key_file=key_file) as client:
            waiting = gevent.spawn(client.wait, "never", timeout=60)
            with pytest.raises(stractory.InvalidName):  # it has come, and is no pattern of names
                client.list("x" * (most - 100))
            with pytest.raises(ValueError, match=rf"at most {most} can be sent \(client-message-limit"):
                client.list("x" * most)
            assert client.list() == []
            assert not waiting.ready()  # nothing else was lost by it
            waiting.kill()
        # One that does not keep to what it was told:
        link = dial(address(cluster.address), "registry", keys.load(key_file).credential(role))
        stream = link.open(Dial("registry"), label="registry")
        assert stream.wait_accepted() == most
        with pytest.raises(stractory.StreamReset):
            Calls(stream).call("list", "x" * most, call_timeout=20)
        assert link.usable
        link.close()
        assert told(cluster, f"a message is over the limit of {most} bytes")


def test_another_version_of_the_wire(breakable, monkeypatch):
    """Row 29; other versions of Python and dill are in tests/factory and tests/actors/test_code.py."""
    monkeypatch.setattr(handshake, "VERSION", 2)
    with (
        breakable.client() as newer,
        pytest.raises(stractory.VersionMismatch, match="version 1 instead of 2"),
    ):
        newer.list()


def test_another_key(breakable, victim, tmp_path):
    """Row 31."""
    purpose, where, *_ = victim
    stranger = keys.load(tmp_path / "other.key", create=True).credential(keys.OPERATOR)
    with pytest.raises(stractory.AuthError, match=r"other\.key"):
        dial(address(where), purpose, stranger)
    assert serves(breakable)


def test_a_key_is_replaced_by_another(tmp_path):
    """Row 31: all accept both before anybody uses the new one, and nobody is dropped."""
    keys.write_new(tmp_path / "new.key")
    with Cluster(workers=0) as cluster:  # it has made the old key, and starts with that
        files = {"old": cluster.key_file.read_text(), "new": (tmp_path / "new.key").read_text()}
        cluster.key_file.write_text(files["old"] + files["new"])
        cluster.restart_registry()
        worker = cluster.daemon("stractory-worker", "--listen=127.0.0.1:0", f"--registry={cluster.address}")
        try:
            worker.wait_line("stractory worker ready")
            with cluster.client() as strac:
                info = strac.create("a", echo)
                stream = strac.connect("a")
                cluster.key_file.write_text(files["new"] + files["old"])
                cluster.restart_registry()
                for name, text in files.items():
                    alone = tmp_path / f"{name}-alone.key"
                    alone.touch(mode=0o600)
                    alone.write_text(text)
                    with cluster.client(key_file=alone) as client:
                        until(lambda client=client: client.list() == [info])
                        assert exchange(client.get("a")) == b"hello"
                assert exchange(stream) == b"hello"
        finally:
            assert worker.end() == 0
