"""Servers to measure against, each a process: ``python benchmarks/peers.py NAME`` prints its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

DONE = b"."
"""What a sink answers when it has taken all that was announced."""


def blocking_sockets() -> None:
    """An echo in plain blocking sockets, a thread a connection."""
    _serve_blocking(_echo)


def blocking_sink() -> None:
    """It takes bytes and says when it has them all; in plain blocking sockets."""
    _serve_blocking(sink)


def gevent_sockets() -> None:
    """An echo in gevent's sockets."""
    from gevent.server import StreamServer

    server = StreamServer(("127.0.0.1", 0), lambda connection, peer: _echo(connection))
    server.start()
    say_port(server.socket.getsockname()[1])
    server.serve_forever()


def rpyc_service() -> None:
    """A threaded RPyC server."""
    import rpyc
    from rpyc.utils.server import ThreadedServer

    class Service(rpyc.Service):  # type: ignore[misc]
        def exposed_echo(self, data: bytes) -> bytes:
            return data

        def exposed_call_back(self, function: Any, count: int) -> None:
            for number in range(count):
                function(number)

    server = ThreadedServer(Service(), hostname="127.0.0.1", port=0)
    say_port(server.port)
    server.start()


def pyro_service() -> None:
    """A Pyro5 daemon with a service that makes others, and the name server that knows them."""
    import Pyro5.api
    from Pyro5.nameserver import NameServer

    names = NameServer()
    daemon = Pyro5.api.Daemon(host="127.0.0.1")

    @Pyro5.api.expose
    class Service:
        def echo(self, data: bytes) -> bytes:
            return data

        @Pyro5.api.oneway
        def hear(self, data: bytes) -> None:
            pass

        def create(self, name: str) -> None:
            names.register(name, daemon.register(Service()))

    daemon.register(Service, objectId="service")
    daemon.register(names, objectId="names")
    say_port(daemon.locationStr.rpartition(":")[2])
    daemon.requestLoop()


def xoscar_service() -> None:
    """An xoscar pool of one process."""
    import asyncio

    import xoscar_peer

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asyncio.run(xoscar_peer.serve(port, lambda: say_port(port)))


def zerorpc_service() -> None:
    """A stock zerorpc server."""
    import zerorpc

    class Service:
        def echo(self, data: bytes) -> bytes:
            return data

    server = zerorpc.Server(Service(), heartbeat=None)
    server.bind("tcp://127.0.0.1:0")
    endpoint = server._events._socket.getsockopt(32).rstrip(b"\0").decode()  # ZMQ_LAST_ENDPOINT
    say_port(int(endpoint.rpartition(":")[2]))
    server.run()


def _serve_blocking(handle: Any) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    say_port(listening.getsockname()[1])
    while True:
        threading.Thread(target=handle, args=(listening.accept()[0],), daemon=True).start()


def _echo(connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(65536):
        connection.sendall(data)


def sink(stream: Any) -> None:
    """Eight bytes announce how many follow; DONE answers them. Until the connection ends."""
    while head := stream.recv(8):
        left = int.from_bytes(head, "big")
        while left and (data := stream.recv(min(left, 65536))):
            left -= len(data)
        stream.sendall(DONE)


def say_port(port: int | str) -> None:
    print(port, flush=True)


PEERS = {
    peer.__name__: peer
    for peer in (
        blocking_sockets,
        blocking_sink,
        gevent_sockets,
        rpyc_service,
        pyro_service,
        xoscar_service,
        zerorpc_service,
    )
}


class Peer:
    """A running one; ``port`` is where. Raises RuntimeError with its last words when it does not start."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # a program of ours
            [sys.executable, str(Path(__file__).resolve()), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._words = self._process.stderr
        line = self._process.stdout.readline()
        if not line:
            words = self._words.read().strip().splitlines() or ["it ended"]
            self._process.wait()
            raise RuntimeError(f"{name} does not start: {words[-1]}")
        threading.Thread(target=self._words.read, daemon=True).start()  # or it would block when it says much
        self.port = int(line)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    PEERS[sys.argv[1]]()
