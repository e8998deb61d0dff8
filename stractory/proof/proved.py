"""The links of those who proved who they are: how many, and the end of those whose name is revoked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import gevent

from stractory.errors import StractoryError
from stractory.net.address import spell
from stractory.net.link import Link, Serve
from stractory.net.secured import Connection
from stractory.net.seldom import refused
from stractory.net.stream import Stream
from stractory.proof.handshake import Identity
from stractory.proof.keys import CLIENT, KeyRing
from stractory.wire.dialling import Dial

log = logging.getLogger(__name__)

REFUSED = 1.0
"""Seconds that one who is one too many has to open the stream that is refused."""


class ProvedLinks:
    """The links of one process, a "registry" or "worker", each until it is over, by proof of ``keys``.

    There are ``most`` of them, 0 is any number; the last sixteenth is kept for operators and workers. Who is
    one too many gets the error ``full``.
    """

    def __init__(self, purpose: str, keys: KeyRing, most: int, full: type[StractoryError]) -> None:
        self._purpose = purpose
        self._keys = keys
        self._most = most
        self._full = full
        self._identities: dict[Link, Identity] = {}

    def __len__(self) -> int:
        return len(self._identities)

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._identities))

    def make(self, sock: Connection, peer: Any, identity: Identity, serve: Serve) -> Link:
        """The link over ``sock``, to be run. Raises AuthError where the name was revoked since the proof."""
        self._keys.check_not_revoked(identity.name)
        admitted = not self._is_full(identity)
        who = f"{identity.role} {identity.name} at {spell(peer)}"
        link = Link(sock, dialled=False, peer=who, serve=serve if admitted else self._refuse)
        if admitted:
            self._identities[link] = identity
            link.call_at_end(lambda reason: self._forget(link))
        else:
            refused("links", f"{self._purpose}: {who} is refused: there are {self._most} links", peer=who)
            gevent.spawn_later(REFUSED, link.close)
        return link

    def _is_full(self, identity: Identity) -> bool:
        kept = self._most // 16 if identity.role == CLIENT else 0
        return 0 < self._most <= len(self._identities) + kept

    def _refuse(self, link: Link, stream: Stream, dial: Dial) -> None:
        where = f"{self._purpose} {spell(link.own_address)}"
        error = self._full(f"{where} has its {self._most} links; close some, or raise its links-limit")
        link.refuse_stream(stream, error)
        gevent.spawn(link.close)

    def _forget(self, link: Link) -> None:
        del self._identities[link]

    def end_revoked(self) -> None:
        """End those whose name the keys revoke by now, at once: what is queued for them is not waited for."""
        for link, identity in list(self._identities.items()):
            if identity.name in self._keys.revoked:
                log.warning("%s is revoked: the link ends", link.peer, extra={"peer": link.peer})
                gevent.spawn(link.close, linger=0)
