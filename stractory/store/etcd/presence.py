"""Which workers live: a key for each, kept by every registry that hears it, and gone when none does."""

from __future__ import annotations

import hashlib
import logging
import math

import gevent
from gevent.pool import Group

from stractory.errors import StoreError
from stractory.store.etcd import operations
from stractory.store.etcd.client import KEEP_ALIVES, REQUEST_LIMIT, Client, InDoubt
from stractory.store.etcd.layout import Layout

log = logging.getLogger(__name__)

STEP = 0.5
"""Seconds in which signs of life are gathered."""


class Presence:
    """The keys ``workers/ID``. Their leases last for ``seconds``, or a little longer.

    The id of a lease is made of the worker's: so there is one, whoever keeps it.
    """

    def __init__(self, client: Client, layout: Layout) -> None:
        self.seconds = 15.0
        self._client = client
        self._layout = layout
        self._there: set[bytes] = set()
        self._heard: set[bytes] = set()
        self._missing: set[bytes] = set()  # of which the key could not be made
        self._keeper: gevent.Greenlet[[], None] | None = None
        self._revoking = Group()

    def __contains__(self, id: bytes) -> bool:
        """Whether this registry has told the others of it."""
        return id in self._there

    def come(self, id: bytes) -> None:
        """A worker has registered: returns when the others can know, or etcd cannot tell them yet."""
        self._there.add(id)
        if self._keeper is None:
            self._keeper = gevent.spawn(self._keep)
        try:
            self._make(id)
        except (StoreError, InDoubt) as error:
            self._missing.add(id)
            log.warning("the other registries do not hear of a worker yet: %s", error)

    def heard(self, id: bytes) -> None:
        """It has given a sign of life."""
        self._heard.add(id)

    def gone(self, id: bytes) -> None:
        """It is dead for certain: the others need not wait for its lease."""
        self._forget(id)
        self._revoking.spawn(self._revoke, id)

    def close(self) -> None:
        """Keep none any more; others may. They have been told of the dead, unless etcd does not answer."""
        if self._keeper is not None:
            self._keeper.kill()
        self._revoking.join(REQUEST_LIMIT)
        self._revoking.kill()

    def _forget(self, id: bytes) -> None:
        for ids in (self._there, self._heard, self._missing):
            ids.discard(id)

    def _revoke(self, id: bytes) -> None:
        try:
            self._client.revoke(self._lease_of(id), self.seconds)
        except StoreError as error:  # it ends by itself
            log.warning("the other registries are not told that a worker is dead: %s", error)

    def _make(self, id: bytes) -> None:
        """Raises StoreError, and InDoubt."""
        lease, key = self._lease_of(id), self._layout.worker(id)
        self._client.grant(lease, math.ceil(self.seconds))
        put = operations.put(key, self._layout.sealed(key, b""), lease)
        self._client.transact([operations.unchanged(key, 0)], [put])

    def _lease_of(self, id: bytes) -> int:
        digest = hashlib.sha256(self._layout.worker(id)).digest()
        return int.from_bytes(digest[:8], "big") >> 2 | 1

    def _keep(self) -> None:
        while True:
            gevent.sleep(min(STEP, self.seconds / 8))
            for id in self._missing & self._heard:
                self._missing.discard(id)
                self.come(id)
            ids = sorted(self._heard & self._there)
            self._heard.clear()
            for start in range(0, len(ids), KEEP_ALIVES):
                self._renew(ids[start : start + KEEP_ALIVES])

    def _renew(self, ids: list[bytes]) -> None:
        leases = {self._lease_of(id): id for id in ids}
        try:
            left = self._client.keep_alive([*leases])
        except StoreError as error:
            log.warning("leases of workers were not renewed: %s", error)
            left = {}
        for lease, id in leases.items():
            if left.get(lease) == 0 and id in self._there:  # etcd has lost it, and it was heard just now
                self._missing.add(id)
            elif lease not in left and id in self._there:
                self._heard.add(id)  # no answer is no loss: the next time
