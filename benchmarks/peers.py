"""Servers to measure against, each a process: ``python benchmarks/peers.py NAME`` prints its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


def blocking_sockets() -> None:
    """An echo in plain blocking sockets, a thread a connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            connection.sendall(data)

    say_port(listening.getsockname()[1])
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()


def gevent_sockets() -> None:
    """The same in gevent."""
    from gevent.server import StreamServer

    def serve(connection: Any, peer: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            connection.sendall(data)

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    say_port(server.server_port)
    server.serve_forever()


def rpyc_service() -> None:
    """A threaded RPyC server with one method."""
    import rpyc
    from rpyc.utils.server import ThreadedServer

    class Service(rpyc.Service):  # type: ignore[misc]
        def exposed_echo(self, data: bytes) -> bytes:
            return data

        def exposed_nothing(self) -> None:
            return None

        def exposed_call_back(self, function: Any, count: int) -> None:
            for number in range(count):
                function(number)

    server = ThreadedServer(Service(), hostname="127.0.0.1", port=0)
    say_port(server.port)
    server.start()


def pyro_service() -> None:
    """A Pyro5 daemon with one method."""
    import Pyro5.api

    @Pyro5.api.expose
    class Service:
        def nothing(self) -> None:
            return None

    daemon = Pyro5.api.Daemon(host="127.0.0.1")
    daemon.register(Service, objectId="service")
    say_port(daemon.locationStr.rpartition(":")[2])
    daemon.requestLoop()


def zerorpc_service() -> None:
    """A stock zerorpc server with one method."""
    import zerorpc

    class Service:
        def nothing(self) -> None:
            return None

    server = zerorpc.Server(Service(), heartbeat=None)
    server.bind("tcp://127.0.0.1:0")
    endpoint = server._events._socket.getsockopt(32).rstrip(b"\0").decode()  # ZMQ_LAST_ENDPOINT
    say_port(int(endpoint.rpartition(":")[2]))
    server.run()


def say_port(port: int | str) -> None:
    print(port, flush=True)


PEERS = {
    peer.__name__: peer
    for peer in (blocking_sockets, gevent_sockets, rpyc_service, pyro_service, zerorpc_service)
}


class Peer:
    """A running one; ``port`` is where."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), name], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    PEERS[sys.argv[1]]()
