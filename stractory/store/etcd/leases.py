"""Leases of etcd that are kept alive together: keys of theirs go when nobody does that any more."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import gevent

from stractory.errors import StoreError
from stractory.store.etcd.client import KEEP_ALIVES, Client

log = logging.getLogger(__name__)


class Leases:
    """Each lives for ``seconds`` after it was renewed last, which is tried three times in that time.

    ``lost`` is called with the id of one that has ended all the same: what it kept has gone.
    """

    def __init__(self, client: Client, seconds: int, lost: Callable[[int], object]) -> None:
        self._client = client
        self._seconds = seconds
        self._lost = lost
        self._ids: set[int] = set()
        self._keeper: gevent.Greenlet[[], None] | None = None
        self._failing = False

    def make(self) -> int:
        """A new one, which is renewed from now on. Raises StoreError."""
        id = secrets.randbelow(2**62) + 1
        self._client.grant(id, self._seconds)
        self._ids.add(id)
        if self._keeper is None:
            self._keeper = gevent.spawn(self._keep)
        return id

    def end(self, id: int) -> None:
        """It ends, with what it keeps. Raises StoreError; then it ends by itself."""
        self._ids.discard(id)
        self._client.revoke(id)

    def close(self) -> None:
        """Renew none any more."""
        self._ids.clear()
        if self._keeper is not None:
            self._keeper.kill()

    def _keep(self) -> None:
        while True:
            gevent.sleep(self._seconds / 3)
            ids = sorted(self._ids)
            try:
                for start in range(0, len(ids), KEEP_ALIVES):
                    self._renew(ids[start : start + KEEP_ALIVES])
            except Exception:  # whatever it is, this is not the end of them
                log.exception("leases of etcd are not renewed")

    def _renew(self, ids: list[int]) -> None:
        try:
            left = self._client.keep_alive(ids)
        except StoreError as error:  # the next time may be better, and is early enough
            level = logging.DEBUG if self._failing else logging.WARNING
            log.log(level, "the lease of this registry is not renewed until etcd answers: %s", error)
            self._failing = True
            return
        self._failing = False
        if missing := [id for id in ids if id not in left]:  # no answer is no loss
            log.warning("etcd has not answered for %d of %d leases", len(missing), len(ids))
        for id in ids:
            if left.get(id) == 0 and id in self._ids:
                self._ids.discard(id)
                self._lost(id)
