"""Which workers live: a key for each, kept by every registry that hears it, and gone when none does."""

from __future__ import annotations

import hashlib
import logging
import math
import time

import gevent
from gevent.pool import Group

from stractory.errors import StoreError
from stractory.store.etcd import operations
from stractory.store.etcd.client import KEEP_ALIVES, REQUEST_LIMIT, Client, InDoubt
from stractory.store.etcd.layout import DEAD, Layout
from stractory.store.etcd.signs import Signs

log = logging.getLogger(__name__)

STEP = 0.25
"""Seconds in which signs of life are gathered."""

RETRY = 1.0
"""Seconds after what was not foreseen."""

LEADER = 30.0
"""Seconds between looks at which member of etcd leads."""


class Presence:
    """The keys ``workers/ID``. Their leases last for ``seconds``, or a little longer.

    The id of a lease is made of the worker's: so there is one, whoever keeps it.
    """

    def __init__(self, client: Client, layout: Layout) -> None:
        self._client = client
        self._renewing = client.another()
        self._signs = Signs(15.0)
        self._layout = layout
        self._there: set[bytes] = set()
        self._missing: set[bytes] = set()  # of which the key could not be made
        self._keeper: gevent.Greenlet[[], None] | None = None
        self._revoking = Group()
        self._looked = -LEADER  # which member leads
        self._failing = False

    @property
    def seconds(self) -> float:
        return self._signs.lease

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._signs.lease = seconds

    def __contains__(self, id: bytes) -> bool:
        """Whether this registry has told the others of it."""
        return id in self._there

    def come(self, id: bytes) -> None:
        """A worker has registered: returns when the others can know, or etcd cannot tell them yet."""
        self._there.add(id)
        if self._keeper is None:
            self._keeper = gevent.spawn(self._keep)
        self._tell(id)

    def heard(self, id: bytes) -> None:
        """It has given a sign of life."""
        self._signs.heard(id, time.monotonic())

    def gone(self, id: bytes) -> None:
        """It is dead for certain: the others need not wait for its lease."""
        self.forget(id)
        self._revoking.spawn(self._revoke, id)

    def forget(self, id: bytes) -> None:
        """It is none of this registry's workers any more."""
        self._signs.forget(id)
        self._there.discard(id)
        self._missing.discard(id)

    def close(self) -> None:
        """Keep none any more; others may. They have been told of the dead, unless etcd does not answer."""
        if self._keeper is not None:
            self._keeper.kill()
        self._revoking.join(REQUEST_LIMIT)
        self._revoking.kill()
        self._renewing.close()

    def _tell(self, id: bytes) -> None:
        try:
            self._make(id)
        except (StoreError, InDoubt) as error:
            level = logging.DEBUG if self._missing else logging.WARNING
            log.log(level, "the other registries do not hear of a worker yet: %s", error)
            if id in self._there:  # it may have gone meanwhile
                self._missing.add(id)
        else:
            self._missing.discard(id)

    def _revoke(self, id: bytes) -> None:
        key, lease = self._layout.worker(id), self._lease_of(id)
        dead = operations.put(key, self._layout.sealed(key, DEAD), lease)
        try:
            self._client.transact([operations.present(key)], [dead])
        except (StoreError, InDoubt) as error:
            log.debug("the other registries are not told that it is certain: %s", error)
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
            try:
                self._keep_all()
            except Exception:  # whatever it is, all workers would be given up if this were the end
                log.exception("leases of workers are not renewed")
                gevent.sleep(RETRY)

    def _keep_all(self) -> None:
        """Renew what is to be renewed now."""
        if time.monotonic() - self._looked > LEADER:  # any other asks it for each lease
            self._looked = time.monotonic()
            self._renewing.prefer_leader()
        for id in self._missing.intersection(self._signs.fresh(time.monotonic())):
            if id in self._there:  # those before may have taken long
                self._tell(id)
        asked: set[bytes] = set()
        while ids := self._next(asked):
            self._renew(ids)
            asked.update(ids)

    def _next(self, asked: set[bytes]) -> list[bytes]:
        """Some whose leases are to be renewed, by what is known now: those before may have taken long."""
        fresh = self._signs.fresh(time.monotonic())
        left = self._there - self._missing - asked
        return [id for id in fresh if id in left][:KEEP_ALIVES]

    def _renew(self, ids: list[bytes]) -> None:
        leases = {self._lease_of(id): id for id in ids}
        sent = time.monotonic()
        try:
            left = self._renewing.keep_alive([*leases])
        except StoreError as error:  # no answer is no loss: as long as the sign counts
            level = logging.DEBUG if self._failing else logging.WARNING
            log.log(level, "leases of workers are not renewed until etcd answers: %s", error)
            self._failing = True
            return
        self._failing = False
        for lease, id in leases.items():
            if left.get(lease) == 0 and id in self._there:  # etcd has lost it, and it was heard just now
                self._missing.add(id)
            elif lease in left and id in self._there:
                self._signs.renewed(id, sent)
