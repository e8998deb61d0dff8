"""What becomes of a prefix when the cluster key is changed: all is sealed anew, while both keys are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stractory.store.etcd import operations
from stractory.store.etcd.layout import Layout, Numbers
from stractory.store.etcd.operations import Entry, Operation
from stractory.store.rules import RECORD

TOGETHER = 50
"""Entries in a transaction."""

SIZE = 300_000
"""Bytes from which on no more join it."""


def sealed_anew(layout: Layout, numbers: Numbers, entries: Iterable[Entry]) -> Iterator[list[Operation]]:
    """Transactions of operations that write those which have a former seal, each if it is still as it was.

    A name is written with its epoch, since its revision tells another from now on.
    """
    together: list[Operation] = []
    size = 0
    for entry in entries:
        if (value := _value(layout, numbers, entry)) is None:
            continue
        unchanged = operations.unchanged(entry.key, entry.revision)
        together.append(
            operations.nested(operations.transaction([unchanged], [operations.put(entry.key, value)]))
        )
        size += len(value)
        if len(together) == TOGETHER or size > SIZE:
            yield together
            together, size = [], 0
    if together:
        yield together


def _value(layout: Layout, numbers: Numbers, entry: Entry) -> bytes | None:
    """What is to be there; None where that is so, or it is not ours."""
    if not layout.is_former(entry):
        return None
    if entry.key.startswith(layout.folder(RECORD)):
        record = layout.record(entry, None, numbers)
        return None if record is None else layout.record_value(record, numbered=True)
    content = layout.open(entry)
    return None if content is None else layout.sealed(entry.key, content)
