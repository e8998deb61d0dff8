"""What other registries do, as the keys of a prefix tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from stractory.store.etcd import watches
from stractory.store.etcd.altered import altered_key
from stractory.store.etcd.client import Client
from stractory.store.etcd.layout import DEAD, Layout, Numbers
from stractory.store.etcd.operations import Entry
from stractory.store.etcd.watches import Compacted, Deleted, Written
from stractory.store.interface import (
    Anew,
    Begun,
    Contents,
    EndOrdered,
    Freed,
    GivenUp,
    News,
    Quarantined,
    RegistryGone,
    RegistryThere,
    WorkerGone,
    WorkerThere,
)
from stractory.store.rules import QUARANTINE, RECORD


class Feed:
    """All that happens after ``revision``. ``read``: what there is, and at which revision.

    ``mark_again`` is called when somebody has taken the mark away.
    """

    def __init__(
        self,
        client: Client,
        layout: Layout,
        numbers: Numbers,
        read: Callable[[], tuple[Contents, int]],
        mark_again: Callable[[], None],
    ) -> None:
        self.revision = 0
        self._client = client
        self._layout = layout
        self._numbers = numbers
        self._read = read
        self._mark_again = mark_again

    def news(self) -> Iterator[News]:
        """For ever, one after another, those of own changes too. Raises StoreError."""
        while True:
            for events in watches.watch(self._client, self._layout.prefix, self.revision + 1):
                beside = {event.entry.key: event.entry for event in events if isinstance(event, Written)}
                for event in events:
                    if isinstance(event, Compacted):
                        contents, self.revision = self._read()
                        yield Anew(contents)
                        continue
                    self.revision = _revision(event)
                    try:
                        told = self._told(event, beside)
                    except ValueError:  # of a key that no registry has made
                        altered_key(_key(event))
                        continue
                    if told is not None:
                        yield told

    def _told(self, event: Written | Deleted, beside: Mapping[bytes, Entry]) -> News | None:
        """Raises ValueError for a key of others'."""
        layout, key = self._layout, _key(event)
        if isinstance(event, Written) and layout.is_heard(key) and layout.open(event.entry) is None:
            raise ValueError("altered")
        if key == layout.mark and isinstance(event, Deleted):
            self._mark_again()
        if key.startswith(layout.folder(RECORD)):
            return self._of_name(key, event, beside)
        if key.startswith(layout.endings) and isinstance(event, Written):
            to_end = layout.ending_of(event.entry)
            name = key.removeprefix(layout.endings).decode()
            if to_end is None:
                return None
            return GivenUp(name, to_end.epoch) if to_end.given_up else EndOrdered(name, to_end.epoch)
        if key.startswith(layout.folder(QUARANTINE)):
            until = layout.content(event.entry) if isinstance(event, Written) else 0.0
            return Quarantined(layout.name(key, QUARANTINE), until) if isinstance(until, float) else None
        if key.startswith(layout.workers):
            id = layout.id_in(key, layout.workers)
            if not isinstance(event, Written):
                return WorkerGone(id)
            return WorkerGone(id, proved=True) if layout.open(event.entry) == DEAD else WorkerThere(id)
        if key.startswith(layout.registries):
            id = layout.id_in(key, layout.registries)
            if not isinstance(event, Written):
                return RegistryGone(id)
            address = layout.address(event.entry)
            return None if address is None else RegistryThere(id, address)
        return None

    def _of_name(self, key: bytes, event: Written | Deleted, beside: Mapping[bytes, Entry]) -> News | None:
        name = self._layout.name(key, RECORD).decode()
        if not isinstance(event, Written):
            return Freed(name, self._numbers.epoch(_revision(event)))
        record = self._layout.record(event.entry, beside.get(self._layout.ending(name)), self._numbers)
        return None if record is None else Begun(record)


def _key(event: Written | Deleted) -> bytes:
    return event.entry.key if isinstance(event, Written) else event.key


def _revision(event: Written | Deleted) -> int:
    return event.entry.revision if isinstance(event, Written) else event.revision
