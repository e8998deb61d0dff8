"""What a registry does about what it hears of others. The store is the test's."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult
from gevent.queue import Queue

from stractory.errors import ActorLost, ActorQuarantined, LinkClosed, NoWorkers, StoreError
from stractory.registry import living, orders, peers, renewals, turns
from stractory.registry.directory import Directory
from stractory.registry.quarantine import MARK
from stractory.registry.service import Registry
from stractory.store.interface import (
    Anew,
    Begun,
    Contents,
    EndOrdered,
    Freed,
    GivenUp,
    News,
    Quarantined,
    Record,
    RegistryGone,
    RegistryThere,
    WorkerGone,
    WorkerThere,
)
from stractory.store.memory import MemoryStore
from stractory.store.rules import RECORD
from stractory.wire.life import Life, Phase, Report, Terms
from stractory.wire.shipping import Definition
from tests.registry.test_service import (
    DEFINITION,
    ELSEWHERE,
    LIMIT,
    FakeWorker,
    create,
    created,
    life,
    outcome,
    state,
)
from tests.support.chance import chance
from tests.support.green import green_until

OTHER = b"other"


class FakeSharing:
    """``told``: what the test has happen elsewhere."""

    id = b"own"
    lease = 0.0

    def __init__(self) -> None:
        self.told: Queue[News] = Queue()
        self.came: list[bytes] = []
        self.dead: list[bytes] = []
        self.forgotten: list[bytes] = []
        self.joined: list[str] = []
        self.asked = 0  # for news

    def join(self, address: str) -> None:
        self.joined.append(address)
        self.told.put(RegistryThere(self.id, address))

    def news(self) -> Iterator[News]:
        self.asked += 1
        while True:
            yield self.told.get()

    def worker_came(self, id: bytes) -> None:
        self.came.append(id)

    def worker_heard(self, id: bytes) -> None:
        pass

    def worker_gone(self, id: bytes) -> None:
        self.dead.append(id)

    def worker_forgotten(self, id: bytes) -> None:
        self.forgotten.append(id)


class Watched(MemoryStore):
    """``deleted``: the names; ``guards``: the workers that had to be dead for that."""

    lasting = True

    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[str] = []
        self.guards: list[bytes] = []

    def delete(self, name: str, epoch: int, dead: bytes = b"") -> AsyncResult[bool]:
        self.deleted.append(name)
        self.guards.append(dead)
        return super().delete(name, epoch, dead)


@pytest.fixture
def sharing() -> FakeSharing:
    return FakeSharing()


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def registry(sharing: FakeSharing, store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr(peers, "GRACE", 0.0)
    monkeypatch.setattr(living, "OBJECTION", 0.0)
    store.sharing = sharing
    registry = Registry(Directory(random=chance()), store, settling=0)
    registry.define(DEFINITION.packed)
    registry.peers.join("127.0.0.1:9000")
    sharing.told.put(RegistryThere(OTHER, "127.0.0.1:9100"))
    yield registry
    registry.close()


def hear(sharing: FakeSharing, *told: News) -> None:
    """Returns when the registry has heard all."""
    for news in told:
        sharing.told.put(news)
    green_until(lambda: not sharing.told.qsize())
    gevent.idle()


def begun(epoch: int, worker: bytes = b"1") -> Begun:
    return Begun(Record(life(epoch), worker, ELSEWHERE, by=OTHER))


def test_workers_are_told_of_all_registries_this_one_first(registry: Registry, sharing: FakeSharing) -> None:
    green_until(lambda: registry.peers.addresses == ["127.0.0.1:9000", "127.0.0.1:9100"])
    sharing.told.put(RegistryGone(OTHER))
    green_until(lambda: registry.peers.addresses == ["127.0.0.1:9000"])


def test_who_was_at_the_address_of_a_registry_before_it_is_nobodys_peer(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    sharing.told.put(begun(100))
    green_until(lambda: state(registry) == ["pending"])
    sharing.told.put(RegistryThere(b"anew", "127.0.0.1:9100"))
    green_until(lambda: state(registry) == ["ending"])  # nobody knows whether it was ordered
    assert registry.peers.count == 2
    sharing.told.put(RegistryThere(b"killed", "127.0.0.1:9200"))
    sharing.told.put(RegistryGone(b"anew"))
    green_until(lambda: registry.peers.addresses == ["127.0.0.1:9000", "127.0.0.1:9200"])
    registry.peers.join("127.0.0.1:9200")
    assert registry.peers.count == 1 and not registry.peers.there()


def test_two_at_one_address_do_not_end_each_other(registry: Registry, sharing: FakeSharing) -> None:
    """A mistake in their settings: each would write that it is there as soon as the other has."""
    hear(sharing, RegistryThere(b"twin", "127.0.0.1:9000"), RegistryThere(sharing.id, "127.0.0.1:9000"))
    assert sharing.joined == ["127.0.0.1:9000"]


def test_registries_that_come_and_go_are_logged(
    registry: Registry, sharing: FakeSharing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, peers.__name__)
    sharing.told.put(RegistryThere(b"anew", "127.0.0.1:9100"))
    sharing.told.put(RegistryGone(OTHER))
    sharing.told.put(RegistryThere(b"third", ""))  # it does not say yet where it is
    there = RegistryThere(b"third", "127.0.0.1:9200")
    hear(sharing, there, there, RegistryGone(b"third"))
    assert [record.getMessage() for record in caplog.records] == [
        "registry 127.0.0.1:9100 shares the store",
        "registry 127.0.0.1:9100 was started anew",
        "registry 127.0.0.1:9200 shares the store",
        "registry 127.0.0.1:9200 has gone",
    ]


def test_registries_that_are_there_at_the_start_are_logged(
    sharing: FakeSharing, store: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, peers.__name__)
    store.sharing = sharing
    before = Contents([], 0, {}, {OTHER: "127.0.0.1:9100"}, frozenset())
    store.load = lambda: before  # type: ignore[method-assign]
    registry = Registry(Directory(random=chance()), store, settling=0)
    registry.peers.join("127.0.0.1:9000")
    registry.close()
    assert [record.getMessage() for record in caplog.records] == ["registry 127.0.0.1:9100 shares the store"]


def test_a_registry_that_was_taken_for_gone_joins_the_others_again(
    registry: Registry, sharing: FakeSharing
) -> None:
    sharing.told.put(RegistryGone(sharing.id))
    green_until(lambda: sharing.joined == ["127.0.0.1:9000"] * 2)
    assert registry.peers.addresses == ["127.0.0.1:9000", "127.0.0.1:9100"]


def test_a_name_that_another_gives_away_runs_when_its_worker_says_so(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    sharing.told.put(begun(100))
    green_until(lambda: state(registry) == ["pending"])
    registry.members.reported(worker.worker, Report(life(100), Phase.RUNNING))
    assert state(registry) == ["running"]
    sharing.told.put(Freed("room", 102))
    green_until(lambda: state(registry) == [])


def test_what_another_cannot_end_is_ended_from_here(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    sharing.told.put(EndOrdered("room", info.epoch))
    order = worker.told("destroy")
    assert order.args == ("room", info.epoch)
    assert state(registry) == ["ending"]
    order.answer.set()
    green_until(lambda: state(registry) == [])


def test_a_name_that_another_registry_has_ended_is_given_away_when_that_is_over(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    """Also where this one has not heard of its life: of what comes back there are no two."""
    there = life(100)._replace(terms=Terms(restart="always"))
    ending = begun(100).record._replace(life=there, ending=True)
    registry._ledger._store.adopt(ending)
    creating = outcome(create, registry, if_exists="replace", create_id=b"new", restart="always")
    gevent.idle()
    sharing.told.put(Begun(ending))
    worker.told("destroy").answer.set()
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).epoch > 100


def test_what_another_registry_has_given_up_is_in_nobodys_way(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    given_up = begun(100).record._replace(ending=True, given_up=True)
    registry._ledger._store.adopt(given_up)
    sharing.told.put(Begun(given_up))
    assert created(registry, worker).epoch > 100


def test_what_another_gives_up_is_ended_from_here_and_its_name_is_free(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    sharing.told.put(GivenUp("room", info.epoch))
    assert worker.told("destroy").args == ("room", info.epoch)
    assert state(registry) == []


def test_what_a_registry_that_is_gone_has_promised_is_ended(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    sharing.told.put(begun(100))
    sharing.told.put(RegistryGone(OTHER))
    order = worker.told("destroy")
    assert order.args == ("room", 100)
    order.answer.set()
    green_until(lambda: state(registry) == [])


def test_what_its_worker_has_told_of_outlives_the_registry_that_promised_it(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    sharing.told.put(begun(100))
    green_until(lambda: state(registry) == ["pending"])
    registry.members.reported(worker.worker, Report(life(100), Phase.RUNNING))
    sharing.told.put(RegistryGone(OTHER))
    green_until(lambda: registry.peers.addresses == ["127.0.0.1:9000"])
    sharing.told.put(begun(98))
    green_until(lambda: not sharing.told.qsize())
    assert (state(registry), worker.orders.qsize()) == (["running"], 0)


def test_a_worker_is_dead_when_no_registry_hears_it(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    created(registry, worker)
    assert sharing.came == [b"1"]
    sharing.told.put(WorkerThere(b"1"))
    green_until(lambda: registry.members.lives(worker.worker))
    worker.worker.last_beat -= 60
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: state(registry) == [])
    assert registry.list_workers() == [] and sharing.dead == []
    assert sharing.forgotten == [b"1"]


def test_who_hears_a_worker_objects_when_the_store_has_lost_it(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    created(registry, worker)
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: sharing.came == [b"1", b"1"])
    assert state(registry) == ["running"]


def test_a_registry_that_stood_still_does_not_take_that_for_the_silence_of_its_workers(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    created(registry, worker)
    registry.members._looked = time.monotonic() - 60
    worker.worker.last_beat -= 60
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: sharing.came == [b"1", b"1"])
    assert state(registry) == ["running"]


def test_a_registry_that_was_started_anew_is_told_of_once(registry: Registry, sharing: FakeSharing) -> None:
    sharing.told.put(RegistryThere(b"its next life", "127.0.0.1:9100"))
    green_until(lambda: b"its next life" in registry.peers._registries)
    assert registry.peers.addresses == ["127.0.0.1:9000", "127.0.0.1:9100"]
    assert registry.peers.count == 2


def test_what_was_to_end_on_a_worker_that_another_knows_to_be_dead_is_over(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    ending = begun_elsewhere(registry, worker, sharing, 0)
    registry.members.reported(worker.worker, Report(ending, Phase.ENDING))
    sharing.told.put(WorkerGone(b"1", proved=True))
    green_until(lambda: registry.list_workers() == [])
    registry.close()
    assert store.get(RECORD + ending.name.encode()) is None


def test_nobody_objects_to_what_another_registry_knows(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    created(registry, worker)
    sharing.told.put(WorkerGone(b"1", proved=True))
    green_until(lambda: registry.list_workers() == [])
    assert (state(registry), sharing.came) == ([], [b"1"])


@pytest.mark.parametrize("heard", [True, False])
def test_who_has_not_heard_a_worker_for_long_does_not_object(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, heard: bool
) -> None:
    """Its lease may be over a little earlier than its time here, as not each sign of life was told."""
    worker.worker.last_beat -= (0.5 if heard else 0.8) * registry.members.lease
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: sharing.came == [b"1", b"1"] if heard else registry.list_workers() == [])
    assert len(registry.list_workers()) == heard


def test_a_worker_whose_link_has_ended_is_not_heard(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    """Nor is it dead, for all that is known here, before its lease is over."""
    registry._directory.unlink(worker.worker)
    hear(sharing, WorkerGone(b"1"))
    assert sharing.came == [b"1"]
    assert [info.state for info in registry.list_workers()] == ["lost"]


def test_who_does_not_hear_a_worker_waits_for_an_objection(
    registry: Registry, sharing: FakeSharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    sharing.told.put(begun(100, b"far"))
    hear(sharing, WorkerGone(b"far"), WorkerThere(b"far"))
    assert state(registry) == ["awaited"]
    sharing.told.put(WorkerGone(b"far"))
    green_until(lambda: state(registry) == [])


def test_who_has_had_no_link_to_a_worker_for_long_waits_for_an_objection(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    """Its silence here says nothing of what others hear."""
    created(registry, worker)
    registry._directory.unlink(worker.worker)
    worker.worker.last_beat -= 60
    hear(sharing, WorkerGone(b"1"), WorkerThere(b"1"))
    assert state(registry) == ["lost"]
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: state(registry) == [])


def test_while_an_objection_is_waited_for_a_worker_may_live(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living, "OBJECTION", LIMIT)
    worker.worker.last_beat -= 60
    hear(sharing, WorkerGone(b"1"))
    assert registry.members.lives(worker.worker)


def test_a_name_is_taken_out_only_if_its_worker_is_dead_for_the_store_too(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    info = created(registry, worker)
    worker.worker.last_beat -= registry.members.lease
    sharing.told.put(WorkerGone(b"1"))
    green_until(lambda: state(registry) == [])
    registry.close()
    assert (store.deleted, store.guards) == ([info.name], [b"1"])


def test_what_another_gives_up_is_not_there_any_more_when_its_worker_is_heard_again(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    worker.worker.last_beat -= registry.members.lease
    for told in (WorkerGone(b"1"), GivenUp("room", info.epoch), WorkerThere(b"1")):
        sharing.told.put(told)
    green_until(lambda: [found.state for found in registry.list_workers()] == ["lost"])
    assert state(registry) == []
    worker.register(Report(life(info.epoch, b"first"), Phase.RUNNING))
    assert worker.told("destroy").args == ("room", info.epoch)


def test_what_another_has_given_a_later_life_ends_here(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    sharing.told.put(begun(info.epoch + 2, b"far"))
    assert worker.told("destroy").args == ("room", info.epoch)


def test_what_another_has_freed_ends_here(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    sharing.told.put(Freed("room", info.epoch + 2))
    assert worker.told("destroy").args == ("room", info.epoch)


def test_who_knows_that_a_worker_is_dead_tells_the_others(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    registry.members.goodbye(worker.worker)
    assert sharing.dead == [b"1"]


def test_what_another_puts_into_quarantine_is_not_started_here_until_that_is_lifted(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    mark = DEFINITION.digest[:MARK]
    sharing.told.put(Quarantined(mark, time.time() + 60))
    gevent.idle()
    with pytest.raises(ActorQuarantined):
        create(registry)
    sharing.told.put(Quarantined(mark, 0.0))
    gevent.idle()
    assert created(registry, worker).name == "room"


def test_what_another_has_put_into_quarantine_is_heard_with_all_there_is(
    registry: Registry, sharing: FakeSharing
) -> None:
    mark = DEFINITION.digest[:MARK]
    sharing.told.put(Anew(Contents([], 0, {mark: time.time() + 60}, {OTHER: "127.0.0.1:9100"})))
    gevent.idle()
    with pytest.raises(ActorQuarantined):
        create(registry)
    sharing.told.put(Anew(Contents([], 0, {}, {OTHER: "127.0.0.1:9100"})))
    gevent.idle()
    with pytest.raises(NoWorkers):
        create(registry)


# ---- creations that are repeated --------------------------------------------------------------------------


@pytest.mark.parametrize("heard", ["before", "after"])
def test_a_creation_that_another_registry_has_begun_is_carried_out_here(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched, heard: str
) -> None:
    """It died when the store had the life, and its client repeats the creation: it is the same life."""
    record = begun(100).record
    store.adopt(record)
    if heard == "before":
        sharing.told.put(Begun(record))
        gevent.idle()
    creating = outcome(create, registry, create_id=record.life.create_id)
    if heard == "after":
        gevent.idle()
        sharing.told.put(Begun(record))
    order = worker.told("create")
    assert order.args[0] == record.life
    sharing.told.put(RegistryGone(OTHER))
    order.answer.set()
    assert creating.get(timeout=LIMIT).epoch == 100
    assert state(registry) == ["running"] and worker.orders.empty()


def test_a_creation_that_another_registry_has_had_carried_out_is_found_here(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    record = begun(100).record
    store.adopt(record)
    creating = outcome(create, registry, create_id=record.life.create_id)
    gevent.idle()
    registry.members.reported(worker.worker, Report(record.life, Phase.RUNNING))
    assert creating.get(timeout=LIMIT).epoch == 100
    assert worker.orders.empty()


def test_what_another_registry_ends_before_its_worker_has_heard_of_it_is_ended_when_it_has(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    creating = outcome(create, registry)
    order = worker.told("create")
    epoch = order.args[0].epoch
    sharing.told.put(Freed("room", epoch + 1))
    green_until(lambda: state(registry) == [])
    order.answer.set()
    assert worker.told("destroy").args == ("room", epoch)
    assert isinstance(creating.get(timeout=LIMIT), ActorLost)


# ---- who takes a name out of the store --------------------------------------------------------------------


def named(registry: Registry, place: int) -> str:
    """A name to which this registry sees after so many others."""
    names = (f"room-{number}" for number in count())
    return next(name for name in names if registry.peers.place(name) == place)


def begun_elsewhere(registry: Registry, worker: FakeWorker, sharing: FakeSharing, place: int) -> Life:
    """An actor that another registry has had started."""
    green_until(registry.peers.there)
    there = life(100)._replace(name=named(registry, place))
    record = begun(100).record._replace(life=there)
    registry._ledger._store.adopt(record)
    sharing.told.put(Begun(record))
    gevent.idle()
    registry.members.reported(worker.worker, Report(there, Phase.RUNNING))
    return there


def test_of_what_dies_with_its_worker_the_first_registry_takes_the_name_out(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    first, second = (begun_elsewhere(registry, worker, sharing, place) for place in (0, 1))
    registry.members.goodbye(worker.worker)
    assert registry.list_actors("*") == []
    assert store.deleted == [first.name]
    sharing.told.put(Freed(second.name, 102))
    gevent.idle()
    registry.close()
    assert store.deleted == [first.name]


def test_a_registry_without_others_takes_out_at_once_what_was_to_end(
    registry: Registry,
    worker: FakeWorker,
    store: Watched,
    sharing: FakeSharing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "TURN", 1e9)
    sharing.told.put(RegistryGone(OTHER))
    green_until(lambda: not registry.peers.there())
    registry.members.reported(worker.worker, Report(life(100), Phase.ENDING))
    registry.members.ended(worker.worker, "room", 100)
    assert store.deleted == ["room"]


def test_what_the_first_registry_leaves_behind_is_taken_out_by_the_next(
    registry: Registry,
    worker: FakeWorker,
    sharing: FakeSharing,
    store: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "TURN", 0.01)
    there = begun_elsewhere(registry, worker, sharing, 1)
    registry.members.goodbye(worker.worker)
    assert store.deleted == []
    green_until(lambda: store.deleted == [there.name])


def test_who_was_asked_for_an_end_takes_the_name_out(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    asked_here, asked_elsewhere = (begun_elsewhere(registry, worker, sharing, place) for place in (1, 0))
    ending = outcome(registry.destroy, asked_here.name, LIMIT)
    worker.told("destroy").answer.set()
    assert ending.get(timeout=LIMIT) is None
    registry.members.reported(worker.worker, Report(asked_elsewhere, Phase.ENDING))
    registry.members.ended(worker.worker, asked_elsewhere.name, 100)
    assert registry.list_actors("*") == []
    assert store.deleted == [asked_here.name]


def test_an_end_that_a_link_does_not_take_any_more_is_left_to_others(
    registry: Registry,
    worker: FakeWorker,
    sharing: FakeSharing,
    store: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = created(registry, worker)
    green_until(registry.peers.there)

    def call(method: str, *args: object, call_timeout: float | None) -> None:
        raise LinkClosed("the wire is cut")

    monkeypatch.setattr(worker, "call", call)
    ending = outcome(registry.destroy, "room", LIMIT)
    green_until(lambda: store.get(RECORD + b"room").ending)
    sharing.told.put(Freed("room", info.epoch + 2))
    assert ending.get(timeout=LIMIT) is None


def test_a_creation_is_not_carried_out_over_a_link_that_has_ended(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    record = begun(100).record
    store.adopt(record)
    sharing.told.put(Begun(record))
    gevent.idle()
    registry._directory.unlink(worker.worker)
    creating = outcome(create, registry, create_id=record.life.create_id)
    gevent.idle()
    assert worker.orders.empty()
    registry.members.reported(worker.worker, Report(record.life, Phase.RUNNING))
    assert creating.get(timeout=LIMIT).epoch == 100


def test_a_name_that_another_is_to_take_out_can_be_created_at_once(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    there = begun_elsewhere(registry, worker, sharing, 1)
    registry.members.ended(worker.worker, there.name, 100)
    assert store.deleted == []
    creating = outcome(create, registry, name=there.name)
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).epoch > 100


def test_a_registry_that_ends_leaves_nothing_to_others(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, store: Watched
) -> None:
    there = begun_elsewhere(registry, worker, sharing, 1)
    registry.members.ended(worker.worker, there.name, 100)
    registry.close()
    assert store.deleted == [there.name]


# ---- troubles of the store ---------------------------------------------------------------------------------


def test_what_the_store_does_not_answer_about_a_life_is_asked_again(
    registry: Registry,
    worker: FakeWorker,
    sharing: FakeSharing,
    store: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "RETRY", 0.0)
    asked: list[bytes] = []

    def find(digest: bytes) -> Definition:
        asked.append(digest)
        if len(asked) == 1:
            raise StoreError("etcd has no quorum")
        return DEFINITION

    monkeypatch.setattr(store, "find_definition", find)
    record = begun(100).record._replace(definition=DEFINITION.digest)
    sharing.told.put(Begun(record))
    green_until(lambda: state(registry) == ["pending"])


def test_why_it_is_not_made_again_is_told(
    registry: Registry, worker: FakeWorker, store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "TURN", 0.0)
    created(registry, worker, restart="always")

    def failing(*record: object) -> AsyncResult[int]:
        raise StoreError("etcd has no quorum")

    monkeypatch.setattr(store, "create", failing)
    FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    green_until(lambda: registry.list_actors("*")[0].problem.startswith("etcd has no quorum"))


def test_what_the_store_does_not_let_begin_is_tried_again(
    registry: Registry, worker: FakeWorker, store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "TURN", 0.0)
    monkeypatch.setattr(orders, "HEARSAY", 0.0)
    created(registry, worker, restart="always")
    dead: list[bytes] = []

    def create_in_store(*asked: Any) -> AsyncResult[int | None]:
        dead.append(asked[-1])
        result: AsyncResult[int | None] = AsyncResult()
        result.set(None if len(dead) == 1 else asked[0].epoch)
        return result

    monkeypatch.setattr(store, "create", create_in_store)
    other = FakeWorker(registry, b"2")
    registry.members.given_up(worker.worker, False)
    other.told("create").answer.set()
    green_until(lambda: state(registry) == ["running"])
    assert dead == [b"1", b"1"]


def test_what_waits_is_where_it_was_when_another_registry_hears_its_worker(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker, restart="always")
    registry.members.given_up(worker.worker, False)
    assert state(registry) == ["waiting"]
    sharing.told.put(WorkerThere(b"1"))
    green_until(lambda: state(registry) == ["lost"])
    (location,) = registry.lookup(["room"])
    assert location.epoch == info.epoch


def test_what_is_not_understood_takes_nothing_else_along(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others that were written with it are told but once."""

    def hear(digest: bytes, until: float) -> None:
        raise KeyError(digest)

    monkeypatch.setattr(registry._quarantine, "hear", hear)
    for told in (Quarantined(b"", 0.0), begun(100)):
        sharing.told.put(told)
    green_until(lambda: state(registry) == ["pending"])
    assert sharing.asked == 1


