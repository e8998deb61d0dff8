"""The registry's door: its listener, and what each role may call over a link."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import gevent

from stractory.errors import (
    ActorNotFound,
    AuthError,
    ConfigError,
    ForbiddenRole,
    PageNotShown,
    ProtocolError,
    RegistryUnavailable,
    UnknownMethod,
    WorkerUnavailable,
)
from stractory.net.address import Address
from stractory.net.address import address as parse
from stractory.net.calls import Calls
from stractory.net.counters import counters
from stractory.net.link import Link
from stractory.net.listener import PLAIN, Listener, TransportSecurity
from stractory.net.process import Process
from stractory.net.secured import Connection
from stractory.net.seldom import refused
from stractory.net.serving import Serving, log_some_failures
from stractory.net.stream import Stream
from stractory.proof.admission import USUAL, ConnectionLimits, Unproved
from stractory.proof.handshake import Identity, holders, prove_to_client
from stractory.proof.keys import CLIENT, NODE, OPERATOR, ROLES, Key, KeyRing
from stractory.proof.proved import ProvedLinks
from stractory.proof.tickets import Issuer
from stractory.registry.audit import Audit
from stractory.registry.members import Members
from stractory.registry.orders import Node
from stractory.registry.permissions import PERMITTED
from stractory.registry.records import Actor, Worker
from stractory.registry.service import Registry
from stractory.wire.codec import MESSAGE_LIMIT
from stractory.wire.dialling import Dial, encode_acceptance
from stractory.wire.facts import ActorFacts
from stractory.wire.info import ActorInfo, Location
from stractory.wire.life import Life, Report, check_name, creator

log = logging.getLogger(__name__)

Methods = dict[str, Callable[..., Any]]

TEXT_LIMIT = 512
"""Most characters of a worker's address and runtime together."""

ID_LIMIT = 64
"""Most bytes of a worker's id."""

IN_A_ROW = 500
"""Tickets that are made before others have their turn."""

CENTURY = 3_155_760_000.0
"""Seconds."""


MESSAGE_LIMITS: Mapping[str, int] = {CLIENT: 1024 * 1024, OPERATOR: MESSAGE_LIMIT, NODE: MESSAGE_LIMIT}
"""The most bytes of a message, by the role of its sender. Clients send names, all others code and state."""


