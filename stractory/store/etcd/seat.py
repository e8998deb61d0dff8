"""This registry among those that share a prefix."""

from __future__ import annotations

import secrets
import time

import gevent
from gevent.lock import RLock

from stractory.errors import StoreError, StoreUnreachable
from stractory.store.etcd import operations
from stractory.store.etcd.client import RETRY, Client, InDoubt
from stractory.store.etcd.layout import Layout, Place
from stractory.store.etcd.leases import Leases
from stractory.store.etcd.operations import Comparison

NONCE = 8
"""Bytes."""

ATTEMPTS = 10
"""Most in a row that find it otherwise than the one before has told: mostly the second does."""

LEASE = 10
"""Seconds after which a registry that stands still counts as gone."""


class Seat:
    """The key ``registries/ID``, which goes with this registry. All that this writes depends on its revision.

    So one that was taken for gone, or whose last words lie in a member that stands still, changes nothing any
    more until it has taken its seat anew. And when a registry does not know whether a transaction of its own
    was done, it renews its seat: then that was done, or never will be.
    """

    def __init__(self, client: Client, layout: Layout) -> None:
        self.id = secrets.token_bytes(16)
        self._client = client
        self._layout = layout
        self._key = layout.registry(self.id)
        self._leases = Leases(client, LEASE, self._lost)
        self._lease = 0  # none
        self._revision = 0
        self._place = Place()
        self._is_stale = True
        self._renewing = RLock()

    def announce(self, place: Place) -> None:
        """Tell the others where this registry is, with the next that is written."""
        self._place = place
        self._is_stale = True

    def doubt(self) -> None:
        """It is not known what became of a transaction: to be renewed before the next."""
        self._is_stale = True

    def renew(self, patience: float) -> None:
        """Have it certain what was done. Raises StoreError."""
        deadline = time.monotonic() + patience
        attempts = 0
        with self._renewing:
            while self._is_stale:
                attempts += 1
                try:
                    self._try_to_renew()
                    if self._is_stale and attempts >= ATTEMPTS:
                        raise StoreUnreachable(
                            "etcd does not let this registry take its seat, and does not say why"
                        )
                except (InDoubt, StoreUnreachable) as error:
                    if time.monotonic() >= deadline:
                        raise error.reason if isinstance(error, InDoubt) else error from None
                    gevent.sleep(RETRY)

    @property
    def condition(self) -> Comparison:
        """What a transaction of this registry compares."""
        return operations.unchanged(self._key, self._revision)

    def taken_for_gone(self) -> StoreUnreachable:
        """The error of a transaction for which that did not hold; the next one finds a new seat."""
        self._is_stale = True
        return StoreUnreachable("etcd has taken this registry for gone, as it was not heard for long")

    def close(self) -> None:
        """Keep it no more."""
        self._leases.close()

    def leave(self) -> None:
        """This registry ends. Raises StoreError; then the others hear of it when the lease has ended."""
        lease, self._lease = self._lease, 0
        self.close()
        if lease:
            self._client.revoke(lease)

    def _lost(self, lease: int) -> None:
        if lease == self._lease:  # else there is another by now
            self._lease, self._is_stale = 0, True

    def _try_to_renew(self) -> None:
        if not self._lease:
            self._lease = self._leases.make()
        value = self._layout.place_value(self._key, self._place, secrets.token_bytes(NONCE))
        put = operations.put(self._key, value, self._lease)
        look = operations.look(self._key)
        try:
            outcome = self._client.transact([self.condition], [put], [look])
        except StoreError as error:
            if "lease not found" in str(error):
                self._lease = 0
                raise self.taken_for_gone() from None
            raise
        if outcome.succeeded:
            self._revision = outcome.revision
            self._is_stale = False
        else:  # an attempt before this was done after all, or its lease has ended
            there = operations.looked(outcome.responses[0])
            self._revision = there.revision if there else 0
