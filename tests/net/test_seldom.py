"""What is told at once, what is only counted, and that neither can be made to fill the memory."""

from __future__ import annotations

import logging

import pytest
from gevent import socket

from stractory.errors import AuthError
from stractory.net.address import Address
from stractory.net.listener import Listener
from stractory.net.seldom import KINDS, Seldom
from tests.support.green import green_until

Told = list[tuple[str, int]]


def make(told: Told, most: int = 1, quiet: float = 0.05) -> Seldom[str]:
    return Seldom(lambda thing, more: told.append((thing, more)), most, quiet)


def test_the_first_at_once_and_of_more_the_last_with_their_number() -> None:
    told: Told = []
    seldom = make(told)
    for number in range(5):
        seldom.hear("kind", str(number))
    seldom.hear("other", "x")
    assert told == [("0", 0), ("x", 0)]
    green_until(lambda: len(told) > 2)
    assert told[2:] == [("4", 4)]


def test_what_goes_on_is_told_once_a_while() -> None:
    told: Told = []
    seldom = make(told)
    seldom.hear("kind", "a")
    seldom.hear("kind", "b")
    green_until(lambda: len(told) == 2)
    seldom.hear("kind", "c")
    assert told == [("a", 0), ("b", 1)]
    green_until(lambda: len(told) == 3)
    assert told[2] == ("c", 1)


def test_what_has_ended_is_forgotten() -> None:
    told: Told = []
    seldom = make(told)
    seldom.hear("kind", "a")
    green_until(lambda: not seldom._heard)
    seldom.hear("kind", "b")
    assert told == [("a", 0), ("b", 0)]


def test_several_may_be_told_at_once() -> None:
    told: Told = []
    seldom = make(told, most=3)
    for number in range(5):
        seldom.hear("kind", str(number))
    assert told == [("0", 0), ("1", 0), ("2", 0)]
    green_until(lambda: len(told) > 3)
    assert told[3:] == [("4", 2)]


def test_kinds_without_number_are_one() -> None:
    told: Told = []
    seldom = make(told, quiet=60)
    for number in range(10 * KINDS):
        seldom.hear(f"kind {number}", str(number))
    assert len(seldom._heard) == KINDS + 1 == len(told)


def test_a_line_for_many_connections_that_end_alike(caplog: pytest.LogCaptureFixture) -> None:
    def handle(sock: socket.socket, peer: object) -> None:
        raise AuthError("not you")

    listener = Listener(Address("127.0.0.1", 0), handle, name="the door of this test")
    for _ in range(20):
        with socket.create_connection(listener.address) as sock:
            assert sock.recv(1) == b""
    listener.close()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("the door of this test: connection from 127.0.0.1:")
    assert line.endswith(" ended: not you")
