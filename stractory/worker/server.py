"""A worker: its door for clients, its links to registries, and what each may ask of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gevent

from stractory.actors.code import DILL_VERSION, PYTHON_TAG
from stractory.errors import AuthError, LinkClosed, StractoryError, UnknownMethod, WorkerFull
from stractory.net import title
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.descriptors import is_lack
from stractory.net.link import Link
from stractory.net.listener import PLAIN, Listener, Ports, TransportSecurity
from stractory.net.secured import Connection
from stractory.net.seldom import refused
from stractory.net.serving import Serving, log_some_failures
from stractory.net.stream import Stream
from stractory.net.trust import ANYBODY, Trust
from stractory.proof.admission import USUAL, ConnectionLimits, Unproved
from stractory.proof.handshake import TIME_LIMIT, Identity, prove_to_client
from stractory.proof.keys import KeyRing
from stractory.proof.proved import ProvedLinks
from stractory.proof.tickets import Tickets
from stractory.wire.dialling import Dial
from stractory.wire.life import Life
from stractory.wire.shipping import runtime
from stractory.worker.actor import Actor, Keep
from stractory.worker.host import Host
from stractory.worker.isolation import Children
from stractory.worker.looks import Looks
from stractory.worker.membership import Membership
from stractory.worker.ports import ActorPorts
from stractory.worker.voucher import Note, Voucher

log = logging.getLogger(__name__)

ACTORS_LIMIT = 10.5
"""Seconds that all actors together have to end when their worker does."""

LINKS_LIMIT = 0.5
"""Seconds that clients then have to read what was sent. With the goodbye it is less than a pool waits."""

SILENCE = 600.0
"""Seconds that clients of a process that may block have for the proof: meanwhile it may."""

Methods = dict[str, Callable[..., Any]]


class WorkerServer:
    """Runs actors for its registries, ``max_actors`` at most; 0 is any number.

    ``eager_ports``: every actor gets a port of its own at once. ``imports_only``: it starts no actors whose
    init is shipped, only those whose init it can import. ``make_client`` makes the clients that actors
    reach others by, for each a new one. ``children``: the processes that it starts for isolated actors.
    ``voucher``: what it shares with its parent, if it is such a process. ``dismissed`` is called when a
    registry tells it to leave: whoever runs it is to close it then.
    """

    def __init__(
        self,
        listen: Address,
        registries: Sequence[Address],
        keys: KeyRing,
        *,
        make_client: Callable[[], Any],
        eager_ports: bool = False,
        port_range: range | None = None,
        allow_public: str = "loopback",
        max_actors: int = 0,
        imports_only: bool = False,
        security: TransportSecurity = PLAIN,
        trust: Trust = ANYBODY,
        limits: ConnectionLimits = USUAL,
        children: Children | None = None,
        voucher: Voucher | None = None,
    ) -> None:
        self.dismissed: Callable[[], None] = lambda: None
        self._keys = keys
        self._eager_ports = eager_ports
        self._unproved = Unproved(limits)
        self.links = ProvedLinks("worker", keys, limits.links, WorkerFull)
        self._children = children or Children()
        self._voucher = voucher
        self._proof_limit = TIME_LIMIT if voucher is None else SILENCE
        self._host = Host(
            make_client,
            exited=self._exited,
            keep=Keep(
                lambda *state: self.membership.keep_state(*state),
                lambda *problem: self.membership.tell_problem(*problem),
            ),
            most=max_actors,
            imports_only=imports_only,
        )
        ports = Ports(listen.host, port_range, security)
        self._tickets = Tickets(keys, lambda: self.membership.standing.registry_time())
        self._ports = ActorPorts(
            ports, keys, self._tickets, allow_public, self._proof_limit, Unproved(limits)
        )
        if voucher is None:
            self._listener = Listener(listen, self._handle, name="worker", security=security)
        else:
            self._listener = ports.listen(self._handle, name="worker")
        self._looks = Looks(self._host, self.links)
        self.membership = Membership(
            registries,
            keys,
            trust,
            listening=self._listener.address,
            runtime=runtime(PYTHON_TAG, None if imports_only else DILL_VERSION),
            host=self._host,
            serve=self._serve_registry,
            children=self._children,
            voucher=voucher,
        )
        if voucher is not None:
            self.membership.suspending = self._cut_links

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._listener.address

    def close(self) -> None:
        """End all actors in order (their destroy() runs), leave the registry, then end all links.

        Names are free when the registry hears of it, so their actors have to be gone by then. New actors are
        to go elsewhere from the start.
        """
        self._forget_note()
        self.membership.announce_leave()
        self._listener.close()
        ending = self._children.close()
        self._host.close(ACTORS_LIMIT)
        gevent.joinall(ending)
        self.membership.leave()
        gevent.joinall([gevent.spawn(link.close) for link in self.links], timeout=LINKS_LIMIT)

    def keys_changed(self) -> None:
        """Prove the keys there are now, and end the connections of those whose name they revoke."""
        self.membership.keys_changed()
        self.links.end_revoked()
        self._ports.end_revoked()

    def _cut_links(self) -> None:
        """What a method has to say that blocked for too long is for nobody: there may be another copy."""
        for link in self.links:
            link.writer.cut(LinkClosed("this worker is cut off from its registry"))

    # ---- streams ---------------------------------------------------------------------------------------

    def _handle(self, sock: Connection, peer: Any) -> None:
        with self._unproved.held(sock, peer):
            identity = prove_to_client(sock, "worker", self._tickets.admit, self._proof_limit)
        link = self.links.make(sock, peer, identity, partial(self._serve, identity))
        if self._voucher is not None:
            link.writer.guard = self.membership.look
        link.run()

    def _serve(self, identity: Identity, link: Link, stream: Stream, dial: Dial) -> None:
        if dial.service == "worker":
            link.accept_stream(stream)
            named: Methods = {"describe": self._describe, "endpoint": partial(self._endpoint, identity)}
            methods = {name: self._about(link, identity, method) for name, method in named.items()}
            Calls(stream, Serving(methods, failed=log_some_failures))
            return
        try:
            if dial.service != "actor":
                raise UnknownMethod(f"a worker has no service {dial.service!r}")
            actor = self._find(link, identity, dial.name, dial.epoch, dial.ticket)
            actor.check_running()
        except StractoryError as error:
            link.refuse_stream(stream, error)
            return
        link.accept_stream(stream)
        actor.serve(stream, link.peer_address)

    def _find(self, link: Link, holder: Identity, name: str, epoch: int, ticket: bytes) -> Actor:
        """This life of an actor, for whoever has a ticket to it. Raises AuthError, StaleLocation."""
        try:
            self._tickets.check(ticket, name, epoch, holder)
        except AuthError as error:
            refused("worker: ticket", f"worker: {link.peer} was refused: {error}", peer=link.peer)
            raise
        return self._host.find(name, epoch)

    def _about(self, link: Link, holder: Identity, method: Callable[[Actor], Any]) -> Callable[..., Any]:
        """``method``, for whoever has a ticket to the actor."""
        return lambda name, epoch, ticket: method(self._find(link, holder, name, epoch, ticket))

    def _serve_registry(self, registry: Address, link: Link, stream: Stream, dial: Dial) -> None:
        link.accept_stream(stream)
        Calls(stream, Serving(self._for_registry(registry)))

    def _for_registry(self, registry: Address) -> Methods:
        return {
            "define": self._host.define,
            "create": partial(self._create_for, registry),
            "destroy": partial(self._destroy_for, registry),
            "isolate": partial(self._isolate_for, registry),
            "end_child": self._children.end,
            "leave": self._leave,
            "look": self._looks.look,
            "facts": self._looks.facts,
        }

    # ---- what one registry orders, and the others are told ---------------------------------------------

    def _create_for(self, registry: Address, life: list[Any], *made: Any) -> None:
        self.membership.tell_running(self._create(life, *made), but=registry)

    def _destroy_for(self, registry: Address, name: str, epoch: int) -> None:
        if life := self._host.life(name, epoch):
            self.membership.tell_ending(life, but=registry)
        self._destroy(name, epoch)
        if life:
            self.membership.tell_ended(life, but=registry)

    def _isolate_for(self, registry: Address, id: bytes) -> None:
        self._children.start(id, self.membership.addresses(first=registry))

    # ---- what may be asked -----------------------------------------------------------------------------

    def _create(
        self, life: list[Any], digest: bytes, options: dict[str, Any], state: bytes | None = None
    ) -> Life:
        told = Life.from_wire(life)
        if told.terms.public:
            self._ports.check_public(told.name)
        try:
            actor = self._host.create(told, digest, options, state)
        except WorkerFull:
            self.membership.tell_room()
            raise
        if told.terms.public or self._eager_ports:
            try:
                self._ports.open(actor)
            except StractoryError as error:
                self._host.destroy(told.name, told.epoch)
                if is_lack(error):
                    self.membership.tell_room()
                    raise WorkerFull(str(error)) from None
                raise
        if self._voucher is not None:
            self._voucher.write_note(Note(self.membership.standing.advertised, told))
            self.membership.occupied()
            title.show(f"isolated actor {title.shown(told.name)}")
        return told

    def _destroy(self, name: str, epoch: int) -> None:
        self._forget_note()
        self._host.destroy(name, epoch)

    def _exited(self, life: Life, status: int) -> None:
        self._forget_note()
        self.membership.tell_exit(life, status)

    def _leave(self) -> None:
        log.info("a registry tells this worker to leave")
        self.dismissed()

    def _forget_note(self) -> None:
        if self._voucher is not None:
            self._voucher.clear_note()
            title.show(f"worker {self.address}")

    def _describe(self, actor: Actor) -> dict[str, Any]:
        """What a client's wrapper gets: the options, and the wrapper itself where there is one."""
        wrapper = actor.loaded.wrapper
        return {"options": actor.options, "wrapper": wrapper.to_wire() if wrapper else None}

    def _endpoint(self, identity: Identity, actor: Actor) -> tuple[int, bytes | None]:
        """The number of the actor's own port, opened if it was not, and its public key if it needs one."""
        return self._ports.admit(actor, identity)
