"""What there is in etcd, page by page, without what somebody else has written there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from stractory.errors import StoreUnreachable
from stractory.store.etcd import operations
from stractory.store.etcd.altered import altered_key
from stractory.store.etcd.client import Client
from stractory.store.etcd.layout import Layout
from stractory.store.etcd.operations import Entry

PATIENCE = 5.0
"""Seconds for which all waits while etcd finds another leader: that takes it one or two."""

PAGE, FEW = 1000, 10
"""Most entries that are read at a time; where they may be large."""


class Reader:
    """``revision``: the highest that was heard of while reading."""

    def __init__(self, client: Client, layout: Layout) -> None:
        self.revision = 0
        self._client = client
        self._layout = layout

    def below(self, folder: bytes, *, keys_only: bool = False, page: int = 0) -> Iterator[Entry]:
        """All entries whose keys begin so, whoever wrote them, as at one moment. Raises StoreError."""
        page = page or PAGE
        key, end, revision, more = folder, operations.end_of(folder), 0, True
        while more:
            asked = operations.range_of(key, end, limit=page, revision=revision, keys_only=keys_only)
            try:
                found = self._client.range(asked, 0.0 if page > FEW else PATIENCE)
            except StoreUnreachable:  # so many may be more than can be told in time
                if page <= FEW:
                    raise
                page = max(FEW, page // 10)
                continue
            yield from found.entries
            revision, more = revision or found.revision, found.more
            self.revision = max(self.revision, found.revision)
            if found.entries:
                key = found.entries[-1].key + b"\0"

    def one(self, key: bytes) -> Entry | None:
        """That with this key, whoever wrote it. Raises StoreError."""
        found = self._client.range(operations.range_of(key), PATIENCE).entries
        return found[0] if found else None

    def content(self, key: bytes) -> bytes | None:
        """What a registry has written there. Raises StoreError."""
        entry = self.one(key)
        good = [] if entry is None else [*self.good([entry])]
        return self._layout.open(good[0]) if good else None

    def good(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those that a registry has written."""
        for entry in entries:
            if self._layout.open(entry) is None:
                altered_key(entry.key)
            else:
                yield entry

    def digests(self, folder: bytes, digest: Callable[[bytes], bytes]) -> set[bytes]:
        """Those in the keys that begin so, where a registry may have made them. Raises StoreError."""
        found = set()
        for entry in self.below(folder, keys_only=True):
            try:
                found.add(digest(entry.key))
            except ValueError:
                altered_key(entry.key)
        return found
