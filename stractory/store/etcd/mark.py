"""The mark of a prefix: the version of all that is below it, and what epochs are counted from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from stractory.errors import StoreError, StoreMismatch
from stractory.store.etcd import operations
from stractory.store.etcd.altered import mark_taken_away
from stractory.store.etcd.client import Client, InDoubt
from stractory.store.etcd.layout import VERSION, Layout, Numbers
from stractory.store.etcd.operations import Comparison, Entry, Operation
from stractory.store.etcd.reading import FEW, Reader
from stractory.store.etcd.resealing import sealed_anew
from stractory.store.rules import RECORD

log = logging.getLogger(__name__)

Do = Callable[[Sequence[Operation]], None]
"""Has done what may be done twice. Raises StoreError."""


def opened(layout: Layout, reader: Reader, do: Do) -> Numbers:
    """The epochs of a prefix, which is marked if it is new, and sealed anew after a change of keys.

    Raises StoreError.
    """
    mark = reader.one(layout.mark) or _made(layout, reader, do)
    numbers = _checked(layout, mark)
    if layout.is_former(layout.sealed_part(mark)):
        _seal_anew(layout, reader, numbers, do)
    return numbers


def put_back(layout: Layout, numbers: Numbers, client: Client) -> None:
    """Somebody has taken it away."""
    mark_taken_away(layout.title)
    try:
        client.transact([], [_put_if_missing(layout, numbers.began)])
    except (StoreError, InDoubt) as error:
        log.warning("the mark is not there again: %s", error)


def _made(layout: Layout, reader: Reader, do: Do) -> Entry:
    """The first registry that does has made it. Epochs that are counted anew would be given twice."""
    began = int(time.time() * 1_000_000)
    do([_put_if_missing(layout, began, [operations.none_below(layout.folder(RECORD))])])
    mark = reader.one(layout.mark)
    if mark is None:
        raise StoreMismatch(
            f"the prefix {layout.title} of etcd has names, but somebody has taken its mark away: "
            "put a back-up back, or use another etcd-prefix"
        )
    return mark


def _checked(layout: Layout, mark: Entry) -> Numbers:
    """Raises StoreMismatch."""
    where = f"the prefix {layout.title} of etcd"
    if (version := layout.version(mark)) != VERSION:
        raise StoreMismatch(
            f"{where} has version {version}, and this registry reads {VERSION}: "
            "start the one that made it, or use another etcd-prefix"
        )
    if (began := layout.began(mark)) is None:
        raise StoreMismatch(
            f"{where} was made with another cluster key: start the registry with that, "
            "or use another etcd-prefix"
        )
    return Numbers(began)


def _put_if_missing(layout: Layout, began: int, beside: Sequence[Comparison] = ()) -> Operation:
    put = operations.put(layout.mark, layout.mark_value(began))
    return operations.nested(operations.transaction([operations.unchanged(layout.mark, 0), *beside], [put]))


def _seal_anew(layout: Layout, reader: Reader, numbers: Numbers, do: Do) -> None:
    """All there is, and the mark when that is done."""
    for folder in layout.folders:
        for together in sealed_anew(layout, numbers, reader.below(folder, page=FEW)):
            do(together)
    do([operations.put(layout.mark, layout.mark_value(numbers.began))])
