"""The store in a file of the registry's machine.

Changes are handed in by green threads. One of its own takes all that have come meanwhile and has them written
in one transaction: a durable one costs hardly more for hundreds of changes than for one. A native thread does
that, because sqlite would hold up the loop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import msgpack
from gevent.event import AsyncResult, Event
from gevent.threadpool import ThreadPool

from stractory.errors import StoreError
from stractory.net.process import Process
from stractory.store import rules
from stractory.store.data_directory import DataDirectory
from stractory.store.database import Database
from stractory.store.interface import Contents, Record, Snapshot, check_size
from stractory.store.rules import (
    DEFINITION,
    EPOCH,
    LATEST,
    QUARANTINE,
    RECORD,
    SNAPSHOT,
    USES,
)
from stractory.wire.codec import encode_value, unpack
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

GROUP = 500
"""Most changes in one transaction."""

GROUP_SIZE = 4 * 1024 * 1024
"""Bytes of snapshots from which on no more changes join a transaction."""

RETRY = 1.0
"""Seconds after which what could not be written, and cannot be refused, is tried again."""

_REMEMBERED = frozenset({DEFINITION, USES, EPOCH})
"""Tables that are small, or of which only the keys are, and looked at by most changes."""


class _Change(NamedTuple):
    """``reads``: what of the file it has to know. ``lasting``: it is tried until it is written."""

    make: Callable[[rules.Entries], bool]
    reads: tuple[bytes, ...]
    lasting: bool
    size: int
    result: AsyncResult[bool]


class _View:
    """What the changes of one transaction see, and leave."""

    def __init__(self, remembered: dict[bytes, Any], read: dict[bytes, Any]) -> None:
        self._remembered = remembered
        self._read = read
        self.changed: dict[bytes, Any] = {}

    def get(self, key: bytes) -> Any:
        if key in self.changed:
            return self.changed[key]
        return (self._remembered if key[:1] in _REMEMBERED else self._read).get(key)

    def put(self, key: bytes, value: Any) -> None:
        self.changed[key] = value


class DurableStore:
    """A Store in ``directory``, which no other registry uses meanwhile.

    ``secret`` is for this alone, derived of the cluster's key, ``former`` ones of the keys before that.
    """

    lasting = True

    def __init__(self, directory: Path, secret: bytes, *former: bytes) -> None:
        """Reads and checks all there is, which holds up the loop. Raises StoreError."""
        self._directory = DataDirectory(directory)
        try:
            self._database = Database(self._directory.path / "registry.db", secret, former)
        except BaseException:
            self._directory.close()
            raise
        self._remembered: dict[bytes, Any] = {}
        self._changes: deque[_Change] = deque()
        self._writer: gevent.Greenlet[[], None] | None = None
        self._thread = ThreadPool(1)
        self._pack = msgpack.Packer().pack  # one of its own: in a thread of its own
        self._failing = False
        self._closing = Event()

    # ---- as in Store ---------------------------------------------------------------------------------

    def load(self) -> Contents:
        records, quarantine, states = [], {}, []
        with self._database.plain_errors():
            for key, content in self._database.entries():
                if key[:1] == RECORD:
                    records.append(_value(key, content))
                elif key[:1] == QUARANTINE:
                    quarantine[key[1:]] = _value(key, content)
                elif key[:1] in _REMEMBERED:
                    self._remembered[key] = True if key[:1] == DEFINITION else _value(key, content)
                else:
                    states.append(key)
        for record in records:
            if record.definition is not None:
                uses = USES + record.definition
                self._remembered[uses] = self._remembered.get(uses, 0) + 1
        self._drop_remains(states, {record.name.encode() for record in records})
        last_epoch = max([self._remembered.get(EPOCH, 0), *(record.epoch for record in records)])
        return Contents(records, last_epoch, quarantine)

    def create(
        self, record: Record, definition: Definition | None, replaces: int | None = None
    ) -> AsyncResult[bool]:
        _check_options(record)
        make = partial(rules.create, record=record, definition=definition, replaces=replaces)
        return self._hand_in(make, _keys(record.name, RECORD, LATEST), lasting=False)

    def adopt(self, record: Record) -> AsyncResult[bool]:
        _check_options(record)
        return self._hand_in(partial(rules.adopt, record=record), _keys(record.name, RECORD))

    def update(self, record: Record) -> AsyncResult[bool]:
        _check_options(record)
        return self._hand_in(partial(rules.update, record=record), _keys(record.name, RECORD))

    def delete(self, name: str, epoch: int) -> AsyncResult[bool]:
        return self._hand_in(partial(rules.delete, name=name, epoch=epoch), _keys(name, RECORD, LATEST))

    def save_snapshot(self, snapshot: Snapshot) -> AsyncResult[bool]:
        check_size(snapshot)
        make = partial(rules.save_snapshot, snapshot=snapshot)
        reads = _keys(snapshot.name, RECORD, LATEST)
        return self._hand_in(make, reads, lasting=False, size=len(snapshot.state))

    def quarantine(self, digest: bytes, until: float) -> AsyncResult[bool]:
        return self._hand_in(partial(rules.quarantine, digest=digest, until=until))

    def settle(self) -> AsyncResult[bool]:
        return self._hand_in(lambda entries: True, lasting=False)

    def find_snapshot(self, name: str) -> Snapshot | None:
        found: Snapshot | None = self._find(SNAPSHOT + name.encode())
        return found

    def find_definition(self, digest: bytes) -> Definition | None:
        content = self._find(DEFINITION + digest)
        return None if content is None else Definition.unpack(content)

    def close(self) -> None:
        self._closing.set()
        if self._writer is not None:
            self._writer.join()
        self._thread.kill()
        self._database.close()
        self._directory.close()

    # ---- small parts ---------------------------------------------------------------------------------

    def _drop_remains(self, states: list[bytes], names: set[bytes]) -> None:
        """Of damage: what no record refers to."""
        definitions = [key for key in self._remembered if key[:1] == DEFINITION]
        remains = [key for key in definitions if USES + key[1:] not in self._remembered]
        remains += [key for key in states if key[1:] not in names]
        if remains:
            self._hand_in(partial(rules.drop, keys=remains))

    def _hand_in(
        self,
        make: Callable[[rules.Entries], bool],
        reads: tuple[bytes, ...] = (),
        lasting: bool = True,
        size: int = 0,
    ) -> AsyncResult[bool]:
        result: AsyncResult[bool] = AsyncResult()
        if self._closing.is_set():
            result.set_exception(StoreError(f"the registry's store {self._database.path} is closed"))
        else:
            self._changes.append(_Change(make, reads, lasting, size, result))
            if self._writer is None:
                self._writer = gevent.spawn(self._write_all)
        return result

    def _write_all(self) -> None:
        """Until nothing is left to do."""
        while self._changes:
            group = self._next_group()
            try:
                made = self._in_thread(self._write, group)
            except Exception as error:  # whatever it is, the next group may fare better
                self._failed(group, error)
            else:
                if self._failing:
                    self._failing = False
                    log.info("the registry's store %s can be written again", self._database.path)
                for change, value in zip(group, made, strict=True):
                    change.result.set(value)
        self._writer = None

    def _next_group(self) -> list[_Change]:
        group: list[_Change] = []
        size = 0
        while self._changes and len(group) < GROUP and size < GROUP_SIZE:
            change = self._changes.popleft()
            group.append(change)
            size += change.size
        return group

    def _failed(self, group: list[_Change], error: Exception) -> None:
        text = f"the registry's store {self._database.path} cannot be written: {error}"
        if not self._failing:
            self._failing = True
            log.error("%s; no actor can be created until it can", text)
        for change in group:
            change.result.set_exception(StoreError(text))
        lasting = [change for change in group if change.lasting]
        if lasting and self._closing.is_set():
            log.error("%d changes of what is in the registry's store were not written", len(lasting))
        elif lasting:
            self._changes.extendleft(reversed(lasting))
            self._closing.wait(RETRY)

    def _find(self, key: bytes) -> Any:
        with self._database.plain_errors():
            content = self._in_thread(self._database.read, [key]).get(key)
        return None if content is None else _value(key, content)

    def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Its result. What it raises is handed over as a value, or gevent prints it."""

        def run() -> tuple[Any, Exception | None]:
            try:
                return function(*args), None
            except Exception as error:
                return None, error

        result, error = self._thread.apply(run)
        if error is not None:
            raise error
        return result

    # ---- in the native thread ------------------------------------------------------------------------

    def _write(self, group: list[_Change]) -> list[bool]:
        found = self._database.read({key for change in group for key in change.reads})
        view = _View(self._remembered, {key: _value(key, content) for key, content in found.items()})
        made = [change.make(view) for change in group]
        contents = {key: self._content(value) for key, value in view.changed.items() if key[:1] != USES}
        if contents:
            self._database.write(contents)
        for key, value in view.changed.items():
            if value is None:
                self._remembered.pop(key, None)
            elif key[:1] in _REMEMBERED:
                self._remembered[key] = True if key[:1] == DEFINITION else value
        return made

    def _content(self, value: Any) -> bytes | None:
        if value is None:
            return None
        content: bytes = value.packed if isinstance(value, Definition) else self._pack(value)
        return content


def _check_options(record: Record) -> None:
    """Raises what packing them would, in the midst of other changes. All else came over the wire."""
    if record.options:
        encode_value(record.options, "options")


def _keys(name: str, *tables: bytes) -> tuple[bytes, ...]:
    return tuple(table + name.encode() for table in tables)


def _value(key: bytes, content: bytes) -> Any:
    """What stands in an entry; of a definition its bytes."""
    if key[:1] == DEFINITION:
        return content
    value = unpack(content)
    if key[:1] == RECORD:
        life, worker, process, *others = value
        return Record(Life.from_wire(life), worker, Process(*process), *others)
    if key[:1] == SNAPSHOT:
        return Snapshot(*value)
    return tuple(value) if key[:1] == LATEST else value
