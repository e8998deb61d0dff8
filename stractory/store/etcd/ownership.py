"""Which registry writes below a prefix: one at a time, the latest."""

from __future__ import annotations

import secrets
import time

import gevent

from stractory.errors import StoreError
from stractory.store.etcd import operations
from stractory.store.etcd.client import RETRY, Client, InDoubt
from stractory.store.etcd.operations import Comparison, Entry


class Ownership:
    """The key ``owner``. All that its owner writes depends on its revision.

    So one that was taken for dead, or whose last words lie in a member that stands still, changes nothing any
    more once another has taken over. And when an owner does not know whether a transaction of its own was
    done, it renews its ownership: then that was done, or never will be.
    """

    def __init__(self, client: Client, key: bytes) -> None:
        self._client = client
        self._key = key
        self._revision = 0
        self._value = b""
        self._is_stale = False

    def take(self, patience: float) -> None:
        """Be the owner, whoever was it before. Raises StoreError."""
        self._value = secrets.token_bytes(16)
        before = self._read(patience)
        self._revision = before.revision if before else 0
        self._is_stale = True
        self.renew(patience)

    def doubt(self) -> None:
        """It is not known what became of a transaction: to be renewed before the next."""
        self._is_stale = True

    def renew(self, patience: float) -> None:
        """Have it certain what was done. Raises StoreError, also when another has taken over."""
        deadline = time.monotonic() + patience
        while self._is_stale:
            try:
                self._try_to_renew()
            except InDoubt as doubt:
                if time.monotonic() >= deadline:
                    raise doubt.reason from None
                gevent.sleep(RETRY)

    @property
    def condition(self) -> Comparison:
        """What a transaction of the owner's compares."""
        return operations.unchanged(self._key, self._revision)

    def lost(self) -> StoreError:
        """The error of a transaction for which that did not hold."""
        return StoreError(
            "another registry has been started with the same etcd-prefix, and has taken over: "
            "stop one of them, or give each a prefix of its own"
        )

    def _try_to_renew(self) -> None:
        value = self._value + secrets.token_bytes(8)
        outcome = self._client.transact(
            [self.condition], [operations.put(self._key, value)], [operations.look(self._key)]
        )
        if outcome.succeeded:
            self._revision = outcome.revision
        else:  # an attempt before this was done after all, or another has it
            there = operations.looked(outcome.responses[0])
            if there is None or not there.value.startswith(self._value):
                raise self.lost()
            self._revision = there.revision
        self._is_stale = False

    def _read(self, patience: float) -> Entry | None:
        found = self._client.range(operations.range_of(self._key), patience).entries
        return found[0] if found else None
