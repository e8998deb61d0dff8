"""Creates, connects, round trips and bulk through a real registry and pool, beside plain sockets.

Prints what it measured; asserts nothing. Run it by scripts/bench.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gevent.pool import Pool

import stractory

BIN = Path(__file__).resolve().parent.parent / "bin"
ROUNDS = 3


def start(ready: str, *command: str) -> tuple[subprocess.Popen[str], str]:
    """A daemon that is ready, and its ready line."""
    process = subprocess.Popen(
        [sys.executable, str(BIN / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if ready in line:
            return process, line.strip()
    raise SystemExit(f"{command[0]} did not start")


def echo(options):
    def handle(stream, address):
        for data in stream:
            stream.sendall(data)

    return handle


def rate(count: int, work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def plain_server() -> tuple[str, int]:
    """A blocking echo server in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    host, port = listening.getsockname()
    return host, port


def round_trips(stream: object, count: int) -> float:
    def work() -> None:
        for _ in range(count):
            stream.sendall(b"x" * 64)  # type: ignore[attr-defined]
            stream.recv(64)  # type: ignore[attr-defined]

    return rate(count, work)


def measure(client: stractory.Client, size: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    definition = stractory.stream(echo)
    plain = socket.create_connection(plain_server())
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    def one_round(number: int) -> None:
        names = [f"bench.{number}.{index}" for index in range(size)]
        others = [f"bench.many.{number}.{index}" for index in range(size)]
        note(
            "creates/s, one after another", rate(size, lambda: [client.create(n, definition) for n in names])
        )
        note("creates/s, 200 green threads", rate(size, lambda: create_all(client, others, definition)))
        note("connects/s, one call for all", rate(size, lambda: client.connect(names)))
        note("connects/s, one after another", rate(size, lambda: [client.connect(n) for n in names]))
        note("echoes/s, a stream", round_trips(client.get(names[0]), size))
        note("echoes/s, an actor's own port", round_trips(client.connect(names[0], direct=True), size))
        note("echoes/s, a blocking socket", round_trips(plain, size))

    for number in range(ROUNDS):
        one_round(number)
    return figures


def create_all(client: stractory.Client, names: list[str], definition: stractory.ActorDefinition) -> None:
    Pool(200).map(lambda name: client.create(name, definition), names)


def main() -> None:
    size = 300 if "--quick" in sys.argv else 2000
    with tempfile.TemporaryDirectory() as folder:
        key = f"--key-file={folder}/cluster.key"
        registry, line = start("ready", "stractory", "--listen=0", key)
        address = line.split()[-1]
        pool, _ = start("pool ready", "stractory-workers", "--workers=4", f"--registry={address}", key)
        try:
            with stractory.client(address, key_file=f"{folder}/cluster.key") as client:
                for name, values in measure(client, size).items():
                    print(f"{name:34} {statistics.median(values):10,.0f}   {[round(v) for v in values]}")
        finally:
            for process in (pool, registry):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
