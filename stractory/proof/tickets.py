"""Tickets: with them a client proves to a worker, which knows no clients, that the registry sent it.

A registry gives one with each location of an actor, and a secret with it. Both are made with the key of the
role ``node`` by which that worker proved itself to the registry, so the worker can tell that they are
genuine, and needs no other key::

    ticket = msgpack [body: bin, HMAC(K, "ticket", body)]
    body   = msgpack [1, key id: str, actor: str, epoch: uint, role: str, who: str, expires: uint,
                      nonce: bin16]
    secret = HMAC(K, "session", role, who, nonce)

``expires`` is in seconds since 1970 by the registry's clock, which tells workers the time. The nonce is one
for each link between client and registry. Without the secret, which never travels to a worker, a ticket that
somebody else has seen is of no use.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from stractory.errors import AuthError, ProtocolError, StaleTicket
from stractory.proof.handshake import Admit, Claim, Hello, Identity
from stractory.proof.keys import NODE, Key, KeyRing, digest
from stractory.wire.codec import pack, unpack

LIFETIME = 600.0
"""Seconds for which a ticket opens new connections; those there are go on."""

_VERSION = 1


class Ticket(NamedTuple):
    """What one says, each as in the body."""

    key_id: str
    actor: str
    epoch: int
    role: str
    who: str
    expires: int
    nonce: bytes


class Issuer:
    """Makes the tickets of one client, for as long as its link to the registry lasts."""

    def __init__(self, role: str, who: str) -> None:
        self._holder = role, who
        self._nonce = os.urandom(16)
        self._secrets: dict[bytes, bytes] = {}  # by the keys they are made with

    def issue(self, key: Key, actor: str, epoch: int) -> tuple[bytes, bytes]:
        """A ticket and its secret, to this life of an actor, on the worker that proved ``key``."""
        expires = int(time.time() + LIFETIME)
        body = pack([_VERSION, key.id, actor, epoch, *self._holder, expires, self._nonce])
        secret = self._secrets.get(key.secret)
        if secret is None:
            secret = self._secrets[key.secret] = _secret(key, *self._holder, self._nonce)
        return pack([body, digest(key.secret, b"ticket", body)]), secret


class Tickets:
    """Reads those for the worker that has ``keys``. ``now``: the registry's time, seconds since 1970."""

    def __init__(self, keys: KeyRing, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now
        self._read: list[Key] = []  # from the file, when the next were made of them
        self._own: dict[str, Key] = {}  # by id, those by which this worker may have proved itself

    def admit(self, hello: Hello) -> Claim:
        """The claim of a ticket. Raises AuthError, StaleTicket."""
        ticket, key = self._open(hello.get("t"))
        return Claim(ticket.role, ticket.who, _secret(key, ticket.role, ticket.who, ticket.nonce))

    def admit_to(self, actor: str, epoch: int) -> Admit:
        """As admit(), where only one life of an actor is: with another's ticket that is StaleTicket."""

        def admit(hello: Hello) -> Claim:
            ticket, key = self._open(hello.get("t"))
            _check_life(ticket, actor, epoch)
            return Claim(ticket.role, ticket.who, _secret(key, ticket.role, ticket.who, ticket.nonce))

        return admit

    def check(self, packed: bytes, actor: str, epoch: int, holder: Identity) -> None:
        """Raises as admit(), StaleTicket for another life's, and AuthError for somebody else's."""
        ticket, _ = self._open(packed)
        _check_life(ticket, actor, epoch)
        if (ticket.role, ticket.who) != (holder.role, holder.name):
            raise AuthError(
                f"the ticket to {actor!r} is for the {ticket.role} {ticket.who}, "
                f"and this is the link of the {holder.role} {holder.name}"
            )

    def _open(self, packed: Any) -> tuple[Ticket, Key]:
        """One that is genuine and has not expired, of a name that is not revoked; and the key of it."""
        ticket, body, proof = _unpacked(packed)
        key = self._own_keys().get(ticket.key_id)
        if key is None:  # or it was one of ours, before they were changed
            raise StaleTicket("a ticket was made with a key that is none of this worker's")
        if not hmac.compare_digest(proof, digest(key.secret, b"ticket", body)):
            raise AuthError("a ticket was not made for this worker")
        self._keys.check_not_revoked(ticket.who)
        if ticket.expires < self._now():
            raise StaleTicket(f"the ticket to {ticket.actor!r} has expired")
        return ticket, key

    def _own_keys(self) -> dict[str, Key]:
        if self._read is not self._keys.keys:  # they were read again
            self._read = self._keys.keys
            self._own = {key.id: key for key in reversed(self._keys.own(NODE))}
        return self._own


def _check_life(ticket: Ticket, actor: str, epoch: int) -> None:
    if (ticket.actor, ticket.epoch) != (actor, epoch):
        raise StaleTicket(f"{ticket.actor!r} with the epoch {ticket.epoch} is not here: look it up again")


def _unpacked(packed: Any) -> tuple[Ticket, bytes, bytes]:
    try:
        match unpack(packed if isinstance(packed, bytes) else b""):
            case [bytes() as body, bytes() as proof]:
                match unpack(body):
                    case [1, str(), str(), int(), str(), str(), int(), bytes()] as fields:
                        return Ticket(*fields[1:]), body, proof
    except ProtocolError:
        pass
    raise AuthError("malformed ticket")


def _secret(key: Key, role: str, who: str, nonce: bytes) -> bytes:
    return digest(key.secret, b"session", role.encode(), who.encode(), nonce)
