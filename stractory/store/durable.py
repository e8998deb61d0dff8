"""The store in a file of the registry's machine, written by a native thread, as it would hold up the loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
from gevent.threadpool import ThreadPool

from stractory.net.process import Process
from stractory.store import rules
from stractory.store.data_directory import DATABASE, DataDirectory
from stractory.store.database import Database
from stractory.store.grouped import Change, GroupedStore
from stractory.store.interface import Contents, Record, Sharing, Snapshot
from stractory.store.rules import DEFINITION, EPOCH, LATEST, QUARANTINE, RECORD, SNAPSHOT, USES
from stractory.wire.codec import unpack
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

_REMEMBERED = frozenset({DEFINITION, USES, EPOCH})
"""Tables that are small, or of which only the keys are, and looked at by most changes."""


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

    def number(self, record: Record) -> Record:
        return record

    def refer(self, digest: bytes, name: str, step: int) -> None:
        rules.count(self, digest, step)


class DurableStore(GroupedStore):
    """A Store in ``directory``, which no other registry uses meanwhile.

    ``secret`` is for this alone, derived of the cluster's key, ``former`` ones of the keys before that.
    """

    numbers = False
    sharing: Sharing | None = None

    def __init__(self, directory: Path, secret: bytes, *former: bytes) -> None:
        """Reads and checks all there is, which holds up the loop. Raises StoreError."""
        self._directory = DataDirectory(directory)
        try:
            self._database = Database(self._directory.path / DATABASE, secret, former)
        except BaseException:
            self._directory.close()
            raise
        super().__init__(f"the registry's store {self._database.path}")
        self._remembered: dict[bytes, Any] = {}
        self._thread = ThreadPool(1)
        self._pack = msgpack.Packer().pack  # one of its own: in a thread of its own

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

    def find_snapshot(self, name: str) -> Snapshot | None:
        found: Snapshot | None = self._find(SNAPSHOT + name.encode())
        return found

    def find_definition(self, digest: bytes) -> Definition | None:
        content = self._find(DEFINITION + digest)
        return None if content is None else Definition.unpack(content)

    def close(self) -> None:
        super().close()
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
            self._hand_in(Change(partial(rules.drop, keys=remains)))

    def _write(self, group: list[Change]) -> list[Any]:
        made: list[Any] = self._in_thread(self._write_now, group)
        return made

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

    def _write_now(self, group: list[Change]) -> list[Any]:
        found = self._database.read({key for change in group for key in change.touches})
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
