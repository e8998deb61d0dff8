"""The links of those who proved who they are, and the end of those whose name is revoked."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import gevent

from stractory.errors import AuthError
from stractory.net.handshake import Identity
from stractory.net.keys import KeyRing
from stractory.net.link import Link

log = logging.getLogger(__name__)


class ProvedLinks:
    """The links of one process, each until it is over, by proof of ``keys``."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._identities: dict[Link, Identity] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._identities))

    def add(self, link: Link, identity: Identity) -> None:
        """Raises AuthError where the name was revoked since the proof."""
        if identity.name in self._keys.revoked:
            raise AuthError(f"a peer proved the name {identity.name}, which was just revoked")
        self._identities[link] = identity
        link.call_at_end(lambda reason: self._forget(link))

    def _forget(self, link: Link) -> None:
        del self._identities[link]

    def end_revoked(self) -> None:
        """End those whose name the keys revoke by now, at once: what is queued for them is not waited for."""
        for link, identity in list(self._identities.items()):
            if identity.name in self._keys.revoked:
                log.warning("%s is revoked: the link ends", link.peer)
                gevent.spawn(link.close, linger=0)
