"""The store of a registry that leaves nothing behind: entries in memory."""

from __future__ import annotations

from typing import Any

from gevent.event import AsyncResult

from stractory.store import rules
from stractory.store.interface import Contents, Record, Sharing, Snapshot, check_size
from stractory.wire.shipping import Definition


class MemoryStore:
    """A Store for a registry that leaves nothing behind."""

    lasting = False
    failing = False
    numbers = False
    sharing: Sharing | None = None

    def __init__(self) -> None:
        self._entries: dict[bytes, Any] = {}
        self.get = self._entries.get
        self._results: dict[bool, AsyncResult[bool]] = {}
        for value in (True, False):
            self._results[value] = AsyncResult()
            self._results[value].set(value)

    def put(self, key: bytes, value: Any) -> None:
        """For the rules."""
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = value

    def number(self, record: Record) -> Record:
        """For the rules."""
        return record

    def refer(self, digest: bytes, name: str, step: int) -> None:
        """For the rules."""
        rules.count(self, digest, step)

    def load(self) -> Contents:
        return Contents([], 0, {})

    def create(
        self, record: Record, definition: Definition | None, replaces: int | None = None, dead: bytes = b""
    ) -> AsyncResult[int | None]:
        result: AsyncResult[int | None] = AsyncResult()
        result.set(rules.create(self, record, definition, replaces))
        return result

    def adopt(self, record: Record) -> AsyncResult[bool]:
        return self._results[rules.adopt(self, record)]

    def update(self, record: Record) -> AsyncResult[bool]:
        return self._results[rules.update(self, record)]

    def delete(self, name: str, epoch: int, dead: bytes = b"") -> AsyncResult[bool]:
        return self._results[rules.delete(self, name, epoch)]

    def save_snapshot(self, snapshot: Snapshot) -> AsyncResult[bool]:
        check_size(snapshot)
        return self._results[rules.save_snapshot(self, snapshot)]

    def quarantine(self, digest: bytes, until: float) -> AsyncResult[bool]:
        return self._results[rules.quarantine(self, digest, until)]

    def settle(self) -> AsyncResult[bool]:
        return self._results[True]

    def find_snapshot(self, name: str) -> Snapshot | None:
        found: Snapshot | None = self.get(rules.SNAPSHOT + name.encode())
        return found

    def find_definition(self, digest: bytes) -> Definition | None:
        found: Definition | None = self.get(rules.DEFINITION + digest)
        return found

    def close(self) -> None:
        """Nothing is left to do."""
