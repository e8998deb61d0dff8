"""What measurements work with, made when first asked for: a factory with actors, peers, sizes."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
from collections.abc import Callable
from functools import cached_property
from typing import Any

import gevent.socket
from measuring import PATIENCE, Factory, by_green_threads
from peers import Peer
from rows import sized
from served import echo, echo_events, fan_out, flood, service, take_all

import stractory


class Bench:
    """``part``: how much of the full size is measured."""

    def __init__(self, part: float = 1.0) -> None:
        self._part = part
        self.curves: dict[str, list[tuple[float, float]]] = {}
        self._stack = contextlib.ExitStack()
        self._peers: dict[str, Peer | RuntimeError] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # ---- sizes ---------------------------------------------------------------------------------------

    def count(self, full: int) -> int:
        """How many of something that is."""
        return sized(full, self._part)

    def names(self, count: int) -> list[str]:
        """So many that nobody had before."""
        round = next(self._numbers)
        return [f"bench.{round}.{index}" for index in range(count)]

    # ---- ours ----------------------------------------------------------------------------------------

    @cached_property
    def factory(self) -> Factory:
        """With one worker."""
        factory = self._stack.enter_context(Factory())
        factory.pool(1)
        return factory

    @cached_property
    def client(self) -> stractory.Client:
        """Of a factory that has an actor of each sort."""
        client = self.factory.client()
        client.create("echo", echo)
        client.create("service", stractory.rpc(service), public=True)
        client.create("events", stractory.eventemitter(echo_events))
        client.create("fan-out", stractory.eventemitter(fan_out))
        client.create("sink", take_all)
        client.create("flood", flood)
        return client

    @cached_property
    def room(self) -> Any:
        """A connection to the rpc actor."""
        return self.client.get("service")

    @cached_property
    def client_in_tls(self) -> stractory.Client:
        """Of another factory, in which all is encrypted."""
        factory = self._stack.enter_context(Factory(tls=True))
        factory.pool(1)
        client = factory.client()
        client.create("service", stractory.rpc(service))
        client.create("sink", take_all)
        return client

    @cached_property
    def room_by_zerorpc(self) -> Any:
        """One to its own port."""
        return self.client.connect("service", direct=True)

    @cached_property
    def residents(self) -> list[str]:
        """The names of actors that are there to be connected to."""
        names = self.names(self.count(2_000))
        definition = stractory.stream(echo)
        by_green_threads(lambda name: self.client.create(name, definition), names)
        return names

    # ---- peers ---------------------------------------------------------------------------------------

    def port(self, name: str) -> int:
        """Where the peer listens. Raises RuntimeError, each time, for one that does not start."""
        if name not in self._peers:
            try:
                self._peers[name] = peer = Peer(name)
                self._stack.callback(peer.close)
            except RuntimeError as error:
                self._peers[name] = error
        known = self._peers[name]
        if isinstance(known, RuntimeError):
            raise known
        return known.port

    @cached_property
    def blocking_echo(self) -> socket.socket:
        return self.plain(socket, "blocking_sockets")

    @cached_property
    def green_echo(self) -> socket.socket:
        return self.plain(gevent.socket, "gevent_sockets")

    @cached_property
    def blocking_sink(self) -> socket.socket:
        return self.plain(socket, "blocking_sink")

    def plain(self, module: Any, peer: str) -> Any:
        """A connection by the ``socket`` module given."""
        connection = module.create_connection(("127.0.0.1", self.port(peer)), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._closing(connection)

    def rpyc_connection(self) -> Any:
        """A new one."""
        import rpyc

        return rpyc.connect("127.0.0.1", self.port("rpyc_service"))

    @cached_property
    def rpyc(self) -> Any:
        """The service."""
        return self._closing(self.rpyc_connection()).root

    @cached_property
    def pyro(self) -> Any:
        return self._pyro_proxy("service")

    @cached_property
    def pyro_names(self) -> Any:
        return self._pyro_proxy("names")

    def _pyro_proxy(self, name: str) -> Any:
        import Pyro5.api

        Pyro5.api.config.COMMTIMEOUT = PATIENCE
        Pyro5.api.config.SERIALIZER = "msgpack"
        proxy = Pyro5.api.Proxy(f"PYRO:{name}@127.0.0.1:{self.port('pyro_service')}")
        self._stack.callback(proxy._pyroRelease)
        return proxy

    @cached_property
    def xoscar(self) -> Any:
        from xoscar_peer import Caller

        return self._closing(Caller(self.port("xoscar_service")))

    @cached_property
    def zerorpc(self) -> Any:
        import zerorpc

        logging.getLogger("zerorpc").setLevel(logging.CRITICAL)  # or it complains when others had their turn
        where = f"tcp://127.0.0.1:{self.port('zerorpc_service')}"
        return self._closing(zerorpc.Client(where, heartbeat=None))

    def _closing(self, connection: Any) -> Any:
        """The connection, which is closed at the end."""
        close: Callable[[], object] = connection.close
        self._stack.callback(close)
        return connection
