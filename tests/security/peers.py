"""Those who listen where somebody else is expected: they relay, pose, or say nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import gevent
import msgpack
from gevent import socket
from gevent.server import StreamServer

from tests.factory.test_factory import host_port
from tests.security.guarded import hear, mac, say

Serve = Callable[[Any, bytearray], None]


class Impostor:
    """Listens at ``where``, and has each connection served by ``serve(sock, heard)``.

    ``heard``: all that it was told.
    """

    def __init__(self, serve: Serve, where: str = "127.0.0.1:0") -> None:
        self._serve = serve
        self._server = StreamServer(host_port(where), self._handle)
        self.heard = bytearray()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self._server.address)

    def _handle(self, sock: Any, peer: Any) -> None:
        with contextlib.suppress(OSError, EOFError), sock:
            self._serve(sock, self.heard)

    def __enter__(self) -> Impostor:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()


def relaying(where: str) -> Serve:
    """A man in the middle, who passes on all bytes as they are."""

    def serve(sock: Any, heard: bytearray) -> None:
        with socket.create_connection(host_port(where), timeout=20) as there:
            gevent.joinall([gevent.spawn(_copy, *ends) for ends in ((sock, there), (there, sock))])

    return serve


def _copy(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


Answer = Callable[[bytes, bytes], bytes]
"""What an impostor says after its own greeting and the dialler's proof, each as msgpack."""


def posing(purpose: str, answer: Answer, *, greeting: bytes = b"", then: bytes = b"") -> Serve:
    """One that greets as what listens for ``purpose`` does, answers, and goes on as if that were true."""

    def serve(sock: Any, heard: bytearray) -> None:
        greets = greeting or msgpack.packb({"v": 1, "p": purpose, "n": os.urandom(32)})
        say(sock, greets)
        proof = hear(sock)
        heard += proof
        say(sock, answer(greets, proof))
        sock.sendall(then)
        while more := sock.recv(65536):
            heard += more

    return serve


def refuse(greeting: bytes, proof: bytes) -> bytes:
    return msgpack.packb({"e": "denied"})


def guess(greeting: bytes, proof: bytes) -> bytes:
    return msgpack.packb({"m": os.urandom(32)})


def reflect(greeting: bytes, proof: bytes) -> bytes:
    return msgpack.packb({"m": msgpack.unpackb(proof)["m"]})


def knowing(secret: bytes, where: Callable[[], str]) -> Answer:
    """The answer of one that is no impostor, for it knows the secret. ``where`` it listens."""

    def answer(greeting: bytes, proof: bytes) -> bytes:
        said = msgpack.unpackb(proof)
        transcript = mac(b"transcript", greeting, said["h"], f"plain|{where()}".encode())
        return msgpack.packb({"m": mac(secret, b"server", transcript, said["m"])})

    return answer