class RegistryServer:
    """Listens, proves, and serves a :class:`Registry` over every link.

    ``message_limits``: as MESSAGE_LIMITS. ``audit`` records what operators do and who is refused.
    ``page_link`` makes what opens its page to who has a key. ``registries``: the addresses of all registries
    of the cluster as workers reach them, this one first; none where there is no other.
    """

    def __init__(
        self,
        registry: Registry,
        address: Address,
        keys: KeyRing,
        *,
        security: TransportSecurity = PLAIN,
        limits: ConnectionLimits = USUAL,
        message_limits: Mapping[str, int] = MESSAGE_LIMITS,
        audit: Audit | None = None,
        registries: Callable[[], list[str]] = list,
    ) -> None:
        self._registry = registry
        self._keys = keys
        self._message_limits = message_limits
        self._audit = audit or Audit()
        self._registries = registries
        self._unproved = Unproved(limits)
        self.page_link: Callable[[Key], str] = _no_page
        self.links = ProvedLinks("registry", keys, limits.links, RegistryUnavailable)
        self._listener = Listener(address, self._handle, name="registry", security=security)
        self._expiry = gevent.spawn(registry.members.expire_leases)

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._listener.address

    def close(self) -> None:
        """End all links and take no more."""
        self._listener.close()
        self._expiry.kill()
        gevent.joinall([gevent.spawn(link.close) for link in self.links])

    def end_revoked(self) -> None:
        """End the links of those whose name the keys revoke by now."""
        self.links.end_revoked()

    def _handle(self, sock: Connection, peer: Any) -> None:
        try:
            with self._unproved.held(sock, peer):
                identity = prove_to_client(sock, "registry", holders(self._keys, ROLES))
            link = self.links.make(sock, peer, identity, partial(self._serve, identity))
        except AuthError as error:
            self._audit.refused("proof", error, peer)
            raise
        link.call_at_end(lambda reason: self._registry.wake_waiters())  # who waits for it need not any more
        link.run()

    def _serve(self, identity: Identity, link: Link, stream: Stream, dial: Dial) -> None:
        if dial.service != "registry":
            link.refuse_stream(stream, UnknownMethod(f"a registry has no service {dial.service!r}"))
            return
        limit = self._message_limits[identity.role]
        link.accept_stream(stream, encode_acceptance(limit))
        if identity.role == NODE:
            methods = NodeMethods(self._registry.members, identity, link, self._registries).methods
        else:
            methods = client_methods(self._registry, identity, link, self._audit)
            methods["page_link"] = partial(self._link_to_page, identity)
        refuse = partial(self._refuse, identity, link)
        permitted = {
            name: methods[name] if identity.role in roles else partial(refuse, name)
            for name, roles in PERMITTED.items()
        }
        Calls(stream, Serving(permitted, failed=log_some_failures), takes=limit)

    def _link_to_page(self, identity: Identity) -> str:
        assert identity.key is not None  # noqa: S101  # for the type checker: no ticket is taken here
        return self.page_link(identity.key)

    def _refuse(self, identity: Identity, link: Link, name: str, *args: Any, **kwargs: Any) -> None:
        needed, proved = " or ".join(PERMITTED[name]), identity.role
        error = ForbiddenRole(f"{name}() needs the role {needed}; {identity.name!r} proved the role {proved}")
        refused("registry: ForbiddenRole", f"registry: {link.peer} was refused: {error}", peer=link.peer)
        self._audit.refused(name, error, link.peer_address, identity, *args[:1])
        raise error


def client_methods(registry: Registry, identity: Identity, link: Link, audit: Audit) -> Methods:
    """What clients and operators call; not all of it is for both."""
    peer = link.peer_address
    host = peer[0] if isinstance(peer, tuple) else "the registry's machine"
    create = partial(registry.create, creator=creator(identity.name, host))
    issuer = Issuer(identity.role, identity.name)

    def lookup(names: list[str], waits: bool = True) -> list[Location | None]:
        locations: list[Location | None] = []
        for actor in registry.lookup(names, waits):
            locations.append(_location(actor, issuer) if actor else None)
            if len(locations) % IN_A_ROW == 0:
                gevent.sleep(0)
        return locations

    def wait(name: str, timeout: float | None) -> ActorInfo:
        return registry.wait(name, timeout, cancelled=lambda: link.ended is not None)

    def facts(name: str) -> ActorFacts:
        if registry.find(check_name(name)) is None:
            raise ActorNotFound(f"no actor is named {name!r}")
        if (found := registry.survey.facts(name)) is None:
            raise WorkerUnavailable(
                f"no worker tells of {name!r}: it is on none just now, or on one that is busy"
            )
        return found

    return {
        "lookup": lookup,
        "wait": wait,
        "list": registry.list_actors,
        "watch": registry.watching.watch,
        "workers": registry.list_workers,
        "load": registry.survey.look,
        "facts": facts,
        "define": registry.define,
        "create": counters.creates.counted(audit.creating(create, identity, peer)),
        "destroy": counters.destroys.counted(
            audit.destroying(registry.destroy, registry.find, identity, peer)
        ),
        "drain": audit.draining(registry.drain, identity, peer),
    }


def _location(actor: Actor, issuer: Issuer) -> Location:
    """Where it is, and what lets the client in there."""
    info, key = actor.info, actor.worker.key
    if key is None or info.coming:
        return Location(info)
    return Location(info, *issuer.issue(key, info.name, info.epoch))


