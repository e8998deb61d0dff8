"""Actors that several tests use, and a gate at which one waits for its test."""

from __future__ import annotations

from typing import Any

from gevent import socket

import stractory


def echo(options):
    def handle(stream, address):
        for data in stream:
            stream.sendall(data)

    return handle


def pass_gate(options):
    """Wait, inside an actor, until its test opens the gate."""
    from gevent import socket

    with socket.create_connection(tuple(options["gate"])) as gate:
        gate.recv(1)


def gated_echo(options):
    """An echo whose init waits at a gate."""
    pass_gate(options)
    return echo(options)


def multicast(options):
    """An eventemitter: all are told of ``echo`` and ``echo.*``, and on ``count`` one, how many there are."""
    clients = []

    def handle(emitter):
        clients.append(emitter)
        emitter.on_close(lambda: clients.remove(emitter))

        @emitter.on("echo.**")
        def echo(*data):
            stractory.emit(clients, emitter.event, *data)

        emitter.on("count", lambda: emitter.emit("counted", len(clients)))

    return handle


class Gate:
    """Where an actor on a worker waits for its test, by a connection to it. ``options`` are for the actor."""

    def __init__(self) -> None:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self._waiting: list[Any] = []
        self.options = {"gate": list(self._listening.getsockname())}

    def wait_reached(self) -> None:
        self._waiting.append(self._listening.accept()[0])

    def open(self) -> None:
        """Let those through that have reached it."""
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *error: object) -> None:
        self.open()
        self._listening.close()
