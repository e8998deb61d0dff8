"""The store in etcd: what it outlives, what it refuses, and what becomes of it when members go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import pytest
from gevent.event import Event

from stractory.errors import StoreError, StoreFull, StoreMismatch, StoreUnreachable, StoreWithoutQuorum
from stractory.store import grouped
from stractory.store.etcd import operations, reading
from stractory.store.etcd import presence as etcd_presence
from stractory.store.etcd import sharing as etcd_sharing
from stractory.store.etcd import store as etcd_store
from stractory.store.etcd.client import Client, InDoubt
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import (
    Anew,
    Begun,
    EndOrdered,
    Freed,
    GivenUp,
    News,
    Quarantined,
    RegistryGone,
    RegistryThere,
    Snapshot,
    WorkerGone,
    WorkerThere,
)
from tests.store.test_store import ECHO, ROOM, create, record
from tests.support.etcd import Etcd, running
from tests.support.green import green_until

Open = Callable[..., EtcdStore]


@pytest.fixture
def opened() -> Iterator[list[EtcdStore]]:
    """Stores that are closed at the end."""
    stores: list[EtcdStore] = []
    yield stores
    for store in stores:
        store.close()


@pytest.fixture
def open(etcd: Etcd, opened: list[EtcdStore], monkeypatch: pytest.MonkeyPatch) -> Open:
    """Stores of one prefix."""
    return opener(etcd, opened, monkeypatch)


@pytest.fixture
def open_at_three(three_members: Etcd, opened: list[EtcdStore], monkeypatch: pytest.MonkeyPatch) -> Open:
    return opener(three_members, opened, monkeypatch)


def opener(etcd: Etcd, opened: list[EtcdStore], monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(grouped, "RETRY", 0.05)
    prefix = etcd.new_prefix()

    def open(*secrets: bytes) -> EtcdStore:
        store = EtcdStore(Client(etcd.endpoints), prefix, secrets or [b"secret"])
        opened.append(store)
        return store

    return open


def key_of(store: EtcdStore, name: str) -> bytes:
    return store._layout.key(b"r" + name.encode())


def write(store: EtcdStore, key: bytes, value: bytes) -> None:
    """As somebody else does."""
    store._client.transact([], [operations.put(key, value)])


def revision_of(store: EtcdStore, name: str) -> int:
    entry = store._reader.one(key_of(store, name))
    assert entry is not None
    return entry.revision


# ---- what is there -----------------------------------------------------------------------------------------


def test_all_is_there_after_a_restart(open: Open) -> None:
    store = open()
    before = store.load()
    assert (before.records, before.quarantine) == ([], {})
    one, two = create(store, "one", 5), create(store, "two", 7, ROOM)
    gone = store.create(record("gone", 9, None), None).get()
    assert gone is not None
    store.update(record("two", two, ROOM)._replace(ending=True))
    store.delete("gone", gone)
    store.save_snapshot(Snapshot("one", one, 3, b"state"))
    store.adopt(record("brought", 11))
    store.quarantine(ECHO.digest, 123.5)
    store.quarantine(ROOM.digest, 99.0)
    store.quarantine(ROOM.digest, 0)
    store.close()
    store = open()
    after = store.load()
    ending = record("two", two, ROOM)._replace(ending=True)
    kept = sorted(found._replace(by=b"") for found in after.records)
    assert kept == [record("brought", 11), record("one", one), ending]
    assert after.quarantine == {ECHO.digest: 123.5}
    assert before.last_epoch < gone <= after.last_epoch
    assert store.find_snapshot("one") == Snapshot("one", one, 3, b"state")
    assert store.find_definition(ECHO.digest) == ECHO
    assert create(store, "next", 0) > after.last_epoch


def test_a_name_is_written_when_a_life_begins_and_for_nothing_else(open: Open) -> None:
    store = open()
    epoch = create(store, "room", 5)
    revision = revision_of(store, "room")
    assert epoch == store._numbers.epoch(revision)
    store.save_snapshot(Snapshot("room", epoch, 1, b"state"))
    store.update(record("room", epoch)._replace(ending=True, given_up=True)).get()
    assert revision_of(store, "room") == revision
    assert create(store, "room", epoch + 1)
    assert revision_of(store, "room") > revision


def test_who_writes_that_a_life_ends_elsewhere_knows_it_when_that_is_heard(open: Open) -> None:
    store, other = open(), open()
    epoch = create(other, "room", 5)
    store.update(record("room", epoch)._replace(worker=b"v" * 16, ending=True)).get()
    (found,) = store.load().records
    assert (found.epoch, found.worker, found.by) == (epoch, b"v" * 16, store.sharing.id)


def test_epochs_of_another_etcd_are_above_those_before(
    open: Open, etcd: Etcd, opened: list[EtcdStore]
) -> None:
    epoch = create(open(), "room", 5)
    other = EtcdStore(Client(etcd.endpoints), etcd.new_prefix(), [b"secret"])
    opened.append(other)
    assert other.load().last_epoch > epoch


def test_more_names_than_are_read_at_a_time(open: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 7)
    store = open()
    for result in [store.create(record(f"room-{number}", 5), ECHO) for number in range(30)]:
        result.get()
    store = open()
    assert len({found.name for found in store.load().records}) == 30


def test_definitions_that_nothing_refers_to_are_dropped(open: Open) -> None:
    store = open()
    epoch = create(store, "room", 5)
    key = store._layout.key(b"d" + ROOM.digest)
    write(store, key, store._layout.sealed(key, ROOM.packed))
    store = open()
    store.load()
    store.delete("other", epoch).get()
    assert store.find_definition(ROOM.digest) is None
    assert store.find_definition(ECHO.digest) == ECHO


def test_a_definition_that_is_missing_is_put_there_again(open: Open) -> None:
    store = open()
    create(store, "one", 5)
    store._client.transact([], [operations.delete(store._layout.key(b"d" + ECHO.digest))])
    assert create(store, "two", 5)
    assert store.find_definition(ECHO.digest) == ECHO


# ---- seals -------------------------------------------------------------------------------------------------


def test_what_was_altered_is_not_taken(open: Open, caplog: pytest.LogCaptureFixture) -> None:
    store = open()
    create(store, "room", 5)
    create(store, "other", 5)
    entry = store._reader.one(key_of(store, "other"))
    assert entry is not None
    write(store, key_of(store, "room"), entry.value)  # a good one, but of another name
    assert [found.name for found in open().load().records] == ["other"]
    assert "names/room' was altered, and is not taken" in caplog.text


def test_another_cluster_key_is_refused(open: Open) -> None:
    store = open()
    create(store, "room", 5)
    with pytest.raises(StoreMismatch, match=r"the prefix /test-\d+ of etcd was made with another clust"):
        open(b"another")
    assert create(store, "hall", 5)  # it has not lost its prefix


def test_another_version_is_refused(open: Open) -> None:
    store = open()
    write(store, store._layout.mark, b"\x09" + bytes(40))
    with pytest.raises(StoreMismatch, match="has version 9, and this registry reads 1: start the one"):
        open()


def test_all_is_sealed_anew_after_a_change_of_keys(open: Open) -> None:
    store = open()
    epoch, ending = create(store, "room", 5), create(store, "ending", 6)
    store.save_snapshot(Snapshot("room", epoch, 1, b"state"))
    store.quarantine(ECHO.digest, 123.5)
    store.update(record("ending", ending)._replace(ending=True)).get()
    before = store.load()
    store.close()
    open(b"later", b"secret").close()
    store = open(b"later")
    after = store.load()
    assert sorted(after.records) == sorted(before.records)
    assert after.quarantine == before.quarantine
    assert store.find_snapshot("room") == Snapshot("room", epoch, 1, b"state")
    assert store.find_definition(ECHO.digest) == ECHO
    assert create(store, "room", epoch + 1, replaces=epoch) > epoch


# ---- several registries ------------------------------------------------------------------------------------


def test_a_name_is_whose_registry_was_first(open: Open) -> None:
    first, second = open(), open()
    epoch = create(first, "room", 5)
    assert second.create(record("room", 7), ECHO).get() is None
    later = create(second, "room", 7, replaces=epoch)
    assert later > epoch
    assert first.create(record("room", 9), ECHO, epoch).get() is None


def test_what_was_in_doubt_when_a_seat_was_renewed_is_never_done(open: Open) -> None:
    store = open()
    condition = store._seat.condition
    store._seat.doubt()
    store._seat.renew(0.0)
    late = store._client.transact([condition], [operations.put(key_of(store, "room"), b"late")])
    assert not late.succeeded
    assert create(store, "room", 5)


def test_a_registry_whose_seat_has_expired_writes_nothing(open: Open) -> None:
    store = open()
    create(store, "room", 5)
    condition = store._seat.condition
    store._client.revoke(store._seat._lease)
    late = store._client.transact([condition], [operations.put(key_of(store, "hall"), b"late")])
    assert not late.succeeded
    assert [found.name for found in store.load().records] == ["room"]


def test_who_has_a_new_seat_keeps_it_when_it_hears_of_the_end_of_the_old(open: Open) -> None:
    store = open()
    create(store, "room", 5)
    old = store._seat._lease
    store._client.revoke(old)
    create(store, "hall", 6)
    new = store._seat._lease
    store._seat._lost(old)
    assert new != old and (store._seat._lease, store._seat._is_stale) == (new, False)


def test_a_registry_that_was_taken_for_gone_takes_a_new_seat(open: Open) -> None:
    store = open()
    create(store, "room", 5)
    store._client.revoke(store._seat._lease)
    assert create(store, "hall", 5)
    assert store._reader.one(store._layout.registry(store._seat.id)) is not None


def test_a_registry_that_cannot_say_where_it_is_does_so_later(
    open: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it writes nothing else: it may have no workers before."""
    monkeypatch.setattr(etcd_sharing, "RETRY", 0.0)
    store, other = open(), open()
    renew = store._seat.renew
    failures = [StoreUnreachable("etcd does not answer")] * 2

    def fail_at_first(patience: float) -> None:
        if failures:
            raise failures.pop()
        renew(patience)

    monkeypatch.setattr(store._seat, "renew", fail_at_first)
    store.sharing.join("127.0.0.1:9000")
    green_until(lambda: "127.0.0.1:9000" in other.load().registries.values())


