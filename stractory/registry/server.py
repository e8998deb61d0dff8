"""The registry's door: its listener, and what each role may call over a link."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.socket import socket

from stractory.errors import ForbiddenRole, UnknownMethod
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.handshake import Identity, prove_to_client
from stractory.net.keys import NODE, OPERATOR, ROLES, KeyRing
from stractory.net.link import Link
from stractory.net.listener import Listener
from stractory.net.process import Process
from stractory.net.serving import Serving
from stractory.net.stream import Stream
from stractory.registry.orders import Node
from stractory.registry.records import Worker
from stractory.registry.service import Registry
from stractory.wire.dialling import Dial
from stractory.wire.info import ActorInfo
from stractory.wire.life import Report

log = logging.getLogger(__name__)

Methods = dict[str, Callable[..., Any]]


class RegistryServer:
    """Listens, proves, and serves a :class:`Registry` over every link."""

    def __init__(
        self, registry: Registry, address: Address, keys: KeyRing, *, insecure_plaintext: bool = False
    ) -> None:
        self._registry = registry
        self._keys = keys
        self._links: set[Link] = set()
        self._listener = Listener(
            address, self._handle, name="registry", insecure_plaintext=insecure_plaintext
        )
        self._expiry = gevent.spawn(registry.expire_leases)

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._listener.address

    def close(self) -> None:
        """End all links and take no more."""
        self._listener.close()
        self._expiry.kill()
        gevent.joinall([gevent.spawn(link.close) for link in list(self._links)])

    def _handle(self, sock: socket, peer: Any) -> None:
        identity = prove_to_client(sock, "registry", self._keys, ROLES)
        where = Address(peer[0], peer[1])
        link = Link(
            sock,
            dialled=False,
            peer=f"{identity.role} {identity.name} at {where}",
            serve=partial(self._serve, identity),
        )
        self._links.add(link)
        link.call_at_end(lambda reason: self._links.discard(link))
        link.run()

    def _serve(self, identity: Identity, link: Link, stream: Stream, dial: Dial) -> None:
        if dial.service != "registry":
            link.refuse_stream(stream, UnknownMethod(f"a registry has no service {dial.service!r}"))
            return
        link.accept_stream(stream)
        if identity.role == NODE:
            Calls(stream, Serving(NodeMethods(self._registry, link).methods))
        else:
            Calls(stream, Serving(client_methods(self._registry, identity, link)))


def client_methods(registry: Registry, identity: Identity, link: Link) -> Methods:
    """What clients and operators may call. Creating and destroying is for operators."""

    def wait(name: str, timeout: float | None) -> ActorInfo:
        return registry.wait(name, timeout, cancelled=lambda: link.ended is not None)

    link.call_at_end(lambda reason: registry.wake_waiters())
    methods: Methods = {
        "lookup": registry.lookup,
        "wait": wait,
        "list": registry.list_actors,
        "workers": registry.list_workers,
    }
    for_operators: Methods = {
        "define": registry.define,
        "create": registry.create,
        "destroy": registry.destroy,
    }
    for name, method in for_operators.items():
        methods[name] = method if identity.role == OPERATOR else _forbidden(name, identity)
    return methods


def _forbidden(name: str, identity: Identity) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ForbiddenRole(
            f"{name}() needs the role {OPERATOR}; {identity.name!r} proved the role {identity.role}"
        )

    return refuse


class NodeMethods:
    """What one worker may call."""

    def __init__(self, registry: Registry, link: Link) -> None:
        self._registry = registry
        self._link = link
        self._worker: Worker | None = None
        self.methods: Methods = {"register": self._register}
        told = (registry.started, registry.ended, registry.exited)
        for method in (registry.beat, *told, registry.leaving, registry.goodbye):
            self.methods[method.__name__] = partial(self._about_itself, method)

    def _register(
        self, id: bytes, address: str, process: list[Any], runtime: str, reports: list[Any]
    ) -> float:
        """Returns the lease: how many seconds without a sign of life end it."""
        stream = self._link.open(Dial("worker"), label=f"worker {address}")
        stream.wait_accepted()
        node = Node(Calls(stream), Process(*process), self._disconnect, set())
        stream.call_at_end(lambda error: self._disconnect())  # a worker that cannot be told anything is none
        told = [Report.from_wire(report) for report in reports]
        worker = self._registry.register(node, id, address, runtime, told)
        self._worker = worker
        self._link.call_at_end(lambda reason: _spawn(self._registry.link_ended, worker, node))
        return self._registry.lease

    def _disconnect(self) -> None:
        _spawn(self._link.close)

    def _about_itself(self, method: Callable[..., None], *args: Any) -> None:
        if self._worker is not None:
            method(self._worker, *args)


def _spawn(function: Callable[..., None], *args: Any) -> None:
    gevent.spawn(function, *args)
