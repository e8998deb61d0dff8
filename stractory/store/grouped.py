"""What the stores share that outlive the registry: changes are gathered, and written in groups.

They are handed in by green threads. One of the store's own takes all that have come meanwhile and has them
written together: that costs hardly more for hundreds of changes than for one.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from stractory.errors import StoreError
from stractory.store import rules
from stractory.store.interface import Record, Snapshot, check_size
from stractory.store.rules import LATEST, QUARANTINE, RECORD
from stractory.wire.codec import encode_value
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds after which what could not be written, and cannot be refused, is tried again."""


@dataclass(slots=True, eq=False)
class Change:
    """``touches``: the entries it has to know. ``lasting``: it is tried until it is written.

    Of a creation ``draft`` is the epoch of the record, ``definition`` what that refers to, and ``worker`` the
    id of its worker; it is ``fresh`` where nothing is to be replaced. ``about``: the epoch of the life that
    something else is about, which may be such a draft, and ``ends`` where nothing remains of that, for
    certain. ``dead``: the id of a worker that must not live. ``work``: what the store makes of it.
    """

    make: Callable[[Any], Any]
    touches: tuple[bytes, ...] = ()
    lasting: bool = True
    size: int = 0
    draft: int = 0
    definition: Definition | None = None
    worker: bytes = b""
    dead: bytes = b""
    fresh: bool = False
    about: int = 0
    ends: bool = False
    work: Any = None
    result: AsyncResult[Any] = field(default_factory=AsyncResult)


class GroupedStore(ABC):
    """As Store, but for what reads. ``title``: how errors speak of it."""

    lasting = True
    apart = False
    """Whether no two changes of a group may touch the same entry."""
    group_limit = 500
    """Most changes in a group."""
    group_size = 4 * 1024 * 1024
    """Bytes of snapshots and options from which on no more changes join a group."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.failing = False
        self._changes: deque[Change] = deque()
        self._writer: gevent.Greenlet[[], None] | None = None
        self._closing = Event()

    # ---- as in Store ---------------------------------------------------------------------------------

    def create(
        self, record: Record, definition: Definition | None, replaces: int | None = None, dead: bytes = b""
    ) -> AsyncResult[int | None]:
        size = _options_size(record)
        make = partial(rules.create, record=record, definition=definition, replaces=replaces)
        touches = _keys(record.name, RECORD, LATEST)
        workers = record.worker, dead
        change = Change(make, touches, False, size, record.epoch, definition, *workers, replaces is None)
        return self._hand_in(change)

    def adopt(self, record: Record) -> AsyncResult[bool]:
        size = _options_size(record)
        make = partial(rules.adopt, record=record)
        return self._hand_in(Change(make, _keys(record.name, RECORD), size=size))

    def update(self, record: Record) -> AsyncResult[bool]:
        size = _options_size(record)
        make = partial(rules.update, record=record)
        return self._hand_in(Change(make, _keys(record.name, RECORD), size=size, about=record.epoch))

    def delete(self, name: str, epoch: int, dead: bytes = b"") -> AsyncResult[bool]:
        make = partial(rules.delete, name=name, epoch=epoch)
        return self._hand_in(Change(make, _keys(name, RECORD, LATEST), about=epoch, ends=not dead, dead=dead))

    def save_snapshot(self, snapshot: Snapshot) -> AsyncResult[bool]:
        check_size(snapshot)
        make = partial(rules.save_snapshot, snapshot=snapshot)
        touches = _keys(snapshot.name, RECORD, LATEST)
        return self._hand_in(Change(make, touches, lasting=False, size=len(snapshot.state)))

    def quarantine(self, digest: bytes, until: float) -> AsyncResult[bool]:
        make = partial(rules.quarantine, digest=digest, until=until)
        return self._hand_in(Change(make, (QUARANTINE + digest,)))

    def settle(self) -> AsyncResult[bool]:
        return self._hand_in(Change(lambda entries: True, lasting=False))

    def close(self) -> None:
        """Write what was handed in."""
        self._closing.set()
        if self._writer is not None:
            self._writer.join()

    # ---- groups --------------------------------------------------------------------------------------

    @abstractmethod
    def _write(self, group: list[Change]) -> list[Any]:
        """Make all these changes durable; returns what each gives. Waits, and may raise anything.

        Then none of them has been made, but those whose result was set.
        """

    def _hand_in(self, change: Change) -> AsyncResult[Any]:
        if self._closing.is_set():
            change.result.set_exception(StoreError(f"{self.title} is closed"))
        else:
            self._changes.append(change)
            if self._writer is None:
                self._writer = gevent.spawn(self._write_all)
        return change.result

    def _write_all(self) -> None:
        """Until nothing is left to do."""
        while self._changes:
            group = self._next_group()
            try:
                made = self._write(group)
            except Exception as error:  # whatever it is, the next group may fare better
                self._failed(group, error)
            else:
                if self.failing:
                    self.failing = False
                    log.info("%s can be written again", self.title)
                for change, value in zip(group, made, strict=True):
                    change.result.set(value)
        self._writer = None

    def _next_group(self) -> list[Change]:
        group: list[Change] = []
        touched: set[bytes] = set()
        size = 0
        while self._changes and len(group) < self.group_limit and size < self.group_size:
            change = self._changes[0]
            if self.apart and not touched.isdisjoint(change.touches):
                break
            group.append(self._changes.popleft())
            touched.update(change.touches)
            size += change.size
        return group

    def _failed(self, group: list[Change], error: Exception) -> None:
        text = f"{self.title} cannot be written: {error}"
        if not self.failing:
            self.failing = True
            log.error("%s; no actor can be created until it can", text)
        kind = type(error) if isinstance(error, StoreError) else StoreError
        left = [change for change in group if not change.result.successful()]
        for change in left:
            change.result.set_exception(kind(text))
        lasting = [change for change in left if change.lasting]
        if lasting and self._closing.is_set():
            log.error("%d changes of what is in the registry's store were not written", len(lasting))
        elif lasting:
            self._try_again(lasting, kind(text))
            self._closing.wait(RETRY)

    def _try_again(self, lasting: list[Change], error: StoreError) -> None:
        """Put these before all others. What would have to wait for them, and may fail, does."""
        wanted = [change for change in lasting if not self._is_moot(change)]
        held_up = {key for change in wanted for key in change.touches}
        behind, self._changes = self._changes, deque(wanted)
        for change in behind:
            waits = not held_up.isdisjoint(change.touches) if change.touches else bool(wanted)
            if change.lasting or not waits:
                self._changes.append(change)
            else:
                change.result.set_exception(error)
            if change.lasting and waits:
                held_up.update(change.touches)

    def _is_moot(self, change: Change) -> bool:
        """Whether what it is about has ended since; then that is told instead."""
        moot = any(
            later.ends and later.about >= change.about > 0 and set(change.touches) <= set(later.touches)
            for later in self._changes
        )
        if moot:
            change.result.set(False)
        return moot


def _options_size(record: Record) -> int:
    """Bytes. Raises what packing them would, in the midst of other changes; all else came over the wire."""
    return len(encode_value(record.options, "options")) if record.options else 0


def _keys(name: str, *tables: bytes) -> tuple[bytes, ...]:
    return tuple(table + name.encode() for table in tables)
