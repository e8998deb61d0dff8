"""What every store has to do, in memory, in a file or in etcd."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stractory.net.process import Process
from stractory.store.durable import DurableStore
from stractory.store.etcd.client import Client
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import Record, Snapshot, Store
from stractory.store.memory import MemoryStore
from stractory.wire.life import SNAPSHOT_LIMIT, Life, Terms
from stractory.wire.shipping import Code, Definition
from tests.support.etcd import Etcd

ECHO = Definition("stream", Code.imported("examples.echo:echo"), None, {"loud": True})
ROOM = Definition("rpc", Code.imported("examples.room:Room"), None, {})


def record(name: str, epoch: int, definition: Definition | None = ECHO) -> Record:
    digest = None if definition is None else definition.digest
    life = Life(
        name, "stream", epoch, 1.5, b"create", False, Terms(False, "always", "each call"), "alice at here"
    )
    return Record(life, b"w" * 16, Process("machine", 7, 8), definition=digest, options={"size": 3})


def memory_store(request: pytest.FixtureRequest) -> Store:
    return MemoryStore()


def durable_store(request: pytest.FixtureRequest) -> Store:
    return DurableStore(request.getfixturevalue("tmp_path"), b"secret")


def etcd_store(request: pytest.FixtureRequest) -> Store:
    etcd: Etcd = request.getfixturevalue("etcd")
    return EtcdStore(Client(etcd.endpoints), etcd.new_prefix(), [b"secret"])


@pytest.fixture(params=[memory_store, durable_store, etcd_store])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    make: Callable[[pytest.FixtureRequest], Store] = request.param
    store = make(request)
    store.load()
    yield store
    store.close()


def create(
    store: Store, name: str, draft: int, definition: Definition = ECHO, replaces: int | None = None
) -> int:
    """The epoch of the life; 0 where it was refused."""
    return store.create(record(name, draft, definition), definition, replaces).get() or 0


def test_a_name_is_created_once(store: Store) -> None:
    first, second = store.create(record("room", 5), ECHO), store.create(record("room", 6), ECHO)
    assert first.get()
    assert second.get() is None


def test_epochs_are_those_of_the_records_unless_the_store_numbers_lives(store: Store) -> None:
    first = create(store, "room", 5)
    assert (first == 5) is not store.numbers
    assert create(store, "room", first + 1, replaces=first) > first


def test_a_life_takes_the_place_of_the_one_it_names(store: Store) -> None:
    assert not create(store, "room", 5, replaces=4)
    first = create(store, "room", 5)
    assert not create(store, "room", first + 2, replaces=first - 1)
    second = create(store, "room", first + 2, replaces=first)
    assert second
    assert not create(store, "room", second + 1, replaces=first)
    assert create(store, "room", second + 2, replaces=second + 1)  # one between that was not kept


def test_a_life_has_a_higher_epoch_than_that_before(store: Store) -> None:
    for name, behind in (("one", 0), ("two", 1)):
        first = create(store, name, 5)
        assert (create(store, name, first - behind, replaces=first) > first) is store.numbers


def test_what_a_worker_brings_is_kept_unless_there_is_a_later_life(store: Store) -> None:
    assert store.adopt(record("room", 5, None)).get()
    assert not create(store, "room", 6)
    assert not store.adopt(record("room", 5)).get()
    assert store.adopt(record("room", 7, None)).get()
    assert store.delete("room", 7).get()


def test_what_a_worker_brings_can_be_replaced(store: Store) -> None:
    assert store.adopt(record("room", 5)).get()
    assert create(store, "room", 6, replaces=5) > 5


def test_no_life_is_updated_that_has_a_later_one(store: Store) -> None:
    assert not store.update(record("room", 5)).get()
    epoch = create(store, "room", 5)
    assert not store.update(record("room", epoch - 1)).get()
    assert store.update(record("room", epoch)._replace(ending=True)).get()
    could_not_be_kept = store.update(record("room", epoch + 1)).get()
    assert could_not_be_kept is not store.numbers


def test_what_is_to_end_has_its_name_until_it_has_ended(store: Store) -> None:
    epoch = create(store, "room", 5)
    ending = record("room", epoch)._replace(ending=True)
    assert store.update(ending).get() and store.update(ending).get()
    assert not create(store, "room", epoch + 1)
    assert not create(store, "room", epoch + 1, replaces=epoch)
    assert store.delete("room", epoch).get()
    assert create(store, "room", epoch + 1)


def test_what_was_given_up_is_in_nobodys_way(store: Store) -> None:
    epoch = create(store, "room", 5)
    store.save_snapshot(Snapshot("room", epoch, 1, b"state"))
    ending = record("room", epoch)._replace(ending=True)
    store.update(ending._replace(given_up=True))
    store.update(ending)  # late: by a registry that did not know
    assert not create(store, "room", epoch + 1, replaces=epoch - 1)
    later = create(store, "room", epoch + 1)
    assert later > epoch
    assert store.find_snapshot("room") is None
    assert not create(store, "room", later + 1)


def test_what_is_told_by_its_draft_while_it_is_being_created(store: Store) -> None:
    first = store.create(record("room", 5), ECHO)
    deleted, second = store.delete("room", 5), store.create(record("room", 6), ECHO)
    ending = store.update(record("room", 6)._replace(ending=True, given_up=True))
    third = store.create(record("room", 7), ECHO)
    assert [bool(result.get()) for result in (first, deleted, second, ending, third)] == [True] * 5
    assert not store.create(record("room", 8), ECHO).get()


def test_no_life_is_deleted_that_has_a_later_one(store: Store) -> None:
    epoch = create(store, "room", 5)
    assert not store.delete("room", epoch - 1).get()
    assert not store.delete("other", epoch).get()
    assert store.delete("room", epoch).get()
    assert not store.delete("room", epoch).get()
    epoch = create(store, "room", epoch + 1)
    could_not_be_kept = store.delete("room", epoch + 1).get()
    assert could_not_be_kept is not store.numbers
    assert store.delete("room", epoch).get() is store.numbers
    assert create(store, "room", epoch + 2)


def test_a_definition_goes_with_the_last_that_refers_to_it(store: Store) -> None:
    one, two = create(store, "one", 5), create(store, "two", 6)
    create(store, "three", 7, ROOM)
    store.delete("one", one).get()
    assert store.find_definition(ECHO.digest) == ECHO
    store.delete("two", two).get()
    assert store.find_definition(ECHO.digest) is None
    assert store.find_definition(ROOM.digest) == ROOM
    assert create(store, "four", 8)
    assert store.find_definition(ECHO.digest) == ECHO


def test_a_definition_goes_when_its_actor_gets_another(store: Store) -> None:
    epoch = create(store, "room", 5)
    create(store, "room", epoch + 1, ROOM, replaces=epoch)
    assert store.find_definition(ECHO.digest) is None
    assert store.find_definition(ROOM.digest) == ROOM


def test_an_actor_whose_definition_is_unknown(store: Store) -> None:
    epoch = store.create(record("room", 5, None), None).get()
    assert epoch is not None
    assert store.delete("room", epoch).get()


def test_the_latest_snapshot_stays(store: Store) -> None:
    assert store.find_snapshot("room") is None
    epoch = create(store, "room", 5)
    assert store.save_snapshot(Snapshot("room", epoch, 2, b"second")).get()
    for refused in (Snapshot("room", epoch, 1, b"first"), Snapshot("room", epoch, 2, b"again")):
        assert not store.save_snapshot(refused).get()
    assert store.find_snapshot("room") == Snapshot("room", epoch, 2, b"second")
    assert store.save_snapshot(Snapshot("room", epoch, 3, b"third")).get()
    assert store.find_snapshot("room") == Snapshot("room", epoch, 3, b"third")


def test_a_snapshot_of_another_life_is_refused(store: Store) -> None:
    assert not store.save_snapshot(Snapshot("room", 5, 1, b"")).get()
    first = create(store, "room", 5)
    store.save_snapshot(Snapshot("room", first, 9, b"before"))
    second = create(store, "room", first + 1, replaces=first)
    assert not store.save_snapshot(Snapshot("room", first, 10, b"late")).get()
    assert not store.save_snapshot(Snapshot("room", second + 1, 1, b"early")).get()
    assert store.find_snapshot("room") == Snapshot("room", first, 9, b"before")  # to go on from
    assert store.save_snapshot(Snapshot("room", second, 1, b"now")).get()
    assert store.find_snapshot("room") == Snapshot("room", second, 1, b"now")


def test_a_snapshot_goes_with_its_name(store: Store) -> None:
    epoch = create(store, "room", 5)
    store.save_snapshot(Snapshot("room", epoch, 1, b"state"))
    store.delete("room", epoch).get()
    assert create(store, "room", epoch + 1)
    assert store.find_snapshot("room") is None


def test_many_changes_at_once(store: Store) -> None:
    made = [store.create(record(f"room-{number}", number), ECHO) for number in range(1, 301)]
    epochs = [result.get() for result in made]
    assert all(epochs)
    gone = [store.delete(f"room-{number}", epoch) for number, epoch in enumerate(epochs[:200], 1) if epoch]
    again = [store.create(record(f"room-{number}", 2 * number), ECHO) for number in range(1, 301)]
    assert all(result.get() for result in gone)
    assert [bool(result.get()) for result in again] == [True] * 200 + [False] * 100


def test_a_large_snapshot(store: Store) -> None:
    epoch = create(store, "room", 5)
    largest = Snapshot("room", epoch, 1, bytes(SNAPSHOT_LIMIT))
    assert store.save_snapshot(largest).get()
    assert store.find_snapshot("room") == largest
    with pytest.raises(ValueError, match="the snapshot of 'room' has 1048577 bytes; at most 1048576"):
        store.save_snapshot(Snapshot("room", epoch, 2, bytes(SNAPSHOT_LIMIT + 1)))