class NodeMethods:
    """What one worker may call, and ``blame`` whoever watches over it."""

    def __init__(
        self, members: Members, identity: Identity, link: Link, registries: Callable[[], list[str]]
    ) -> None:
        self._members = members
        self._registries = registries
        self._key = identity.key
        self._link = link
        self._worker: Worker | None = None
        self.methods: Methods = {"register": self._register, "blame": members.blame}
        told = (members.started, members.ended, members.exited, members.snapshot, members.problem)
        for method in (*told, members.child_ended, members.leaving, members.goodbye):
            self.methods[method.__name__] = partial(self._about_itself, method)
        self.methods |= {
            "beat": self._beat,
            "reported": self._reported,
            "child_silent": self._child_silent,
        }

    def _register(
        self,
        id: bytes,
        address: str,
        process: list[Any],
        runtime: str,
        reports: list[Any],
        parent: bytes = b"",
    ) -> tuple[float, list[Life], float, list[str]]:
        """Returns the lease, how many seconds without a sign of life end it, lives that are to end, the time
        by which tickets are made, and the addresses of all registries."""
        told = [Report.from_wire(report) for report in reports]
        check_worker(id, address, runtime, parent, [report.life for report in told])
        known_as = Process.from_wire(process)
        stream = self._link.open(Dial("worker"), label=f"worker {address}")
        stream.wait_accepted()
        node = Node(Calls(stream), known_as, self._disconnect, set(), self._key)
        stream.call_at_end(lambda error: self._disconnect())  # a worker that cannot be told anything is none
        worker, doomed = self._members.register(node, id, address, runtime, told, parent)
        self._worker = worker
        self._link.call_at_end(lambda reason: _spawn(self._members.link_ended, worker, node))
        return self._members.lease, [actor.life for actor in doomed], time.time(), self._registries()

    def _beat(self, *told: Any) -> tuple[float, list[bytes], list[str]] | None:
        answer = self._about_itself(self._members.beat, *told)
        return None if answer is None else (*answer, self._registries())

    def _reported(self, life: list[Any], phase: str) -> None:
        report = Report.from_wire([life, phase])
        check_lives([report.life])
        self._about_itself(self._members.reported, report)

    def _child_silent(self, id: bytes, address: str, process: list[Any], life: list[Any]) -> None:
        told = Process.from_wire(process), Life.from_wire(life)
        check_worker(id, address, "", b"", [told[1]])
        self._about_itself(self._members.child_silent, id, address, *told)

    def _disconnect(self) -> None:
        _spawn(self._link.close)

    def _about_itself(self, method: Callable[..., Any], *args: Any) -> Any:
        return None if self._worker is None else method(self._worker, *args)


def check_worker(id: Any, address: Any, runtime: Any, parent: Any, lives: Iterable[Life]) -> None:
    """What a worker says of itself is told to all others, and kept for the next registry.

    Raises ProtocolError.
    """
    texts = isinstance(address, str) and isinstance(runtime, str) and _is_short(address + runtime)
    places = texts and _is_address(address)
    ids = isinstance(id, bytes) and isinstance(parent, bytes) and 0 < len(id) <= ID_LIMIT >= len(parent)
    if not (places and ids):
        raise ProtocolError("malformed description of a worker")
    check_lives(lives)


def check_lives(lives: Iterable[Life]) -> None:
    """An epoch that no clock reaches in a century would leave none for those after it.

    Raises ProtocolError.
    """
    last = (time.time() + CENTURY) * 1_000_000
    for life in lives:
        if not 0 < life.epoch < last:
            raise ProtocolError("malformed description of a worker")
        check_name(life.name)


def _is_short(text: str) -> bool:
    """Whether it may be told to others, and stand in a line of their logs."""
    return len(text) <= TEXT_LIMIT and text.isprintable()


def _is_address(text: str) -> bool:
    try:
        return str(parse(text)) == text
    except ConfigError:
        return False


def _no_page(key: Key) -> str:
    raise PageNotShown("this registry shows no page; start it with http = 127.0.0.1:9080, say")


def _spawn(function: Callable[..., None], *args: Any) -> None:
    gevent.spawn(function, *args)
