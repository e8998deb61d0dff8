"""Whether somebody answers at an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import AsyncResult, Event

from stractory.errors import UnreachableError
from stractory.net.address import Address
from stractory.net.sockets import reset_at_close
from stractory.proof.probe import probe

LIMIT = 20.0


@contextmanager
def listening(answer: Callable[[Any], Any]) -> Iterator[Address]:
    """Where the next who connects is answered so."""

    def serve() -> None:
        with listener.accept()[0] as sock:
            answer(sock)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        answering = gevent.spawn(serve)
        yield Address(*listener.getsockname())
        answering.kill()


@pytest.mark.parametrize("word", [b"STRC\0\1x", b"STRT\0\0"])
def test_one_who_answers(word: bytes) -> None:
    with listening(lambda sock: sock.sendall(word)) as address:
        assert 0 < probe(address, LIMIT) < LIMIT


def test_the_other_side_sees_an_end_and_no_reset() -> None:
    seen: AsyncResult[bytes] = AsyncResult()

    def greet(sock: Any) -> None:
        sock.sendall(b"STRC\0\x46" + bytes(70))
        seen.set(sock.recv(1))

    with listening(greet) as address:
        probe(address, LIMIT)
        assert seen.get(timeout=LIMIT) == b""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda sock: sock.sendall(b"HTTP/1.1"), "is no stractory"),
        (lambda sock: None, "is no stractory"),
        (reset_at_close, "broke off: Connection reset by peer"),
        (lambda sock: Event().wait(), r"did not answer within 0\.2 s"),
    ],
    ids=["another", "closed", "reset", "silent"],
)
def test_others(answer: Callable[[Any], Any], told: str) -> None:
    with listening(answer) as address, pytest.raises(UnreachableError, match=told):
        probe(address, 0.2 if "within" in told else LIMIT)


def test_nobody() -> None:
    with pytest.raises(UnreachableError, match="nobody answers at"):
        probe(Address("127.0.0.1", 1), LIMIT)