def test_an_end_that_is_told_by_a_draft_is_not_that_of_anothers_life(open: Open) -> None:
    first, second = open(), open()
    create(first, "room", 5)
    draft = first._numbers.epoch(10**9) + 1  # above all that is there
    refused, deleted = second.create(record("room", draft), ECHO), second.delete("room", draft)
    assert (refused.get(), deleted.get()) == (None, False)
    assert [found.name for found in first.load().records] == ["room"]


def test_nothing_is_created_on_a_worker_that_is_dead(open: Open) -> None:
    first, second = open(), open()
    worker = record("room", 5).worker
    for store in (first, second):
        store.sharing.worker_came(worker)
    epoch = create(first, "room", 5)
    second._client.revoke(second.sharing.presence._lease_of(worker))
    assert first.create(record("hall", epoch + 1), ECHO).get() == 0
    assert first.create(record("room", epoch + 1), ECHO, epoch).get() == 0


def test_no_life_follows_one_whose_worker_lives(open: Open) -> None:
    first, second = open(), open()
    before = b"before"
    second.sharing.worker_came(before)
    epoch = create(first, "room", 5)
    assert first.create(record("room", epoch + 1), ECHO, epoch, before).get() is None
    second.sharing.worker_gone(before)
    assert green_until(lambda: first.create(record("room", epoch + 1), ECHO, epoch, before).get()) > epoch


