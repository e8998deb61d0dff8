"""What registries with one prefix tell each other through it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import gevent

from stractory.errors import StoreError
from stractory.store.etcd import operations
from stractory.store.etcd.client import Client
from stractory.store.etcd.feed import Feed
from stractory.store.etcd.layout import Layout, Numbers, Place
from stractory.store.etcd.presence import Presence
from stractory.store.etcd.seat import Seat
from stractory.store.interface import Contents, News

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds after which a registry tells again where it is."""


class EtcdSharing:
    """A Sharing. ``read``: what there is, and at which revision. ``mark_again``: as of a Feed."""

    def __init__(
        self,
        client: Client,
        layout: Layout,
        numbers: Numbers,
        seat: Seat,
        read: Callable[[], tuple[Contents, int]],
        mark_again: Callable[[], None],
    ) -> None:
        self.id = seat.id
        self.presence = Presence(client, layout)
        self.worker_came = self.presence.come
        self.worker_heard = self.presence.heard
        self.worker_gone = self.presence.gone
        self.worker_forgotten = self.presence.forget
        self._client = client
        self._layout = layout
        self._watching = client.another()
        self._seat = seat
        self._joining: gevent.Greenlet[[], None] | None = None
        self._read = read
        self._feed = Feed(self._watching, layout, numbers, read, mark_again)

    def load(self) -> Contents:
        """What there is; news() begins with what happens after that. Raises StoreError."""
        contents, self._feed.revision = self._read()
        return contents

    @property
    def lease(self) -> float:
        return self.presence.seconds

    @lease.setter
    def lease(self, seconds: float) -> None:
        self.presence.seconds = seconds

    def join(self, address: str) -> None:
        self._seat.announce(Place(address, float(self.lease)))
        if self._joining is not None:
            self._joining.kill()
        if not self._has_joined(logging.WARNING):  # nor does a worker come before, or anything change
            self._joining = gevent.spawn(self._join)

    def _join(self) -> None:
        while True:
            gevent.sleep(RETRY)
            if self._has_joined(logging.DEBUG):
                return

    def _has_joined(self, level: int) -> bool:
        try:
            self._seat.renew(0.0)
            self._compare_leases()
        except StoreError as error:
            log.log(level, "the other registries do not know yet where this one is: %s", error)
            return False
        return True

    def _compare_leases(self) -> None:
        """Of one that is silent each registry has to think the same. Raises StoreError."""
        folder = self._layout.registries
        for entry in self._client.range(operations.range_of(folder, operations.end_of(folder))).entries:
            place = self._layout.place(entry)
            if place is not None and place.address and place.lease != self.lease:
                log.error(
                    "heartbeat-timeout is %g s here and %g s at registry %s: set the same for all",
                    self.lease,
                    place.lease,
                    place.address,
                )

    def news(self) -> Iterator[News]:
        return self._feed.news()

    def close(self) -> None:
        """Have the others know that this registry is no more."""
        if self._joining is not None:
            self._joining.kill()
        self.presence.close()
        self._watching.close()
        try:
            self._seat.leave()
        except StoreError as error:  # they will by themselves
            log.warning("the other registries do not know yet that this one has ended: %s", error)
