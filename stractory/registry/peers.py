"""The other registries that share the store: what they do there is known here as well.

Each name is in every directory: as soon as the store tells of it, or its worker does, whichever is first.
When a registry is gone, so are its promises: nobody knows whether it had them carried out.
"""

from __future__ import annotations

import hashlib
import logging
import time

import gevent

from stractory.errors import StoreError
from stractory.registry.changes import Changes
from stractory.registry.directory import Directory
from stractory.registry.ledger import Ledger
from stractory.registry.living import Living
from stractory.registry.observer import Observer
from stractory.registry.orders import Orders
from stractory.registry.quarantine import Quarantine
from stractory.registry.records import Actor, State
from stractory.store.interface import (
    Anew,
    Begun,
    Contents,
    EndOrdered,
    Freed,
    GivenUp,
    News,
    Quarantined,
    Record,
    RegistryGone,
    RegistryThere,
    Sharing,
    WorkerGone,
    WorkerThere,
)

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds after which the store is asked again."""

GRACE = 3.0
"""Seconds in which workers tell what a registry that is gone has had them start."""


class Peers(Observer):
    """Of the registry ``sharing``; of one that shares nothing there are none. Observes ``directory``.

    ``living`` is told what they tell of workers.
    """

    def __init__(
        self,
        directory: Directory,
        ledger: Ledger,
        orders: Orders,
        quarantine: Quarantine,
        changes: Changes,
        sharing: Sharing | None,
        living: Living,
    ) -> None:
        self._directory = directory
        self._ledger = ledger
        self._orders = orders
        self._quarantine = quarantine
        self._changes = changes
        self._sharing = sharing
        self._living = living
        self._registries: dict[bytes, str] = dict(ledger.registries)
        directory.observers.append(self)
        if sharing is not None:
            sharing.lease = directory.lease
        self._listening: gevent.Greenlet[..., None] | None = None

    @property
    def addresses(self) -> list[str]:
        """Where all registries are, this one first; none where there are no others."""
        if self._sharing is None:
            return []
        own = self._registries.get(self._sharing.id, "")
        others = sorted({*self._registries.values()} - {"", own})  # of a place the last may be in yet
        return [own, *others] if own else []

    @property
    def count(self) -> int:
        """How many registries share the store, with this one."""
        return max(1, len(self._registries))

    def there(self) -> bool:
        """Whether there are any."""
        return self._sharing is not None and bool(self._registries.keys() - {self._sharing.id})

    def rank(self, name: str) -> int:
        """How many turns this registry waits before it makes an actor again, or takes out what was to end.

        If there are others: one for each that is to be first, and one for who was asked to end it for good.
        """
        return 1 + self.place(name) if self.there() else 0

    def place(self, name: str) -> int:
        """How many registries are before this one to see to a name."""
        if self._sharing is None or not self.there():
            return 0
        own = _weight(self._sharing.id, name)
        return sum(_weight(id, name) < own for id in self._registries)

    def join(self, address: str) -> None:
        """Tell the others where this registry is."""
        if self._sharing is not None:
            self._registries[self._sharing.id] = address
            self._predecessor_gone(address, self._sharing.id)
            for other in self.addresses[1:]:
                log.info("registry %s shares the store", other)
            self._sharing.join(address)

    def listen(self) -> None:
        """Hear of them, from now on."""
        if self._sharing is not None:
            self._listening = gevent.spawn(self._listen, self._sharing)

    def close(self) -> None:
        """And no more."""
        if self._listening is not None:
            self._listening.kill()

    # ---- as Observer -----------------------------------------------------------------------------------

    def overtaken(self, actor: Actor) -> None:
        if actor.state is State.RUNNING and actor.worker.id in self._orders.nodes:  # for all it says
            self._orders.end_there(actor)

    # ---- what is heard ---------------------------------------------------------------------------------

    def _listen(self, sharing: Sharing) -> None:
        failing = False
        while True:
            try:
                for news in sharing.news():
                    failing = False
                    self._hear_at_last(news)
            except StoreError as error:
                level = logging.DEBUG if failing else logging.WARNING
                log.log(level, "what other registries do is not heard until etcd tells it: %s", error)
                failing = True
            except Exception:
                log.exception("what other registries do is not understood")
            gevent.sleep(RETRY)

    def _hear_at_last(self, news: News) -> None:
        """It is told once: what the store does not answer about it just now is asked again.

        And with others, which are none the worse for one that is not understood.
        """
        level = logging.WARNING
        while True:
            try:
                self._hear(news)
                return
            except StoreError as error:
                log.log(level, "what other registries do is not heard yet: %s", error)
                level = logging.DEBUG
            except Exception:
                log.exception("what another registry does is not understood: %s", type(news).__name__)
                return
            gevent.sleep(RETRY)

    def _hear(self, news: News) -> None:
        match news:
            case Begun(record):
                self._begun(record)
            case EndOrdered(name, epoch):
                self._end_ordered(name, epoch)
            case GivenUp(name, epoch):
                self._given_up(name, epoch)
            case Freed(name, epoch):
                self._ledger.heard_freed(name, epoch)
                self._changes.notify(name)
            case Quarantined(digest, until):
                self._quarantine.hear(digest, until)
            case WorkerThere(id):
                self._living.hear_there(id)
            case WorkerGone(id, proved):
                self._living.hear_gone(id, proved)
            case RegistryThere(id, address):
                self._registry_there(id, address)
            case RegistryGone(id):
                self._registry_gone(id)
            case Anew(contents):
                self._hear_anew(contents)

    def _begun(self, record: Record) -> None:
        if record.given_up:  # and is in nobody's way
            return
        self._ledger.heard_begun(record, time.monotonic())
        if record.ending:
            self._end_ordered(record.name, record.epoch)
        self._changes.notify(record.name)

    def _end_ordered(self, name: str, epoch: int) -> None:
        actor = self._directory.find(name)
        if actor is None or actor.epoch != epoch:
            return
        self._ledger.heard_let_go(actor)
        if actor.state is State.WAITING:
            self._orders.ended(actor)
        elif not actor.is_ending:
            actor.ended_here = self.place(name) == 0  # whoever was asked may have no link
            self._orders.begin_end(actor)

    def _given_up(self, name: str, epoch: int) -> None:
        actor = self._ledger.heard_given_up(name, epoch)
        if actor is None:
            return
        if actor.worker.id in self._orders.nodes:  # it is not out of reach here
            self._orders.end_there(actor)
        self._changes.notify(name)

    def _registry_there(self, id: bytes, address: str) -> None:
        if address and address != self._registries.get(id):
            does = "was started anew" if address in self._registries.values() else "shares the store"
            log.info("registry %s %s", address, does)
        self._registries[id] = address
        self._predecessor_gone(address, id)

    def _predecessor_gone(self, address: str, id: bytes) -> None:
        """Who was at this address before is dead, though its lease is not over yet: nobody waits for that."""
        assert self._sharing is not None  # noqa: S101  # for the type checker
        same = {other for other, where in self._registries.items() if where == address and address}
        for other in same - {id, self._sharing.id}:
            self._registry_gone(other)

    def _registry_gone(self, id: bytes) -> None:
        if self._sharing is not None and id == self._sharing.id:  # taken for gone, as it stood still
            gevent.spawn(self._sharing.join, self._registries.get(id, ""))
        else:
            address = self._registries.pop(id, "")
            if address and address not in self._registries.values():
                log.info("registry %s has gone", address)
            gevent.spawn(self._end_promises, id)

    def _end_promises(self, registry: bytes) -> None:
        """What it promised is ended, unless its workers tell of it soon: they may not have heard of it."""
        gevent.sleep(GRACE)
        if registry in self._registries:  # it stood still, and sees to them
            return
        for actor in self._directory.promised_by(registry):
            actor.promised_by = b""
            if actor.state is State.PENDING:
                log.warning("actor %r was promised by a registry that is gone: it is ended",
                            actor.name, extra=actor.fields)  # fmt: skip
                self._orders.begin_end(actor)

    def _hear_anew(self, contents: Contents) -> None:
        """As if all had been heard."""
        for id in self._registries.keys() - contents.registries.keys():
            self._hear(RegistryGone(id))
        for id, address in contents.registries.items():
            self._hear(RegistryThere(id, address))
        self._living.hear_all(contents.workers)
        self._quarantine.hear_all(contents.quarantine)
        there = {record.name for record in contents.records}
        for name in self._directory.names() - there:
            self._hear(Freed(name, contents.known_until))
        for record in contents.records:
            self._begun(record)


def _weight(id: bytes, name: str) -> bytes:
    return hashlib.sha256(id + name.encode()).digest()