def test_a_name_is_not_taken_out_while_its_worker_lives(open: Open) -> None:
    first, second = open(), open()
    worker = record("room", 5).worker
    second.sharing.worker_came(worker)
    epoch = create(first, "room", 5)
    refused, updated = first.delete("room", epoch, worker), first.update(record("room", epoch))
    assert not refused.get() and updated.get()
    second._client.revoke(second.sharing.presence._lease_of(worker))
    assert first.delete("room", epoch, worker).get()


def test_a_registry_tells_that_a_worker_is_dead_before_it_ends(
    open: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open()
    presence, worker = store.sharing.presence, b"w" * 16
    presence.come(worker)
    revoked: list[int] = []

    def revoke(lease: int, patience: float) -> None:
        gevent.idle()
        revoked.append(lease)

    monkeypatch.setattr(store._client, "revoke", revoke)
    presence.gone(worker)
    presence.close()
    assert revoked == [presence._lease_of(worker)]


def test_what_is_not_foreseen_does_not_end_the_leases_of_workers(
    open: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_presence, "RETRY", 0.0)
    there, worker = open().sharing.presence, b"w" * 16
    asked: list[object] = []

    def keep_alive(ids: Sequence[int]) -> dict[int, int]:
        asked.append(ids)
        raise KeyError("result")

    monkeypatch.setattr(there._renewing, "keep_alive", keep_alive)
    there.come(worker)

    def is_asked_again() -> bool:
        there.heard(worker)
        return len(asked) == 2

    green_until(is_asked_again)


def test_a_worker_that_has_gone_while_another_was_told_of_is_not_told_of_any_more(
    open: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, workers = open().sharing.presence, {b"1" * 16, b"2" * 16}
    told: list[bytes] = []

    def make(id: bytes) -> None:
        told.append(id)
        if len(told) == len(workers) + 1:  # the keeper has begun
            for other in workers - {id}:
                there.forget(other)
        raise StoreError("etcd does not answer")

    monkeypatch.setattr(there, "_make", make)
    for worker in workers:
        there.come(worker)

    def is_told_again() -> bool:
        for worker in workers & there._there:
            there.heard(worker)
        return len(told) == len(workers) + 2

    green_until(is_told_again)
    assert told[-1] == told[-2] and there._missing == {told[-1]}


def test_registries_that_disagree_on_when_a_worker_is_given_up_say_so(
    open: Open, caplog: pytest.LogCaptureFixture
) -> None:
    for port, lease in ((1, 15.0), (2, 15.0), (3, 2.0)):
        sharing = open().sharing
        sharing.lease = lease
        sharing.join(f"127.0.0.1:{port}")
    told = [f"heartbeat-timeout is 2 s here and 15 s at registry 127.0.0.1:{port}" for port in (1, 2)]
    assert sorted(record.message.partition(": set")[0] for record in caplog.records) == told


def test_registries_hear_of_each_other(open: Open) -> None:
    first, second = open(), open()
    assert first.load().records == []
    heard: list[News] = []
    listening = gevent.spawn(lambda: [heard.append(news) for news in first.sharing.news()])
    id, worker = second.sharing.id, b"w" * 16
    second.sharing.join("127.0.0.1:9000")
    second.sharing.worker_came(worker)
    epoch = create(second, "room", 5)
    second.update(record("room", epoch)._replace(ending=True)).get()
    second.update(record("room", epoch)._replace(ending=True, given_up=True)).get()
    second.delete("room", epoch).get()
    second.quarantine(ECHO.digest, 123.5).get()
    second.quarantine(ECHO.digest, 0).get()
    second.sharing.worker_gone(worker)
    green_until(lambda: WorkerGone(worker) in heard)
    second.close()
    green_until(lambda: heard[-1] == RegistryGone(id))
    listening.kill()
    freed = next(news for news in heard if isinstance(news, Freed))
    assert freed.epoch > epoch
    told = dict.fromkeys(repr(_as_it_began(news)) for news in heard if news != freed)
    expected = [
        RegistryThere(id, "127.0.0.1:9000"),
        WorkerThere(worker),
        Begun(record("room", epoch)._replace(by=id)),
        EndOrdered("room", epoch),
        GivenUp("room", epoch),
        Quarantined(ECHO.digest, 123.5),
        Quarantined(ECHO.digest, 0.0),
        WorkerGone(worker, proved=True),
        WorkerGone(worker),
        RegistryGone(id),
    ]
    assert [*told] == [*map(repr, expected)]  # some may be told twice


def _as_it_began(news: News) -> News:
    """A life may have been ended, or given up, before its beginning was told: then that tells it, too."""
    match news:
        case Begun(record):
            return Begun(record._replace(ending=False, given_up=False))
    return news


def test_what_is_not_known_any_more_is_read_anew(open: Open, etcd: Etcd) -> None:
    first, second = open(), open()
    first.load()
    create(second, "room", 5)
    etcd.compact()
    news = next(first.sharing.news())
    assert isinstance(news, Anew)
    (found,) = news.contents.records
    assert found.name == "room"
    assert found.epoch <= news.contents.known_until <= news.contents.last_epoch
    assert set(news.contents.registries) == {first.sharing.id, second.sharing.id}


def test_a_worker_lives_as_long_as_one_registry_hears_it(open: Open) -> None:
    first, second = open(), open()
    worker = b"w" * 16
    for store in (first, second):
        store.sharing.presence.seconds = 2.0
        store.sharing.worker_came(worker)
    second.sharing.worker_heard(worker)
    key = first._layout.worker(worker)
    with pytest.raises(gevent.Timeout):
        green_until(lambda: second.sharing.worker_heard(worker), timeout=3.0)
    assert first._reader.one(key) is not None
    green_until(lambda: first._reader.one(key) is None)


# ---- faults ------------------------------------------------------------------------------------------------


class Unreliable:
    """Has transactions of a store be done or not, without an answer either way."""

    def __init__(self, store: EtcdStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self._transact = store._client.transact
        self.plan: list[bool] = []
        monkeypatch.setattr(store._client, "transact", self)

    def __call__(self, *args: Any) -> Any:
        if not self.plan:
            return self._transact(*args)
        if self.plan.pop(0):
            self._transact(*args)
        raise InDoubt(StoreUnreachable("nobody has answered"))


@pytest.mark.parametrize("done", [True, False])
def test_what_is_in_doubt_is_looked_at(open: Open, done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open()
    first = create(store, "room", 5)
    store.save_snapshot(Snapshot("room", first, 1, b"state")).get()
    network = Unreliable(store, monkeypatch)
    network.plan = [done]
    assert store.save_snapshot(Snapshot("room", first, 2, b"later")).get()
    network.plan = [done]
    second = create(store, "room", first + 1, replaces=first)
    assert second == store._numbers.epoch(revision_of(store, "room"))
    network.plan = [done]
    assert store.update(record("room", second)._replace(ending=True)).get()
    network.plan = [done]
    assert store.delete("room", second).get()
    network.plan = [done]
    assert create(store, "room", second + 1)
    assert network.plan == []


@pytest.mark.parametrize("done", [True, False])
def test_a_creation_that_is_given_up_in_doubt_stands_in_nobodys_way(
    open: Open, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open()
    monkeypatch.setattr(etcd_store, "PATIENCE", 0.0)
    first = create(store, "room", 5)
    network = Unreliable(store, monkeypatch)
    network.plan = [done]
    with pytest.raises(StoreUnreachable, match="store in etcd cannot be written: nobody has answered"):
        create(store, "hall", first + 1)
    store.delete("hall", first + 1).get()  # as the registry does
    network.plan = [done, False, False]
    for replaces in (first, first + 1, first + 1):  # as the registry does, with a number that it has chosen
        with pytest.raises(StoreUnreachable):
            create(store, "room", first + 1, replaces=replaces)
    assert create(store, "room", first + 1, replaces=first + 1)
    assert create(store, "hall", first + 1)
    names = sorted(found.name for found in store.load().records)
    assert names == ["hall", "room"]


def test_what_has_happened_is_written_when_etcd_is_back(
    open: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open()
    monkeypatch.setattr(etcd_store, "PATIENCE", 0.0)
    epoch = create(store, "room", 5)
    network = Unreliable(store, monkeypatch)
    network.plan = [False] * 4
    deleted = store.delete("room", epoch)
    with pytest.raises(StoreUnreachable):
        deleted.get()
    green_until(lambda: store._reader.one(key_of(store, "room")) is None)
    assert create(store, "room", epoch + 1)
    assert "no actor can be created until it can" in caplog.text
    green_until(lambda: not store.failing)


def test_what_is_too_large_for_etcd_is_refused_alone(open: Open) -> None:
    store = open()
    large = record("large", 5)._replace(options={"filling": "x" * 2_000_000})
    refused, small = store.create(large, ECHO), store.create(record("small", 5), ECHO)
    with pytest.raises(StoreError, match=r"what is to be kept has 2\d+ bytes, and etcd takes 1100000"):
        refused.get()
    assert small.get()


@pytest.fixture
def small_etcd() -> Iterator[Etcd]:
    yield from running(1, "--quota-backend-bytes=3000000")


def test_a_full_etcd_names_its_reason(
    small_etcd: Etcd, opened: list[EtcdStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    open = opener(small_etcd, opened, monkeypatch)
    store = open()
    epoch = create(store, "room", 5)
    with pytest.raises(StoreFull, match=r"etcd is full \(etcdserver: mvcc: database space exceeded\): "):
        for sequence in range(1, 20):
            store.save_snapshot(Snapshot("room", epoch, sequence, bytes(1_000_000))).get()
    assert store.find_definition(ECHO.digest) == ECHO
    adopted, deleted = store.adopt(record("brought", 5)), store.delete("room", epoch)
    refused = store.create(record("hall", epoch + 1), ECHO)
    for result in (adopted, refused):
        with pytest.raises(StoreFull):
            result.get()
    green_until(lambda: store._reader.one(key_of(store, "room")) is None)  # which takes no room
    green_until(deleted.successful)


def test_no_endpoint() -> None:
    with pytest.raises(
        StoreUnreachable, match=r"no endpoint of etcd answers; the last that was tried, http:"
    ):
        EtcdStore(Client(["http://127.0.0.1:1", "http://127.0.0.1:2"]), "/test", [b"secret"])


def test_no_quorum(three_members: Etcd, open_at_three: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_at_three()
    epoch = create(store, "room", 5)
    monkeypatch.setattr(etcd_store, "PATIENCE", 0.0)
    for member in three_members.members[:2]:
        member.kill()

    def refused() -> bool:
        try:
            create(store, "hall", epoch + 1)
        except StoreWithoutQuorum as error:
            return "etcd has no quorum: http://127.0.0.1:" in str(error)
        except StoreUnreachable:  # the last leader is not given up yet
            return False
        raise AssertionError("it was created")

    green_until(refused)
    store.delete("hall", epoch + 1)  # as the registry does
    deleted = store.delete("room", epoch)
    three_members.mend()
    green_until(lambda: store._reader.one(key_of(store, "room")) is None)
    green_until(deleted.ready)
    assert create(store, "hall", epoch + 1)


@pytest.mark.parametrize("harm", ["kill", "stop"])
def test_a_leader_that_goes_away_loses_nothing(three_members: Etcd, open_at_three: Open, harm: str) -> None:
    """Creations go on, by whichever member; what was acknowledged is there, and no name twice."""
    store = open_at_three()
    leader = three_members.leader
    made: dict[str, int] = {}
    failed: list[Exception] = []
    enough = Event()

    def make(writer: int) -> None:
        number = 0
        while not enough.is_set():
            number += 1
            name = f"{writer}-{number}"
            try:
                made[name] = create(store, name, 5)
            except StoreError as error:
                failed.append(error)

    writers = [gevent.spawn(make, writer) for writer in range(20)]
    green_until(lambda: len(made) > 100)
    getattr(leader, harm)()
    many = len(made)
    green_until(lambda: len(made) > many + 200)
    leader.go_on()
    many = len(made)
    green_until(lambda: len(made) > many + 200)
    enough.set()
    gevent.joinall(writers, raise_error=True)
    assert failed == []
    assert all(made.values())
    found = {kept.name: kept.epoch for kept in store.load().records}
    assert found == made
