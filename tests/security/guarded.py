"""A cluster as docs/security.md wants it, and what somebody says who speaks to its ports by hand."""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
from gevent import socket

import stractory
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.proof.handshake import Credential
from stractory.wire.dialling import Dial
from stractory.wire.info import Location
from stractory.worker.pool import READY
from tests.factory.test_factory import host_port
from tests.support.actors import echo
from tests.support.cluster import Cluster, Daemon

ROOT = Path(__file__).resolve().parents[2]
UNTITLED = ROOT / "tests/support/untitled"
NODES = ("node1", "node2")

DENIED, STALE = {"e": "denied"}, {"e": "stale"}
"""All that who is refused is told."""


class Guarded:
    """A registry that has the master key, and workers that have no key but one of their own, each another.

    With ``tls`` all of them use it.
    """

    def __init__(
        self,
        nodes: Sequence[str] = NODES,
        *,
        tls: bool = False,
        registry_arguments: Sequence[str] = (),
        worker_arguments: Sequence[str] = (),
    ) -> None:
        both = ["--log-level=debug", f"--tls={'auto' if tls else 'no'}"]
        self.cluster = Cluster(workers=0, registry_arguments=[*both, *registry_arguments])
        self.cluster.env["PYTHONPATH"] = f"{UNTITLED}:{ROOT}"
        self.workers: dict[str, Daemon] = {}
        self._nodes = nodes
        self._worker_arguments = [*both, *worker_arguments]

    @property
    def address(self) -> str:
        return self.cluster.address

    @property
    def daemons(self) -> list[Daemon]:
        assert self.cluster.registry is not None
        return [self.cluster.registry, *self.workers.values()]

    def __enter__(self) -> Guarded:
        self.cluster.start()
        self.master = keys.load(self.cluster.key_file).keys[0]
        for node in self._nodes:
            self.workers[node] = self.start_worker(self.key_file(keys.NODE, node))
        return self

    def start_worker(self, key_file: Path, registry: str = "") -> Daemon:
        """Another worker, which has this key; whoever starts it here ends it."""
        self.cluster.env["STRACTORY_KEY_FILE"] = str(key_file)
        where = ["--listen=127.0.0.1:0", f"--registry={registry or self.address}"]
        worker = self.cluster.daemon(
            "stractory-worker", *where, f"--working-dir={self.cluster.folder}", *self._worker_arguments
        )
        self.cluster.env["STRACTORY_KEY_FILE"] = str(self.cluster.key_file)
        if not registry:
            worker.wait_line(READY)
        return worker

    def __exit__(self, *error: object) -> None:
        try:
            assert [worker.end() for worker in self.workers.values()] == [0] * len(self.workers)
        finally:
            self.cluster.close()

    def key(self, role: str, name: str) -> keys.Key:
        return keys.load(self.key_file(role, name)).keys[0]

    def key_file(self, role: str, name: str) -> Path:
        """A file with the key of that role and name, and nothing else."""
        path = self.cluster.folder / f"{role}-{name}.key"
        with contextlib.suppress(FileExistsError):
            keys.write_key(path, self.master.derive(role, name))
        return path

    def client(self, role: str = keys.OPERATOR, name: str = "alice", **options: Any) -> stractory.Client:
        return self.cluster.client(**{"key_file": self.key_file(role, name), **options})

    @contextlib.contextmanager
    def link(self, credential: Credential, where: str = "", purpose: str = "registry") -> Iterator[Link]:
        """A proved link to the registry or whoever listens there."""
        link = dial(address(where or self.address), purpose, credential, lambda link, stream, dial: None)
        try:
            yield link
        finally:
            link.close()

    def look_up(self, name: str, role: str = keys.CLIENT, who: str = "bob") -> Location:
        """What the registry tells that one of an actor, ticket and secret too."""
        with self.link(self.key(role, who)) as link:
            (row,) = calls(link).call("lookup", [name], call_timeout=10)
        return Location.from_wire(row)

    def told(self, *words: str) -> list[str]:
        """The lines of the logs that have all the words."""
        lines = self.cluster.errors().splitlines()
        return [line for line in lines if all(word in line for word in words)]


def calls(link: Link, service: str = "registry") -> Calls:
    """Calls to a service at the other end of a link. Raises what refuses the stream."""
    stream = link.open(Dial(service), label=service)
    stream.settimeout(20)
    stream.wait_accepted()
    return Calls(stream)


def create_apart(strac: stractory.Client, name: str) -> tuple[str, str]:
    """The names of two echoes on two workers."""
    infos = []
    while len({info.worker for info in infos}) < 2:
        infos.append(strac.create(f"{name}.{len(infos)}", echo))
    return infos[0].name, infos[-1].name


# ---- by hand ---------------------------------------------------------------------------------------------


def mac(key: bytes, *parts: bytes) -> bytes:
    """As docs/protocol.md has it."""
    return hmac.digest(key, b"".join(len(part).to_bytes(4, "big") + part for part in parts), "sha256")


def read(sock: Any, size: int) -> bytes:
    """So many bytes. Raises EOFError."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError(data)
        data += more
    return data


def hear(sock: Any) -> bytes:
    """One message of the handshake, as msgpack. Raises EOFError."""
    head = read(sock, 6)
    assert head[:4] == b"STRC"
    return read(sock, int.from_bytes(head[4:], "big"))


def say(sock: Any, packed: bytes) -> None:
    """One message of the handshake."""
    sock.sendall(b"STRC" + len(packed).to_bytes(2, "big") + packed)


class ByHand:
    """A connection to a port that asks for the proof, from somebody who has only read docs/protocol.md.

    ``bound_to``: for which address the proof is made.
    """

    def __init__(self, where: str, bound_to: str = "") -> None:
        self.sock = socket.create_connection(host_port(where), timeout=20)
        self._bound_to = bound_to or where
        self.greeting = hear(self.sock)

    def proof(self, claim: Mapping[str, Any], secret: bytes) -> bytes:
        """What somebody says who makes this claim and knows this secret."""
        hello = msgpack.packb({**claim, "v": 1, "n": os.urandom(32)})
        transcript = mac(b"transcript", self.greeting, hello, f"plain|{self._bound_to}".encode())
        return msgpack.packb({"h": hello, "m": mac(secret, b"client", transcript)})

    def ask(self, said: bytes) -> dict[str, Any]:
        """The other side's answer to it."""
        say(self.sock, said)
        return msgpack.unpackb(hear(self.sock))

    def __enter__(self) -> ByHand:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()


def prove_by_hand(
    where: str, claim: Mapping[str, Any], secret: bytes, *, through: str = ""
) -> dict[str, Any]:
    """The answer to a claim and its proof, made for ``where`` but sent ``through`` another port."""
    with ByHand(through or where, bound_to=where) as peer:
        return peer.ask(peer.proof(claim, secret))
