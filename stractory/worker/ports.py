"""Actors' own ports: an actor served on a port of its own, opened when first asked for.

A public port gives its connections to the actor as they are. Any other asks for the proof of a ticket to this
life of the actor, so that a client notices when the port belongs to another by now; or it is
:class:`stractory.actors.kinds.Locked`.
"""

from __future__ import annotations

import errno
import logging
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from stractory.actors.kinds import Closable, HasPort, Locked
from stractory.errors import ActorNotPublic, PortUnavailable, StaleLocation, StaleTicket
from stractory.net.address import Address
from stractory.net.descriptors import descriptors, is_lack
from stractory.net.listener import Ports
from stractory.net.secured import Connection, TlsStream
from stractory.net.sockets import SocketStream
from stractory.proof.admission import USUAL, Unproved
from stractory.proof.handshake import TIME_LIMIT, Claim, Hello, Identity, prove_to_client
from stractory.proof.keys import KeyRing
from stractory.proof.tickets import Tickets
from stractory.worker.actor import Actor

log = logging.getLogger(__name__)


class ActorPorts:
    """Opens and remembers them.

    ``allow_public``: "no", "loopback" or "yes". ``limit``: seconds that who connects has for the proof.
    ``unproved``: who has not proved anything yet, at all of them together.
    """

    def __init__(
        self,
        ports: Ports,
        keys: KeyRing,
        tickets: Tickets,
        allow_public: str,
        limit: float = TIME_LIMIT,
        unproved: Unproved | None = None,
    ) -> None:
        self._ports = ports
        self._keys = keys
        self._tickets = tickets
        self._allow_public = allow_public
        self._limit = limit
        self._unproved = unproved or Unproved(USUAL)
        self._listeners: dict[Actor, Closable] = {}
        self._proved: WeakKeyDictionary[SocketStream | TlsStream, Identity] = WeakKeyDictionary()

    def check_public(self, name: str) -> None:
        """Raises ActorNotPublic when this worker's settings allow no port without proof."""
        loopback = Address(self._ports.host, 0).is_loopback
        if self._allow_public == "no" or (self._allow_public == "loopback" and not loopback):
            raise ActorNotPublic(
                f"{name!r} may not be public: this worker has allow-public-actors = {self._allow_public}"
            )

    def open(self, actor: Actor) -> Address:
        """Where the actor's own port is. Raises PortUnavailable, and StaleLocation when it has ended."""
        return self._open(actor).address

    def admit(self, actor: Actor, identity: Identity) -> tuple[int, bytes | None]:
        """The number of the actor's own port, which lets in ``identity``, and its key if it is locked.

        Raises as open(), and AuthError where that one was just revoked.
        """
        port = self._open(actor)
        if not isinstance(port, Locked):
            return port.address.port, None
        self._keys.check_not_revoked(identity.name)  # else its link is about to end
        port.admit(identity.name, identity.session)
        return port.address.port, port.key

    def _open(self, actor: Actor) -> Closable:
        server = actor.check_running()
        listener = self._listeners.get(actor)
        if listener is None:
            name = actor.life.name
            if descriptors.scarce:
                raise _lack(name)
            if not isinstance(server, HasPort):
                serve, public = partial(self._serve, actor), actor.life.terms.public
                listener = self._ports.listen(serve, name=f"actor {name!r}", public=public)
            else:
                with actor.marked():
                    listener = _open_port(server, self._ports, actor)
            self._listeners[actor] = listener
            actor.on_end = lambda: self._close(actor)
            if actor.life.terms.public:
                log.info("actor %r is public at %s", name, listener.address, extra=actor.life.fields)
        return listener

    def end_revoked(self) -> None:
        """End the connections of those whose name the keys revoke by now.

        A locked port ends as a whole, as ZeroMQ ends no single connection; who asks next opens another.
        """
        for stream, identity in list(self._proved.items()):
            if identity.name in self._keys.revoked and not stream.closed:
                log.warning("%s %s is revoked: its connection ends", identity.role, identity.name)
                stream.abort()
        for actor, port in list(self._listeners.items()):
            if isinstance(port, Locked) and port.had(self._keys.revoked):
                log.warning(
                    "the own port of %r had clients whose name is revoked: it ends",
                    actor.life.name,
                    extra=actor.life.fields,
                )
                self._close(actor)

    def _close(self, actor: Actor) -> None:
        if actor in self._listeners:
            self._listeners.pop(actor).close()

    def _serve(self, actor: Actor, sock: Connection, peer: Any) -> None:
        stream = sock if isinstance(sock, TlsStream) else SocketStream.over(sock)
        try:
            if not actor.life.terms.public:
                self._receive_proof(actor, stream, peer)
        except BaseException:
            stream.close()  # in order: a reset would destroy the refusal on its way
            raise
        try:
            actor.serve(stream, peer)
        except StaleLocation:
            stream.abort()
            raise

    def _receive_proof(self, actor: Actor, stream: SocketStream | TlsStream, peer: Any) -> None:
        admit_to_it = self._tickets.admit_to(actor.life.name, actor.life.epoch)

        def admit(hello: Hello) -> Claim:
            admitted = admit_to_it(hello)
            try:
                actor.check_running()
            except StaleLocation as error:
                raise StaleTicket(str(error)) from None
            return admitted

        with self._unproved.held(stream, peer):
            identity = prove_to_client(stream, "actor", admit, self._limit)
        self._keys.check_not_revoked(identity.name)
        self._proved[stream] = identity


def _open_port(server: HasPort, ports: Ports, actor: Actor) -> Closable:
    try:
        return server.open_port(ports, actor.life.name, actor.life.epoch, actor.life.terms.public)
    except Exception as error:  # ZeroMQ's errors have no root in the standard library
        if is_lack(error):
            raise _lack(actor.life.name) from None
        raise


def _lack(name: str) -> PortUnavailable:
    error = PortUnavailable(f"no descriptors are left here for a port of {name!r}; raise ulimit -n")
    error.errno = errno.EMFILE
    return error
