"""A worker: its door for clients, its link to the registry, and what each may ask of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
from gevent.socket import socket

from stractory.actors.code import DILL_VERSION, PYTHON_TAG
from stractory.errors import ActorNotPublic, StractoryError, UnknownMethod
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.handshake import prove_to_client
from stractory.net.keys import CLIENT, OPERATOR, KeyRing
from stractory.net.link import Link
from stractory.net.listener import Listener, Ports
from stractory.net.serving import Serving
from stractory.net.stream import Stream
from stractory.wire.dialling import Dial
from stractory.wire.life import Life
from stractory.wire.shipping import runtime
from stractory.worker.host import Host
from stractory.worker.membership import Membership
from stractory.worker.ports import ActorPorts

log = logging.getLogger(__name__)

ACTORS_LIMIT = 10.5
"""Seconds that all actors together have to end when their worker does."""

LINKS_LIMIT = 0.5
"""Seconds that clients then have to read what was sent. With the goodbye it is less than a pool waits."""

Methods = dict[str, Callable[..., Any]]


class WorkerServer:
    """Runs actors for a registry.

    ``eager_ports``: every actor gets a port of its own at once. ``make_client`` makes the clients that actors
    reach others by, for each a new one.
    """

    def __init__(
        self,
        listen: Address,
        registry: Address,
        keys: KeyRing,
        *,
        make_client: Callable[[], Any],
        eager_ports: bool = False,
        port_range: range | None = None,
        allow_public: str = "loopback",
        insecure_plaintext: bool = False,
    ) -> None:
        self._keys = keys
        self._eager_ports = eager_ports
        self._links: set[Link] = set()
        self._host = Host(make_client, lambda *exit: self.membership.tell_exit(*exit))
        self._ports = ActorPorts(Ports(listen.host, port_range, insecure_plaintext), keys, allow_public)
        self._listener = Listener(listen, self._handle, name="worker", insecure_plaintext=insecure_plaintext)
        self._for_clients: Methods = {"describe": self._describe, "endpoint": self._endpoint}
        self._for_registry: Methods = {
            "define": self._host.define,
            "create": self._create,
            "destroy": self._host.destroy,
        }
        self.membership = Membership(
            registry,
            keys,
            listening=self._listener.address,
            runtime=runtime(PYTHON_TAG, DILL_VERSION),
            host=self._host,
            serve=self._serve_registry,
        )

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._listener.address

    def close(self) -> None:
        """End all actors in order (their destroy() runs), leave the registry, then end all links.

        Names are free when the registry hears of it, so their actors have to be gone by then. New actors are
        to go elsewhere from the start.
        """
        self.membership.announce_leave()
        self._listener.close()
        self._host.close(ACTORS_LIMIT)
        self.membership.leave()
        gevent.joinall([gevent.spawn(link.close) for link in list(self._links)], timeout=LINKS_LIMIT)

    # ---- streams ---------------------------------------------------------------------------------------

    def _handle(self, sock: socket, peer: Any) -> None:
        identity = prove_to_client(sock, "worker", self._keys, (OPERATOR, CLIENT))
        where = Address(peer[0], peer[1])
        link = Link(
            sock, dialled=False, peer=f"{identity.role} {identity.name} at {where}", serve=self._serve
        )
        self._links.add(link)
        link.call_at_end(lambda reason: self._links.discard(link))
        link.run()

    def _serve(self, link: Link, stream: Stream, dial: Dial) -> None:
        if dial.service == "worker":
            link.accept_stream(stream)
            Calls(stream, Serving(self._for_clients))
            return
        try:
            if dial.service != "actor":
                raise UnknownMethod(f"a worker has no service {dial.service!r}")
            actor = self._host.find(dial.name, dial.epoch)
        except StractoryError as error:
            link.refuse_stream(stream, error)
            return
        link.accept_stream(stream)
        actor.serve(stream, link.peer_address)

    def _serve_registry(self, link: Link, stream: Stream, dial: Dial) -> None:
        link.accept_stream(stream)
        Calls(stream, Serving(self._for_registry))

    # ---- what may be asked -----------------------------------------------------------------------------

    def _create(self, life: list[Any], digest: bytes, options: dict[str, Any]) -> None:
        told = Life.from_wire(life)
        if told.public:
            self._ports.check_public(told.name)
        actor = self._host.create(told, digest, options)
        if told.public or self._eager_ports:
            try:
                self._ports.open(actor)
            except ActorNotPublic:
                pass  # of its kind only public ones have a port; so eager-ports does not mean it
            except StractoryError:
                self._host.destroy(told.name, told.epoch)
                raise

    def _describe(self, name: str, epoch: int) -> dict[str, Any]:
        """What a client's wrapper gets: the options, and the wrapper itself where there is one."""
        actor = self._host.find(name, epoch)
        wrapper = actor.loaded.wrapper
        return {"options": actor.options, "wrapper": wrapper.to_wire() if wrapper else None}

    def _endpoint(self, name: str, epoch: int) -> int:
        """The number of the actor's own port, opened if it was not."""
        return self._ports.open(self._host.find(name, epoch)).port
