"""How many connections may be unproved at a time, and which of them go."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from stractory.errors import AuthError, LinkClosed
from stractory.net.address import Address
from stractory.net.listener import Listener
from stractory.proof.admission import ConnectionLimits, Unproved, source_of
from tests.support.green import green_until

LIMITS = ConnectionLimits(unproved=6, unproved_of_one=3)


class Sock:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Door:
    """Connections that are held until the test lets them go; ``ended``: why one was let go before."""

    def __init__(self, limits: ConnectionLimits = LIMITS) -> None:
        self.unproved = Unproved(limits)
        self.ended: dict[str, Exception] = {}
        self._proofs: dict[str, Event] = {}

    def come(self, name: str, host: str) -> Sock:
        sock, self._proofs[name] = Sock(), Event()
        gevent.spawn(self._hold, name, sock, host)
        gevent.idle()
        return sock

    def _hold(self, name: str, sock: Sock, host: str) -> None:
        try:
            with self.unproved.held(sock, (host, 1)):
                self._proofs[name].wait()
        except LinkClosed as error:
            self.ended[name] = error

    def prove(self, name: str) -> None:
        self._proofs[name].set()
        gevent.idle()


def test_of_one_source_the_oldest_goes() -> None:
    door = Door()
    other = door.come("other", "10.0.0.2")
    first, *rest = [door.come(str(number), "10.0.0.1") for number in range(4)]
    assert first.closed and not other.closed and not any(sock.closed for sock in rest)
    door.prove("0")
    assert "too many others came" in str(door.ended["0"])


def test_of_all_the_oldest_goes() -> None:
    door = Door()
    socks = [door.come(str(number), f"10.0.0.{number}") for number in range(7)]
    assert [sock.closed for sock in socks] == [True] + [False] * 6


def test_this_machine_is_no_source() -> None:
    door = Door()
    socks = [door.come(str(number), "127.0.0.1") for number in range(7)]
    assert [sock.closed for sock in socks] == [True] + [False] * 6


def test_who_has_proved_is_out_of_it() -> None:
    door = Door()
    socks = []
    for number in range(20):
        socks.append(door.come(str(number), "10.0.0.1"))
        door.prove(str(number))
    assert not door.ended and not any(sock.closed for sock in socks) and not len(door.unproved)


def test_a_failed_proof_is_told_as_such() -> None:
    unproved = Unproved(LIMITS)
    with pytest.raises(AuthError, match="wrong"), unproved.held(Sock(), ("10.0.0.1", 1)):
        raise AuthError("wrong")
    assert not len(unproved)


def test_zero_is_any_number() -> None:
    door = Door(ConnectionLimits(unproved=0, unproved_of_one=0))
    assert not any(door.come(str(number), "10.0.0.1").closed for number in range(60))


def test_they_have_a_quarter_of_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (8, 8))
    door = Door(ConnectionLimits())
    assert [door.come(str(number), "127.0.0.1").closed for number in range(3)] == [False] * 3
    assert len(door.unproved) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_what_is_one_source(one: str, other: str, same: bool) -> None:
    assert (source_of((one, 1, 0, 0)) == source_of((other, 2))) is same


def test_what_is_this_machine() -> None:
    assert {source_of((host, 1)) for host in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")} == {None}


@pytest.fixture
def greeting() -> Iterator[Callable[[], Any]]:
    """Connects to a listener that greets and then waits for a word; returns the socket, greeted."""
    unproved = Unproved(ConnectionLimits(unproved=2))

    def handle(sock: Any, peer: Any) -> None:
        with unproved.held(sock, peer):
            sock.sendall(b"?")
            sock.recv(1)
        sock.sendall(b"!")

    listener = Listener(Address("127.0.0.1", 0), handle, name="door")
    with ExitStack() as stack:

        def connect() -> Any:
            sock = stack.enter_context(socket.create_connection(listener.address))
            assert sock.recv(1) == b"?"
            return sock

        yield connect
    listener.close()
    green_until(lambda: not len(unproved))


def test_the_socket_of_one_who_waits_is_closed(greeting: Callable[[], Any]) -> None:
    first, second, third = greeting(), greeting(), greeting()
    with gevent.Timeout(20):
        assert first.recv(1) == b""
        for sock in (second, third):
            sock.sendall(b".")
            assert sock.recv(1) == b"!"
