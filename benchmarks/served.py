"""The actors that are measured."""

from __future__ import annotations

from typing import Any

from peers import sink

import stractory


def echo(options: Any) -> Any:
    """Bytes come back."""

    def handle(stream: Any, address: Any) -> None:
        for data in stream:
            stream.sendall(data)

    return handle


def take_all(options: Any) -> Any:
    """Bytes are taken and counted, as the sinks of the peers do."""

    def handle(stream: Any, address: Any) -> None:
        sink(stream)

    return handle


def flood(options: Any) -> Any:
    """Bytes without an end, as fast as they are taken."""

    def handle(stream: Any, address: Any) -> None:
        while True:
            stream.sendall(bytes(65536))

    return handle


def service(options: Any) -> Any:
    """What is called, and what calls back."""

    def call_back(function: Any, count: int) -> None:
        for number in range(count):
            function.call(number)

    def tell_back(function: Any, count: int) -> None:
        for number in range(count):
            function(number)

    return {"echo": lambda data: data, "call_back": call_back, "tell_back": tell_back}


def echo_events(options: Any) -> Any:
    """Each event comes back."""

    def handle(emitter: Any) -> None:
        emitter.on("echo", lambda data: emitter.emit("echo", data))

    return handle


def fan_out(options: Any) -> Any:
    """What one client tells, all hear."""
    everybody: list[Any] = []

    def handle(emitter: Any) -> None:
        everybody.append(emitter)
        emitter.on_close(lambda: everybody.remove(emitter))
        emitter.on("tell", lambda: stractory.emit(everybody, "told", 1))

    return handle
