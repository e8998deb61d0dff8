"""What becomes of changes that would have to wait for some that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stractory.errors import StoreError, StoreFull
from stractory.store import grouped
from stractory.store.grouped import Change, GroupedStore
from tests.store.test_store import ECHO, record

LIMIT = 20.0


class Full(GroupedStore):
    """Takes nothing, but that something is gone; no two changes of an entry in a group."""

    apart = True

    def __init__(self) -> None:
        super().__init__("the store")
        self.made: list[int] = []

    def _write(self, group: list[Change]) -> list[Any]:
        if any(change.touches and not change.ends for change in group):
            raise StoreFull("it is full")
        self.made += [change.about for change in group if change.touches]
        return [True] * len(group)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Full]:
    monkeypatch.setattr(grouped, "RETRY", 0.01)
    store = Full()
    yield store
    store.close()


def test_a_creation_does_not_wait_for_a_change_of_its_name_that_cannot_be_written(store: Full) -> None:
    store.update(record("room", 5)._replace(ending=True))
    created = store.create(record("room", 7), ECHO)
    with pytest.raises(StoreFull, match="the store cannot be written: it is full"):
        created.get(timeout=LIMIT)


def test_nobody_is_told_that_all_is_settled_while_it_is_not(store: Full) -> None:
    store.update(record("room", 5)._replace(ending=True))
    store.adopt(record("room", 7))
    with pytest.raises(StoreError):
        store.settle().get(timeout=LIMIT)


def test_an_end_does_not_wait_until_it_is_written_that_it_is_to_be(store: Full) -> None:
    for name, epoch in (("room", 5), ("hall", 6)):
        store.update(record(name, epoch)._replace(ending=True))
    deleted = [store.delete(name, epoch) for name, epoch in (("room", 5), ("hall", 6))]
    assert [result.get(timeout=LIMIT) for result in deleted] == [True, True]
    assert store.settle().get(timeout=LIMIT)
    assert store.made == [5, 6]


def test_an_end_of_an_earlier_life_changes_nothing_of_a_later_one(store: Full) -> None:
    store.update(record("room", 7)._replace(ending=True))
    deleted = store.delete("room", 5)
    with pytest.raises(StoreError):
        store.settle().get(timeout=LIMIT)
    assert not deleted.ready() and store.made == []
