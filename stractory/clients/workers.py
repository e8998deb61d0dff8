"""The client's links to workers: one each, dialled when first needed, with any number of streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import gevent
from gevent.lock import RLock

from stractory.clients import direct
from stractory.clients.direct import DirectStream
from stractory.clients.endpoint import Endpoint
from stractory.errors import (
    ActorLost,
    AuthError,
    ProtocolError,
    StaleTicket,
    StractoryError,
    UnreachableError,
    VersionMismatch,
    WorkerUnavailable,
)
from stractory.net import sockets
from stractory.net.address import Address, address
from stractory.net.calls import Calls
from stractory.net.carrier import BlockingCarrier
from stractory.net.link import Link
from stractory.net.secured import Connection
from stractory.net.stream import Stream
from stractory.net.trust import Trust
from stractory.proof.dial import dial
from stractory.proof.handshake import TIME_LIMIT, prove_to_server
from stractory.wire.dialling import Dial
from stractory.wire.info import Location

HIGHEST = 65535
"""The last port."""

KEY_SIZE = 32
"""Bytes of a key of CURVE."""


class KeyedLocks:
    """A lock for each key, for as long as somebody holds or wants it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[RLock, int]] = {}

    @contextmanager
    def __call__(self, key: str) -> Iterator[None]:
        lock, users = self._locks.get(key) or (RLock(), 0)
        self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


class WorkerLinks:
    """Opens connections to actors. Nothing here has a limit of time: who calls has a deadline.

    ``owner``: the client, which goes with the last of these links and not before.
    """

    def __init__(self, owner: object, trust: Trust) -> None:
        self._owner = owner
        self._trust = trust
        self._links: dict[str, Link] = {}
        self._calls: dict[Link, Calls] = {}
        self._dialling = KeyedLocks()
        self._direct: WeakSet[DirectStream | BlockingCarrier] = WeakSet()

    def open(self, location: Location) -> Stream:
        """A stream to the actor, accepted. Raises WorkerUnavailable, AuthError, ActorLost, StaleLocation."""
        info = location.info
        wanted = Dial("actor", info.name, info.epoch, location.ticket)
        with self._using(location) as link:
            stream = link.open(wanted, f"actor {info.name!r}", ActorLost)
            stream.wait_accepted()
            return stream

    def call(self, location: Location, method: str) -> Any:
        """Ask an actor's worker something about it. Raises WorkerUnavailable, and what the method raises."""
        with self._using(location) as link:
            return self._call(link, location, method)

    @contextmanager
    def _using(self, location: Location) -> Iterator[Link]:
        """The link to there. One that was proved by another name, which the key file had before, is dropped.

        Raises StaleTicket for that: the next one is not.
        """
        worker = location.info.worker
        known = self._links.get(worker)
        link = self._link(location)
        try:
            yield link
        except AuthError as error:
            if link is not known:
                raise
            self._forget(worker, link)
            raise StaleTicket(str(error)) from None

    def _call(self, link: Link, location: Location, method: str) -> Any:
        info = location.info
        try:
            with self._dialling(info.worker):
                calls = self._calls.get(link)
                if calls is None or calls.stream.closed:
                    stream = link.open(Dial("worker"), f"worker {info.worker}")
                    stream.wait_accepted()
                    calls = self._calls[link] = Calls(stream)
            return calls.call(method, info.name, info.epoch, location.ticket, call_timeout=None)
        except ConnectionError as error:  # LinkError is one
            raise WorkerUnavailable(f"actor {info.name!r}: {error}") from error

    def open_port(self, location: Location) -> DirectStream | BlockingCarrier:
        """A connection of its own to the actor's own port. Raises as open()."""
        info, where = location.info, self.endpoint(location)
        if info.kind == "rpc":
            from stractory.actors import zerorpc_session  # ZeroMQ is loaded if needed

            carrier = zerorpc_session.dial(
                where,
                f"actor {info.name!r}",
                info.name,
                info.epoch,
                curve=where.curve,
                may_block=info.isolated,
            )
            self._direct.add(carrier)
            return carrier
        try:
            sock = sockets.connect(where.address)
        except UnreachableError as error:
            raise WorkerUnavailable(f"actor {info.name!r}: {error}") from None
        if info.isolated:
            sockets.tune_for_silence(sock)
        try:
            stream = direct.over(sock if info.public else self._prove(sock, location))
        except BaseException:
            sock.close()
            raise
        self._direct.add(stream)
        return stream

    def _prove(self, sock: Connection, location: Location) -> Connection:
        info = location.info
        limit = None if info.isolated else TIME_LIMIT
        try:
            return prove_to_server(sock, "actor", location, limit, self._trust).connection
        except (AuthError, StaleTicket):
            raise
        except OSError as error:
            raise ActorLost(f"actor {info.name!r}: its own port ended the connection") from error

    def endpoint(self, location: Location) -> Endpoint:
        """The actor's own port, opened by its worker if it was not, which lets in who has its keys.

        Raises as call(), and ProtocolError for what is no port, or one that asks for no key but should.
        """
        info = location.info
        locked, curve = info.kind == "rpc" and not info.public, None
        with self._using(location) as link:
            told = self._call(link, location, "endpoint")
        match told:
            case [int() as port, None] if not locked and 0 < port <= HIGHEST:
                pass
            case [int() as port, bytes() as key] if locked and 0 < port <= HIGHEST and len(key) == KEY_SIZE:
                pass
            case _:
                raise ProtocolError(f"worker {info.worker} told no proper endpoint of {info.name!r}")
        if locked:
            from stractory.actors.curve import client_keys  # ZeroMQ is loaded if needed

            curve = client_keys(key, link.session, info.name, info.epoch)
        return Endpoint(f"tcp://{Address(address(info.worker).host, port)}", curve)

    def close(self) -> None:
        """End all connections."""
        for stream in list(self._direct):
            stream.close()
        reason = "this client was closed"
        gevent.joinall([gevent.spawn(link.close, reason=reason) for link in self._links.values()])

    def _link(self, location: Location) -> Link:
        worker = location.info.worker
        link = self._links.get(worker)
        if link is not None and link.usable:
            return link
        with self._dialling(worker):
            link = self._links.get(worker)
            if link is None or not link.usable:
                try:
                    where, may_block = address(worker), location.info.isolated
                    link = dial(where, "worker", location, trust=self._trust, may_block=may_block)
                except (AuthError, StaleTicket, VersionMismatch):
                    raise
                except (StractoryError, OSError) as error:
                    raise WorkerUnavailable(str(error)) from None
                self._links[worker] = link
                link.call_at_end(partial(self._forget, worker, link))
            return link

    def _forget(self, worker: str, link: Link, reason: str = "") -> None:
        self._calls.pop(link, None)
        if self._links.get(worker) is link:
            del self._links[worker]