def test_what_was_begun_while_all_was_read_anew_is_not_taken_for_over(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    others = {OTHER: "127.0.0.1:9100"}
    workers = frozenset([b"1"])
    hear(sharing, Anew(Contents([], info.epoch + 1, {}, others, workers, known_until=info.epoch - 1)))
    assert state(registry) == ["running"]
    sharing.told.put(Anew(Contents([], info.epoch + 1, {}, others, workers, known_until=info.epoch + 1)))
    green_until(lambda: state(registry) == [])


def test_of_what_is_over_nothing_is_remembered_when_all_was_read_anew(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    info = created(registry, worker)
    registry.members.ended(worker.worker, "room", info.epoch)
    assert registry._directory.names() == {"room"}
    others = {OTHER: "127.0.0.1:9100"}
    sharing.told.put(Anew(Contents([], 0, {}, others, frozenset([b"1"]), known_until=info.epoch + 1)))
    green_until(lambda: registry._directory.names() == set())


def test_what_a_registry_that_stood_still_has_promised_is_not_ended(
    registry: Registry, worker: FakeWorker, sharing: FakeSharing
) -> None:
    sharing.told.put(begun(100))
    hear(sharing, RegistryGone(OTHER), RegistryThere(OTHER, "127.0.0.1:9100"))
    assert (state(registry), worker.orders.qsize()) == (["pending"], 0)


def test_registries_see_to_a_name_one_after_another(registry: Registry, sharing: FakeSharing) -> None:
    green_until(lambda: registry.peers.there())
    assert {registry.peers.rank(f"room-{number}") for number in range(20)} == {1, 2}
    sharing.told.put(RegistryGone(OTHER))
    green_until(lambda: registry.peers.rank("room") == 0)
