"""Definitions that were sent once and are then spoken of by their digest."""

from __future__ import annotations

from collections import OrderedDict

from stractory.errors import UnknownDefinition
from stractory.wire.shipping import Definition

KEPT = 64 * 1024 * 1024
"""Bytes of definitions that are kept; those that were not asked for longest go first."""


class Definitions:
    """By digest. The last one is kept whatever its size."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[bytes, Definition] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, packed: bytes) -> bytes:
        """Returns its digest. Raises ProtocolError for what is no definition."""
        definition = Definition.unpack(packed)
        if definition.digest not in self._known:
            self._known[definition.digest] = definition
            self._size += len(packed)
            while self._size > self._limit and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._size -= len(oldest.packed)
        return definition.digest

    def find(self, digest: bytes) -> Definition:
        """Raises UnknownDefinition."""
        try:
            self._known.move_to_end(digest)
            return self._known[digest]
        except (KeyError, TypeError):
            raise UnknownDefinition("the actor's definition is not known here: it has to be sent") from None
