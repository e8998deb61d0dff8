"""A process that has few descriptors left: this one, whose limit is lowered for a while."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gevent import socket

from stractory.errors import PortUnavailable
from stractory.net import descriptors as module
from stractory.net.address import Address
from stractory.net.descriptors import LOW, Descriptors, descriptors, is_lack
from stractory.net.listener import Listener, Ports
from tests.support.green import green_until


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """So many more may be opened, in here."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free() + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def lowest_free() -> int:
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number


def greet(sock: socket.socket, peer: Any) -> None:
    sock.sendall(b"hello")
    sock.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(descriptors, "_told", None)


@pytest.fixture
def many() -> Iterator[None]:
    """So many are open that LOW is what counts."""
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(16 * LOW)]
    yield
    for each in taken:
        os.close(each)


@pytest.mark.parametrize("left", [1, LOW - 1])
def test_connections_wait_while_there_are_few(
    caplog: pytest.LogCaptureFixture, many: None, left: int
) -> None:
    caplog.set_level(logging.INFO)
    listeners = [Listener(Address("127.0.0.1", 0), greet, name=f"test {number}") for number in range(2)]
    with at_most(left + 1):
        clients = [socket.create_connection(listener.address) for listener in listeners]
        green_until(lambda: "no more connections are taken" in caplog.text)
        for client in clients:
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(5)
            client.settimeout(20)
    assert [client.recv(5) for client in clients] == [b"hello"] * 2
    assert len(caplog.records) == 2
    with socket.create_connection(listeners[0].address) as another:
        assert another.recv(5) == b"hello"
    for each in (*clients, *listeners):
        each.close()


def test_a_listener_that_is_closed_while_it_waits(many: None) -> None:
    listener = Listener(Address("127.0.0.1", 0), greet, name="test")
    with at_most(2), socket.create_connection(listener.address) as client:
        green_until(lambda: descriptors._waiting)
        listener.close()
        with pytest.raises(ConnectionResetError):
            client.recv(5)
    green_until(lambda: not descriptors._waiting)


def test_what_is_kept_is_there_when_nothing_else_is() -> None:
    own = Descriptors()
    own.keep(3)
    with at_most(0):
        with pytest.raises(OSError, match="Too many open files"):
            lowest_free()
        assert own.scarce
        with own.lent():
            assert own.scarce  # for others
            taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        os.close(taken.pop())
        with own.lent():
            taken.append(os.open(os.devnull, os.O_RDONLY))
    with own.lent():
        pass
    assert len(own._kept) == 3
    for each in (*taken, *own._kept):
        os.close(each)


def test_a_port_that_no_descriptor_is_left_for_says_so() -> None:
    with at_most(0), pytest.raises(PortUnavailable, match="Too many open files") as error:
        Ports("127.0.0.1", range(20_000, 20_100)).listen(greet, "test")
    assert is_lack(error.value)


def test_how_many_are_few_depends_on_how_many_there_are(many: None) -> None:
    with at_most(LOW - 1):
        assert descriptors.scarce
    with at_most(LOW):
        assert not descriptors.scarce
        gaps = [os.open(os.devnull, os.O_RDONLY) for _ in range(LOW)]
        for each in gaps[: LOW // 2]:  # those with the lowest numbers
            os.close(each)
        assert descriptors.scarce
    for each in gaps[LOW // 2 :]:
        os.close(each)


def test_a_small_process_wants_fewer() -> None:
    with at_most(0):
        assert descriptors.scarce
    with at_most(LOW // 2):
        assert not descriptors.scarce
