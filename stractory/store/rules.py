"""Which changes of a store are allowed, and what follows of them, on whatever keeps its entries. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from stractory.store.interface import Record, Snapshot
from stractory.wire.shipping import Definition

RECORD, LATEST, SNAPSHOT, DEFINITION, USES, QUARANTINE, EPOCH = b"r", b"l", b"s", b"d", b"u", b"q", b"e"
"""Tables; the key of an entry is one of these and its name there, in UTF-8, or a digest.

LATEST: epoch and sequence number of a snapshot. USES: how many records refer to a definition. EPOCH has one
entry, without a name: the highest ever given.
"""


class Entries(Protocol):
    """Values by key; None is none."""

    def get(self, key: bytes, /) -> Any: ...

    def put(self, key: bytes, value: Any, /) -> None: ...

    def number(self, record: Record) -> Record:
        """The record of a new life with its epoch, or with one that is above all others so far."""

    def refer(self, digest: bytes, name: str, step: int) -> None:
        """A record of this name refers to a definition, 1, or does no more, -1."""


def create(
    entries: Entries, record: Record, definition: Definition | None, replaces: int | None
) -> int | None:
    """As Store.create()."""
    record = entries.number(record)
    known = entries.get(RECORD + record.name.encode())
    if known is not None and known.given_up and replaces is None and known.epoch < record.epoch:
        delete(entries, record.name, known.epoch)
        known = None
    if (known is None) is not (replaces is None):
        return None
    fits = known is None or replaces is None or known.epoch <= replaces < record.epoch
    if not fits or (known is not None and known.ending):
        return None
    entries.put(EPOCH, max(record.epoch, entries.get(EPOCH) or 0))
    if definition is not None and entries.get(DEFINITION + definition.digest) is None:
        entries.put(DEFINITION + definition.digest, definition)
    _put_record(entries, record.name, known, record)
    return record.epoch


def adopt(entries: Entries, record: Record) -> bool:
    """As Store.adopt()."""
    known = entries.get(RECORD + record.name.encode())
    if known is not None and known.epoch >= record.epoch:
        return False
    entries.put(EPOCH, max(record.epoch, entries.get(EPOCH) or 0))
    _put_record(entries, record.name, known, record)
    return True


def update(entries: Entries, record: Record) -> bool:
    """As Store.update()."""
    known = entries.get(RECORD + record.name.encode())
    if known is None or known.epoch > record.epoch:
        return False
    if known.epoch == record.epoch and known.given_up:
        record = record._replace(given_up=True)
    _put_record(entries, record.name, known, record)
    return True


def delete(entries: Entries, name: str, epoch: int) -> bool:
    """As Store.delete()."""
    known = entries.get(RECORD + name.encode())
    if known is None or known.epoch > epoch:
        return False
    _put_record(entries, name, known, None)
    if entries.get(LATEST + name.encode()):
        entries.put(LATEST + name.encode(), None)
        entries.put(SNAPSHOT + name.encode(), None)
    return True


def save_snapshot(entries: Entries, snapshot: Snapshot) -> bool:
    """As Store.save_snapshot()."""
    known = entries.get(RECORD + snapshot.name.encode())
    stamp = (snapshot.epoch, snapshot.sequence)
    if known is None or known.epoch != snapshot.epoch:
        return False
    if (latest := entries.get(LATEST + snapshot.name.encode())) and stamp <= latest:
        return False
    entries.put(LATEST + snapshot.name.encode(), stamp)
    entries.put(SNAPSHOT + snapshot.name.encode(), snapshot)
    return True


def quarantine(entries: Entries, digest: bytes, until: float) -> bool:
    """As Store.quarantine()."""
    entries.put(QUARANTINE + digest, until or None)
    return True


def drop(entries: Entries, keys: Iterable[bytes]) -> bool:
    """Take these away."""
    for key in keys:
        entries.put(key, None)
    return True


def _put_record(entries: Entries, name: str, before: Record | None, after: Record | None) -> None:
    entries.put(RECORD + name.encode(), after)
    old = None if before is None else before.definition
    new = None if after is None else after.definition
    if old != new:
        if new is not None:
            entries.refer(new, name, 1)
        if old is not None:
            entries.refer(old, name, -1)


def count(entries: Entries, digest: bytes, step: int) -> None:
    """What refer() is where entries can be counted."""
    uses = (entries.get(USES + digest) or 0) + step
    entries.put(USES + digest, uses or None)
    if not uses:
        entries.put(DEFINITION + digest, None)
