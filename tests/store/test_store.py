"""What every store has to do, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stractory.net.process import Process
from stractory.store.durable import DurableStore
from stractory.store.interface import Record, Snapshot, Store
from stractory.store.memory import MemoryStore
from stractory.wire.life import SNAPSHOT_LIMIT, Life, Terms
from stractory.wire.shipping import Code, Definition

ECHO = Definition("stream", Code.imported("examples.echo:echo"), None, {"loud": True})
ROOM = Definition("rpc", Code.imported("examples.room:Room"), None, {})


def record(name: str, epoch: int, definition: Definition | None = ECHO) -> Record:
    digest = None if definition is None else definition.digest
    life = Life(
        name, "stream", epoch, 1.5, b"create", False, Terms(False, "always", "each call"), "alice at here"
    )
    return Record(life, b"w" * 16, Process("machine", 7, 8), definition=digest, options={"size": 3})


def memory_store(directory: Path) -> Store:
    return MemoryStore()


def durable_store(directory: Path) -> Store:
    store = DurableStore(directory, b"secret")
    store.load()
    return store


@pytest.fixture(params=[memory_store, durable_store])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[Path], Store] = request.param
    store = make(tmp_path)
    yield store
    store.close()


def test_a_name_is_created_once(store: Store) -> None:
    first, second = store.create(record("room", 5), ECHO), store.create(record("room", 6), ECHO)
    assert first.get() is True
    assert second.get() is False


def test_a_life_takes_the_place_of_the_one_it_names(store: Store) -> None:
    assert not store.create(record("room", 5), ECHO, replaces=4).get()
    store.create(record("room", 5), ECHO)
    assert not store.create(record("room", 5), ECHO, replaces=5).get()
    assert not store.create(record("room", 4), ECHO, replaces=5).get()
    assert store.create(record("room", 7), ECHO, replaces=5).get()
    assert not store.create(record("room", 8), ECHO, replaces=5).get()
    assert store.create(record("room", 9), ECHO, replaces=8).get()  # one between that was not kept


def test_what_a_worker_brings_is_kept_unless_there_is_a_later_life(store: Store) -> None:
    assert store.adopt(record("room", 5, None)).get()
    assert not store.create(record("room", 6), ECHO).get()
    assert not store.adopt(record("room", 5)).get()
    assert store.adopt(record("room", 7, None)).get()
    assert store.delete("room", 7).get()


def test_no_life_is_updated_that_has_a_later_one(store: Store) -> None:
    assert not store.update(record("room", 5)).get()
    store.create(record("room", 5), ECHO)
    assert not store.update(record("room", 4)).get()
    assert store.update(record("room", 5)._replace(ending=True)).get()
    assert store.update(record("room", 6)).get()  # one that could not be kept


def test_no_life_is_deleted_that_has_a_later_one(store: Store) -> None:
    store.create(record("room", 5), ECHO)
    assert not store.delete("room", 4).get()
    assert not store.delete("other", 5).get()
    assert store.delete("room", 5).get()
    assert not store.delete("room", 5).get()
    assert store.create(record("room", 6), ECHO).get()
    assert store.delete("room", 7).get()  # one that could not be kept
    assert store.create(record("room", 8), ECHO).get()


def test_a_definition_goes_with_the_last_that_refers_to_it(store: Store) -> None:
    store.create(record("one", 5), ECHO)
    store.create(record("two", 6), ECHO)
    store.create(record("three", 7, ROOM), ROOM)
    store.delete("one", 5).get()
    assert store.find_definition(ECHO.digest) == ECHO
    store.delete("two", 6).get()
    assert store.find_definition(ECHO.digest) is None
    assert store.find_definition(ROOM.digest) == ROOM
    store.create(record("four", 8), ECHO).get()
    assert store.find_definition(ECHO.digest) == ECHO


def test_a_definition_goes_when_its_actor_gets_another(store: Store) -> None:
    store.create(record("room", 5), ECHO).get()
    store.create(record("room", 6, ROOM), ROOM, replaces=5).get()
    assert store.find_definition(ECHO.digest) is None
    assert store.find_definition(ROOM.digest) == ROOM


def test_an_actor_whose_definition_is_unknown(store: Store) -> None:
    assert store.create(record("room", 5, None), None).get()
    assert store.delete("room", 5).get()


def test_the_latest_snapshot_stays(store: Store) -> None:
    assert store.find_snapshot("room") is None
    store.create(record("room", 5), ECHO)
    assert store.save_snapshot(Snapshot("room", 5, 2, b"second")).get()
    for refused in (Snapshot("room", 5, 1, b"first"), Snapshot("room", 5, 2, b"again")):
        assert not store.save_snapshot(refused).get()
    assert store.find_snapshot("room") == Snapshot("room", 5, 2, b"second")
    assert store.save_snapshot(Snapshot("room", 5, 3, b"third")).get()
    assert store.find_snapshot("room") == Snapshot("room", 5, 3, b"third")


def test_a_snapshot_of_another_life_is_refused(store: Store) -> None:
    assert not store.save_snapshot(Snapshot("room", 5, 1, b"")).get()
    store.create(record("room", 5), ECHO)
    store.save_snapshot(Snapshot("room", 5, 9, b"before"))
    store.create(record("room", 6), ECHO, replaces=5)
    assert not store.save_snapshot(Snapshot("room", 5, 10, b"late")).get()
    assert not store.save_snapshot(Snapshot("room", 7, 1, b"early")).get()
    assert store.find_snapshot("room") == Snapshot("room", 5, 9, b"before")  # to go on from
    assert store.save_snapshot(Snapshot("room", 6, 1, b"now")).get()
    assert store.find_snapshot("room") == Snapshot("room", 6, 1, b"now")


def test_a_snapshot_goes_with_its_name(store: Store) -> None:
    store.create(record("room", 5), ECHO)
    store.save_snapshot(Snapshot("room", 5, 1, b"state"))
    store.delete("room", 5).get()
    store.create(record("room", 6), ECHO).get()
    assert store.find_snapshot("room") is None


def test_a_large_snapshot(store: Store) -> None:
    store.create(record("room", 5), ECHO)
    largest = Snapshot("room", 5, 1, bytes(SNAPSHOT_LIMIT))
    assert store.save_snapshot(largest).get()
    assert store.find_snapshot("room") == largest
    with pytest.raises(ValueError, match="the snapshot of 'room' has 1048577 bytes; at most 1048576"):
        store.save_snapshot(Snapshot("room", 5, 2, bytes(SNAPSHOT_LIMIT + 1)))
