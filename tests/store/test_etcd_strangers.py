"""Whoever can write below the prefix, without the cluster key: nothing of it is taken, and all go on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gevent
import pytest

from stractory.errors import StoreMismatch
from stractory.net import seldom
from stractory.store.etcd import altered, operations
from stractory.store.etcd.client import Client
from stractory.store.etcd.operations import Operation
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import (
    Anew,
    Begun,
    Freed,
    News,
    Quarantined,
    RegistryThere,
    Snapshot,
    WorkerGone,
    WorkerThere,
)
from tests.store.test_store import ECHO, create, record
from tests.support.etcd import Etcd
from tests.support.green import green_until

FOLDERS = (
    "names",
    "endings",
    "latest",
    "snapshots",
    "definitions",
    "uses",
    "quarantine",
    "registries",
    "workers",
)

NO_NAMES: list[bytes] = [
    b"\xff\xfe",
    b"room\x00",
    b"",
    b"zz" * 16,
    b"AB" * 16,
    b" ab" * 8,
    b"ab" * 16,
    b"a/b/c",
    b"x" * 5000,
    "ä\u202e".encode(),
]

VALUES: list[bytes] = [b"", b"\xff" * 31, b"value" * 20, bytes(100_000)]


@pytest.fixture(autouse=True)
def all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, whatever the tests before have told."""
    monkeypatch.setattr(altered, "_told", seldom.Seldom(altered._log, 1_000_000))


class Site:
    """Registries with one prefix, and somebody who writes there."""

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd
        self.prefix = etcd.new_prefix()
        self.stores: list[EtcdStore] = []

    def open(self) -> EtcdStore:
        self.stores.append(EtcdStore(Client(self.etcd.endpoints), self.prefix, [b"secret"]))
        return self.stores[-1]

    def key(self, path: str, name: bytes = b"") -> bytes:
        return f"{self.prefix}/{path}".encode() + name

    def do(self, *then: Operation) -> None:
        self.etcd.client.transact([], then)

    def there(self, folder: str) -> dict[bytes, bytes]:
        key = self.key(f"{folder}/")
        found = self.etcd.client.range(operations.range_of(key, operations.end_of(key))).entries
        return {entry.key.removeprefix(key): entry.value for entry in found}


@pytest.fixture
def site(etcd: Etcd) -> Iterator[Site]:
    site = Site(etcd)
    yield site
    for store in site.stores:
        store.close()


class Hearing:
    """What a store hears of the others."""

    def __init__(self, store: EtcdStore) -> None:
        store.load()
        self.news: list[News] = []
        self.greenlet = gevent.spawn(self._listen, store)

    def _listen(self, store: EtcdStore) -> None:
        for news in store.sharing.news():
            self.news.append(news)

    def hears(self, name: str) -> bool:
        return any(isinstance(news, Begun) and news.record.name == name for news in self.news)


def everywhere() -> Iterator[tuple[str, bytes, bytes]]:
    for folder in FOLDERS:
        for number, name in enumerate(NO_NAMES):
            yield f"{folder}/", name, VALUES[number % len(VALUES)]


