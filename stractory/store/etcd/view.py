"""What the rules of all stores see and leave of one name in etcd. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stractory.store.etcd.layout import Layout, Numbers
from stractory.store.etcd.operations import Entry
from stractory.store.interface import Record
from stractory.store.rules import DEFINITION, EPOCH, LATEST, RECORD
from stractory.wire.codec import pack

Seen = Mapping[bytes, Entry | None]
"""What was there, by key; None where nothing was."""


class View:
    """Entries of ``name`` that were ``seen``, and those that are to be written.

    ``next``: an epoch above all that were given. ``known_as``: the draft by which whoever makes the change
    knows the life that is there, 0 where that is another than it is about. ``by``: the id of this registry.
    ``unreferred``: definitions to which a record does not refer any more.
    """

    def __init__(
        self,
        layout: Layout,
        numbers: Numbers,
        seen: Seen,
        name: str,
        next: int,
        known_as: int | None,
        by: bytes,
    ) -> None:
        self.unreferred: set[bytes] = set()
        self._layout = layout
        self._seen = seen
        self._name = RECORD + name.encode()
        self._ending = layout.ending(name)
        self._next = next
        self._by = by
        self._there = layout.record(seen.get(layout.key(self._name)), seen.get(self._ending), numbers)
        self._known = self._there
        if self._there is not None and known_as is not None:
            self._known = _with_epoch(self._there, known_as) if known_as else None
        self._changed: dict[bytes, Any] = {}
        self._uses: dict[bytes, bytes | None] = {}

    # ---- as rules.Entries ------------------------------------------------------------------------------

    def get(self, key: bytes) -> Any:
        if key in self._changed:
            return self._changed[key]
        if key == self._name:
            return self._known
        if key[:1] == LATEST:
            stamp = self._layout.content(self._seen.get(self._layout.key(key)))
            return None if stamp is None else tuple(stamp)
        return True if key[:1] == DEFINITION else None  # it is put there before, whoever refers to it

    def put(self, key: bytes, value: Any) -> None:
        if key[:1] not in (EPOCH, DEFINITION):
            self._changed[key] = value

    def number(self, record: Record) -> Record:
        return _with_epoch(record, self._next)._replace(by=self._by)

    def refer(self, digest: bytes, name: str, step: int) -> None:
        key = self._layout.uses_of(digest) + name.encode()
        self._uses[key] = self._layout.sealed(key, b"") if step > 0 else None
        if step < 0:
            self.unreferred.add(digest)

    # ---- what follows ----------------------------------------------------------------------------------

    def writes(self) -> dict[bytes, bytes | None]:
        """Values by key; None takes one away."""
        found: dict[bytes, bytes | None] = {}
        for key, value in self._changed.items():
            if key == self._name:
                found |= self._writes_of(value)
            else:
                there = self._layout.key(key)
                found[there] = None if value is None else self._layout.sealed(there, pack(value))
        return found | self._uses

    def litter(self) -> dict[bytes, bytes | None]:
        """What lies there instead of the record, and is none: others wait until it goes."""
        name = self._layout.key(self._name)
        return {name: None} if self._there is None and self._seen.get(name) else {}

    def _writes_of(self, record: Record | None) -> dict[bytes, bytes | None]:
        """The name is written for a new life, and where more is different than that it is to end."""
        layout, name = self._layout, self._layout.key(self._name)
        found: dict[bytes, bytes | None] = {self._ending: None} if self._seen.get(self._ending) else {}
        if record is None:
            return {**found, name: None}
        if record.epoch == self._next:
            return {**found, name: layout.record_value(record, numbered=False)}
        if self._there is not None and self._known is not None and record.epoch == self._known.epoch:
            record = _with_epoch(record, self._there.epoch)
        if record.ending:
            ending = self._seen.get(self._ending)
            found[self._ending] = layout.ending_value(record)
            if ending is not None and ending.value == found[self._ending]:
                del found[self._ending]
        there = self._there
        if there is None or there != record._replace(
            ending=there.ending, given_up=there.given_up, by=there.by
        ):
            mine = record._replace(by=self._by) if record.ending else record  # to be known when it is heard
            found[name] = layout.record_value(mine, numbered=True)
        return found


def _with_epoch(record: Record, epoch: int) -> Record:
    return record._replace(life=record.life._replace(epoch=epoch))