def test_a_registry_starts_whatever_others_have_written(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    first = site.open()
    epoch = create(first, "room", 5)
    for folder, name, value in everywhere():
        site.do(operations.put(site.key(folder, name), value))
    found = site.open().load()
    assert [(record.name, record.epoch) for record in found.records] == [("room", epoch)]
    assert found.quarantine == {} and found.workers == frozenset()
    assert set(found.registries) == {first.sharing.id}
    told = f"what etcd has of the key '{site.prefix}/names/room\\x00' was altered, and is not taken"
    assert told in caplog.text
    assert max(map(len, caplog.messages)) < 1000


def test_a_registry_hears_of_others_whatever_strangers_write(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    store, other = site.open(), site.open()
    hearing = Hearing(store)
    for folder, name, value in everywhere():  # each together with something that is to be heard
        site.do(operations.put(site.key(folder, name), value), operations.put(site.key("quota"), b""))
    for folder, name, _ in everywhere():
        site.do(operations.delete(site.key(folder, name)))
    create(other, "room", 5)
    green_until(lambda: hearing.hears("room"))
    wrong: list[News] = [news for news in hearing.news if isinstance(news, (WorkerThere, Anew))]
    wrong += [news for news in hearing.news if isinstance(news, Quarantined) and news.until]
    wrong += [
        news for news in hearing.news if isinstance(news, RegistryThere) and news.id != other.sharing.id
    ]
    assert wrong == []
    assert (
        caplog.text.count(f"{site.prefix}/workers/zzzz") == 2
    )  # when it was written, and when it was taken away
    assert "Traceback" not in caplog.text
    hearing.greenlet.kill()


def test_what_comes_with_something_of_a_stranger_is_heard(site: Site) -> None:
    """It is of one revision."""
    store, other = site.open(), site.open()
    create(other, "room", 5)
    good = site.there("names")[b"room"]
    hearing = Hearing(store)
    site.do(operations.put(site.key("names/\xff"), b""), operations.put(site.key("names/room"), good))
    green_until(lambda: hearing.hears("room"))
    hearing.greenlet.kill()


def test_a_name_that_a_stranger_has_taken_is_free(site: Site) -> None:
    store = site.open()
    site.do(operations.put(site.key("names/room"), b"taken"), operations.put(site.key("latest/room"), b"x"))
    assert create(store, "room", 5)


def test_an_end_takes_away_what_lies_in_the_place_of_its_name(site: Site) -> None:
    """Others who know the name hear of its end."""
    store, other = site.open(), site.open()
    epoch = create(store, "room", 5)
    hearing = Hearing(other)
    site.do(operations.put(site.key("names/room"), site.there("names")[b"room"][:-1]))
    assert not store.update(record("room", epoch)._replace(ending=True)).get()
    assert b"room" in site.there("names")  # nothing else does
    assert not store.delete("room", epoch).get()
    assert site.there("names") == {}
    green_until(lambda: any(isinstance(news, Freed) and news.name == "room" for news in hearing.news))
    hearing.greenlet.kill()


@pytest.mark.parametrize("folder", ["snapshots/room", f"definitions/{ECHO.digest.hex()}"])
def test_what_is_altered_is_told_when_it_is_asked_for(
    site: Site, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    store = site.open()
    epoch = create(store, "room", 5)
    assert store.save_snapshot(Snapshot("room", epoch, 1, b"state")).get()
    site.do(operations.put(site.key(folder), b"another" * 100))
    found = store.find_snapshot("room"), store.find_definition(ECHO.digest)
    assert found.count(None) == 1
    assert f"{site.prefix}/{folder}' was altered, and is not taken" in caplog.text


# ---- the mark ----------------------------------------------------------------------------------------------


def test_a_mark_that_is_taken_away_is_put_back_by_who_sees_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    store = site.open()
    epoch = create(store, "room", 5)
    hearing = Hearing(store)
    site.do(operations.delete(site.key("mark")))
    green_until(lambda: store._reader.one(site.key("mark")))
    assert "somebody has taken away the mark of the prefix /test-" in caplog.text
    (record,) = site.open().load().records
    assert record.epoch == epoch
    hearing.greenlet.kill()


def test_names_without_a_mark_are_not_counted_anew(site: Site) -> None:
    create(site.open(), "room", 5)
    site.do(operations.delete(site.key("mark")))
    with pytest.raises(StoreMismatch, match=f"the prefix {site.prefix} of etcd has names, but somebody has"):
        site.open()


# ---- large values ------------------------------------------------------------------------------------------


def test_more_than_can_be_told_at_once_is_read_in_smaller_pages(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stractory.store.etcd import connection

    store = site.open()
    for number in range(30):
        create(store, f"room-{number}", 5)
        site.do(operations.put(site.key(f"names/large-{number}"), bytes(10_000)))
    monkeypatch.setattr(connection, "ANSWER_LIMIT", 300_000)
    assert len(store.load().records) == 30


def of_a_worker(news: News, id: bytes) -> bool:
    return isinstance(news, (WorkerThere, WorkerGone)) and news.id == id


def test_a_worker_of_a_strangers_does_not_live(site: Site) -> None:
    store, other = site.open(), site.open()
    hearing = Hearing(store)
    ghost = b"g" * 16
    site.do(operations.put(site.key(f"workers/{ghost.hex()}"), json.dumps("alive").encode()))
    other.sharing.worker_came(b"w" * 16)
    green_until(lambda: any(of_a_worker(news, b"w" * 16) for news in hearing.news))
    assert not any(of_a_worker(news, ghost) for news in hearing.news)
    hearing.greenlet.kill()
