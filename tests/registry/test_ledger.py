"""What a registry knows that was started in the place of another."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.event import AsyncResult
from gevent.pool import Group

from stractory.errors import (
    ActorExists,
    ActorLost,
    ActorQuarantined,
    ActorStartFailed,
    CallTimeout,
    Recovering,
    StoreError,
)
from stractory.net import process
from stractory.net.process import Process
from stractory.registry import renewals
from stractory.registry.away import AWAY_LIMIT
from stractory.registry.directory import Directory
from stractory.registry.records import UNKNOWN_MAKING, State
from stractory.registry.service import Registry
from stractory.store.etcd.sharing import EtcdSharing
from stractory.store.interface import Record, Snapshot, Store
from stractory.wire.life import Phase, Report, Terms
from tests.registry.test_service import DEFINITION, LIMIT, FakeWorker, create, look_up, outcome
from tests.support.chance import chance
from tests.support.faults import let_pass
from tests.support.green import green_until, one_turn
from tests.support.stores import EVERY_STORE, Place, in_etcd

GONE = Process(process.own().machine, 2**30, 0)


class Series:
    """One registry after another, with one place for their data, where ``open`` makes a store."""

    def __init__(self, open: Place) -> None:
        self._open = open
        self._running = Group()
        self.lease = LIMIT
        self.store: Store | None = None
        self.registry: Registry | None = None

    def start(self) -> Registry:
        self.stop()
        self.store = self._open()
        registry = Registry(Directory(lease=self.lease, random=chance()), self.store, settling=LIMIT)
        self.registry = registry
        registry.define(DEFINITION.packed)
        self._running.spawn(registry.members.expire_leases)
        return registry

    def expire(self, id: bytes) -> None:
        """As if the lease of a worker had ended that the registry before has given it."""
        if self.store is not None and self.store.sharing is not None:
            self.store.sharing.worker_gone(id)

    def keep(self, worker: FakeWorker) -> None:
        """As if it went on giving signs of life."""
        worker.worker.last_beat = math.inf
        self._running.spawn(self._keep, worker)

    def _keep(self, worker: FakeWorker) -> None:
        while self.store is not None and self.store.sharing is not None:
            self.store.sharing.worker_heard(worker.id)
            let_pass(0.1)

    def stop(self) -> None:
        self._running.kill()
        if self.registry is not None:
            self.registry.close()
        if self.store is not None:
            self.store.close()


@pytest.fixture(params=EVERY_STORE)
def series(request: pytest.FixtureRequest):
    series = Series(request.param(request))
    yield series
    series.stop()


def begin(series: Series, restart: str = "never", snapshot: str = "none", **where: Process):
    """A registry, its worker, and an actor there."""
    registry = series.start()
    worker = FakeWorker(registry, b"1", **where)
    creating = outcome(create, registry, restart=restart, snapshot=snapshot)
    worker.told("create").answer.set()
    return registry, worker, creating.get(timeout=LIMIT)


def give_up(registry: Registry, worker: FakeWorker) -> None:
    """No registry has heard it for the length of a lease."""
    sharing = registry.members._sharing
    if isinstance(sharing, EtcdSharing):
        worker.worker.last_beat -= registry.members.lease
        presence = sharing.presence
        presence._client.revoke(presence._lease_of(worker.id))
        green_until(lambda: registry._directory.find_worker(worker.id) is None)
    else:
        registry.members._bury(worker.worker, proved=False)


def life_of(registry: Registry):
    actor = registry._directory.find("room")
    assert actor is not None
    return actor.life


def test_a_name_is_held_for_the_worker_that_has_it(series: Series) -> None:
    before, _, info = begin(series)
    life = life_of(before)
    registry = series.start()
    found = outcome(look_up, registry, ["room"])
    other = FakeWorker(registry, b"2")
    creating = outcome(create, registry, create_id=b"another")
    gevent.idle()
    assert not found.ready() and not creating.ready()
    worker = FakeWorker(registry, b"1", reports=[Report(life, Phase.RUNNING)])
    assert found.get(timeout=LIMIT) == [info]
    assert isinstance(creating.get(timeout=LIMIT), ActorExists)
    assert other.orders.empty() and worker.orders.empty()


def test_who_does_not_want_to_wait_hears_that_a_name_is_awaited(series: Series) -> None:
    begin(series)
    registry = series.start()
    with gevent.Timeout(LIMIT):
        found, another = look_up(registry, ["room", "another"], False)
    assert found is not None and found.coming and another is None


def test_a_creation_says_that_the_registry_recovers(series: Series) -> None:
    begin(series)
    registry = series.start()
    FakeWorker(registry, b"2")
    with pytest.raises(Recovering, match="'room' has not come back"):
        create(registry, timeout=0.01)


def test_a_repeated_creation_finds_what_it_made(series: Series) -> None:
    before, _, info = begin(series)
    life = life_of(before)
    registry = series.start()
    FakeWorker(registry, b"1", reports=[Report(life, Phase.RUNNING)])
    assert create(registry) == info


def test_what_was_never_known_is_free_at_once(series: Series) -> None:
    begin(series)
    registry = series.start()
    assert look_up(registry, ["another"]) == [None]  # it would be settled after the limit of this test


def test_what_its_worker_does_not_have_any_more_is_free(series: Series) -> None:
    begin(series)
    registry = series.start()
    worker = FakeWorker(registry, b"1")
    worker.told("destroy").answer.set()  # the order to start it may still be on its way
    creating = outcome(create, registry)
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).name == "room"


@pytest.mark.parametrize("where", [{}, {"process": GONE}], ids=["silent", "dead"])
def test_a_name_is_free_when_its_worker_does_not_come(series: Series, where) -> None:
    _, _, info = begin(series, **where)
    series.lease = LIMIT * 10 if where else 0.2
    registry = series.start()
    series.expire(b"1")
    worker = FakeWorker(registry, b"2")
    series.keep(worker)
    creating = outcome(create, registry)
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).epoch > info.epoch
    assert [info.pid for info in registry.list_workers()] == [worker.worker.pid]


@pytest.mark.parametrize("where", [{}, {"process": GONE}], ids=["silent", "dead"])
def test_what_comes_back_is_made_again_of_what_was_kept(series: Series, where) -> None:
    _, _, info = begin(series, "on-failure", **where)
    series.lease = LIMIT * 10 if where else 0.2
    registry = series.start()
    series.expire(b"1")
    worker = FakeWorker(registry, b"2")
    series.keep(worker)
    order = worker.told("create")
    assert worker.definitions == [DEFINITION.packed]
    assert order.args[0].epoch > info.epoch and order.args[0].terms == Terms(restart="on-failure")
    order.answer.set()
    (found,) = look_up(registry, ["room"])
    assert found is not None and found.worker == worker.worker.address


def test_what_comes_back_no_more_as_the_store_does_not_know_it_says_so(series: Series) -> None:
    registry, _, _ = begin(series, "always")
    known = life_of(registry)
    assert [row.problem for row in registry.list_actors("*")] == [""]
    brought = known._replace(name="brought", epoch=known.epoch + 1)
    FakeWorker(registry, b"2", [Report(brought, Phase.RUNNING)])
    green_until(lambda: {row.name: row.problem for row in registry.list_actors("*")} == {
        "room": "", "brought": UNKNOWN_MAKING
    })  # fmt: skip


def test_what_was_told_to_end_is_not_made_again(series: Series) -> None:
    registry, worker, _ = begin(series, "always", process=GONE)
    ending = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy")
    assert series.store is not None
    registry = series.start()
    other = FakeWorker(registry, b"2")
    assert look_up(registry, ["room"]) == [None]
    assert other.orders.empty()
    ending.kill()


def test_each_life_that_is_made_again_is_kept(series: Series) -> None:
    registry, worker, first = begin(series, "always")
    registry.members.goodbye(worker.worker)
    other = FakeWorker(registry, b"2")
    other.told("create").answer.set_exception(ActorStartFailed("no luck"))
    order = other.told("create")
    order.answer.set()
    (second,) = look_up(registry, ["room"])
    assert second is not None and second.epoch > first.epoch
    registry = series.start()
    FakeWorker(registry, b"2", reports=[Report(order.args[0], Phase.RUNNING)])
    assert look_up(registry, ["room"]) == [second]


def test_a_life_that_a_worker_brings_is_kept(series: Series) -> None:
    before, _, _ = begin(series)
    life = life_of(before)
    life = life._replace(
        name="brought", epoch=life.epoch + 100
    )  # of which the store has not said that it is over
    FakeWorker(before, b"2", reports=[Report(life, Phase.RUNNING)])
    registry = series.start()
    with pytest.raises(Recovering):
        registry.create("brought", DEFINITION.digest, {}, "error", b"", Terms(), 0.01)


def test_what_a_worker_is_told_to_end_as_it_came_without_it_keeps_its_record(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    other = FakeWorker(registry, b"2")
    registry.members._bury(worker.worker, proved=True)
    other.told("create")  # which does not arrive
    other.register()
    other.told("destroy").answer.set()
    assert state_for(other.told("create")) == b"one"


def test_a_life_whose_worker_dies_while_it_is_written_is_followed_by_another(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    other = FakeWorker(registry, b"2")
    registry.members._bury(worker.worker, proved=True)
    while registry._directory.find("room").state is not State.PENDING:
        one_turn()
    registry.members._bury(other.worker, proved=True)
    assert state_for(FakeWorker(registry, b"3").told("create")) == b"one"


def test_epochs_grow_though_all_names_and_the_time_were_lost(series: Series, monkeypatch) -> None:
    before, worker, info = begin(series)
    before.members.goodbye(worker.worker)
    registry = series.start()
    monkeypatch.setattr(time, "time", lambda: 5.0)
    worker = FakeWorker(registry, b"2")
    creating = outcome(create, registry)
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).epoch > info.epoch


def test_what_is_in_quarantine_is_not_started(series: Series) -> None:
    registry, _, _ = begin(series, "always")
    for _ in range(3):
        registry.members.blame(DEFINITION.digest[:6])
    isolated = Terms(isolate=True)
    creating = outcome(registry.create, "apart", DEFINITION.digest, {}, "error", b"", isolated, 0.01)
    assert not isinstance(creating.get(timeout=LIMIT), ActorQuarantined)  # it ends nobody else's worker
    with pytest.raises(ActorQuarantined, match="'another' is not started"):
        registry.create("another", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
    registry = series.start()
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(FakeWorker(registry, b"1").worker)
    with pytest.raises(ActorQuarantined):
        registry.create("another", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
    assert other.orders.empty()  # nor is the one that was to be made again


def test_a_destroy_returns_when_that_is_durable(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, worker, _ = begin(series, "always")
    written: AsyncResult[bool] = AsyncResult()
    monkeypatch.setattr(series.store, "settle", lambda: written)
    ending = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set()
    green_until(lambda: not registry.list_actors("room"))
    assert not ending.ready()
    written.set(True)
    assert ending.get(timeout=LIMIT) is None


def test_a_destroy_that_cannot_be_written_is_told(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, worker, _ = begin(series, "always")
    written: AsyncResult[bool] = AsyncResult()
    written.set_exception(StoreError("the disk is full"))
    monkeypatch.setattr(series.store, "settle", lambda: written)
    ending = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set()
    assert isinstance(ending.get(timeout=LIMIT), StoreError)
    assert look_up(registry, ["room"]) == [None]


def test_an_exit_is_known_when_that_is_durable(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, worker, info = begin(series, "on-failure")
    written: AsyncResult[bool] = AsyncResult()
    monkeypatch.setattr(series.store, "settle", lambda: written)
    telling = outcome(registry.members.exited, worker.worker, "room", info.epoch, 0)
    green_until(lambda: not registry.list_actors("room"))
    assert not telling.ready()
    written.set_exception(StoreError("the disk is full"))
    assert isinstance(telling.get(timeout=LIMIT), StoreError)


class Held(NamedTuple):
    """A creation of which the store says what the test likes."""

    record: Record
    result: AsyncResult[int | None]

    def keep(self, as_epoch: int = 0) -> None:
        self.result.set(as_epoch or self.record.epoch)

    def fail(self) -> None:
        self.result.set_exception(StoreError("the disk is full"))


class Slow:
    """Lets the test say what becomes of each creation in the store."""

    def __init__(self, series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
        assert series.store is not None
        self._held: list[Held] = []
        self._keep, self._passes = series.store.create, False
        monkeypatch.setattr(series.store, "create", self._create)

    def pass_on(self) -> None:
        """Keep creations, as ever."""
        self._passes = True

    def hold(self) -> None:
        self._passes = False

    def keep_now(self, held: Held) -> int | None:
        """As if the store had done it before it was told of anything else."""
        epoch = self._keep(held.record, DEFINITION).get()
        held.result.set(epoch)
        return epoch

    def _create(self, record: Record, *args: Any) -> AsyncResult[int | None]:
        if self._passes:
            return self._keep(record, *args)
        held = Held(record, AsyncResult())
        self._held.append(held)
        return held.result

    def next(self) -> Held:
        green_until(lambda: self._held)
        return self._held.pop(0)


@pytest.fixture
def slow(series: Series, monkeypatch: pytest.MonkeyPatch):
    registry = series.start()
    return registry, FakeWorker(registry, b"1"), Slow(series, monkeypatch)


def test_what_cannot_be_kept_is_not_started(slow) -> None:
    registry, worker, store = slow
    creating = outcome(create, registry)
    store.next().fail()
    assert isinstance(creating.get(timeout=LIMIT), StoreError)
    assert worker.orders.empty()
    creating = outcome(create, registry)
    store.next().keep()
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).name == "room"


def test_what_is_destroyed_before_it_is_kept_is_not_started(slow) -> None:
    registry, worker, store = slow
    creating = outcome(create, registry)
    kept = store.next()
    ending = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set()
    assert ending.get(timeout=LIMIT) is None
    kept.keep()
    error = creating.get(timeout=LIMIT)
    assert isinstance(error, ActorLost) and "destroyed" in str(error)
    assert worker.orders.empty()


def test_a_worker_is_told_the_number_that_the_store_has_given(slow) -> None:
    registry, worker, store = slow
    creating = outcome(create, registry)
    draft = store.next()
    draft.keep(as_epoch=draft.record.epoch + 7)
    order = worker.told("create")
    assert order.args[0].epoch == draft.record.epoch + 7
    order.answer.set()
    assert creating.get(timeout=LIMIT).epoch == draft.record.epoch + 7


@pytest.mark.parametrize("series", [in_etcd], indirect=True)
def test_what_is_destroyed_when_the_store_has_just_numbered_it_leaves_nothing(slow, series: Series) -> None:
    """The store was told of its draft, which meant nothing any more."""
    registry, worker, store = slow
    store.pass_on()
    creating = outcome(create, registry, restart="always")
    worker.told("create").answer.set()
    info = creating.get(timeout=LIMIT)
    store.hold()
    creating = outcome(create, registry, name="other", restart="always")
    held = store.next()
    ending = outcome(registry.destroy, "other", LIMIT)
    worker.told("destroy").answer.set()
    assert ending.get(timeout=LIMIT) is None
    assert series.store is not None
    epoch = store.keep_now(held)
    assert isinstance(creating.get(timeout=LIMIT), ActorLost)
    series.store.settle().get()
    assert epoch and [row.name for row in series.start().list_actors("*")] == [info.name]


def test_what_loses_its_worker_before_it_is_kept_is_started_elsewhere(slow) -> None:
    registry, worker, store = slow
    creating = outcome(create, registry)
    kept = store.next()
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    kept.keep()
    store.next().keep()
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == other.worker.address


def test_what_is_destroyed_while_it_waits_leaves_no_traces(series: Series, capsys) -> None:
    registry, worker, _ = begin(series, "always")
    FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    registry.destroy("room", LIMIT)  # before its next life could begin
    gevent.idle()
    gevent.idle()
    assert registry.list_actors("*") == [] and capsys.readouterr().err == ""


def test_what_cannot_be_kept_again_waits(slow, series: Series) -> None:
    registry, worker, store = slow
    creating = outcome(create, registry, restart="always")
    store.next().keep()
    worker.told("create").answer.set()
    creating.get(timeout=LIMIT)
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    store.next().fail()
    store.next().keep()
    other.told("create").answer.set()
    (found,) = look_up(registry, ["room"])
    assert found is not None and found.worker == other.worker.address


def test_what_waited_to_be_made_again_does_so_under_the_next_registry(series: Series) -> None:
    registry, worker, first = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", first.epoch, 1, b"one")
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    for _ in range(2):
        other.told("create").answer.set_exception(ActorStartFailed("no luck"))
    green_until(lambda: [row.state for row in registry.list_actors("*")] == ["waiting"])
    registry = series.start()
    other = FakeWorker(registry, b"2")
    other.told("destroy").answer.set()  # the last order to start it may still be on its way
    order = other.told("create")
    assert order.args[0].epoch > first.epoch and state_for(order) == b"one"


@pytest.mark.parametrize("word", ["started", "ended"])
def test_a_next_life_may_begin_under_two_registries(series: Series, word: str) -> None:
    registry, worker, _ = begin(series, "always")
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    life = other.told("create").args[0]
    registry = series.start()
    other = FakeWorker(registry, b"2", reports=[Report(life, Phase.STARTING)])
    getattr(registry.members, word)(other.worker, "room", life.epoch)
    if word == "ended":
        order = other.told("create")
        assert order.args[0].epoch > life.epoch
        order.answer.set()
    assert [row is not None for row in look_up(registry, ["room"])] == [True]


@pytest.mark.parametrize("reported", [Phase.RUNNING, Phase.ENDING])
def test_what_ended_well_is_over_under_the_next_registry_too(series: Series, reported: Phase) -> None:
    before, _, _ = begin(series, "on-failure")
    life = life_of(before)
    registry = series.start()
    worker = FakeWorker(registry, b"1", reports=[Report(life, reported)])
    registry.members.exited(worker.worker, "room", life.epoch, 0)
    assert look_up(registry, ["room"]) == [None]
    assert worker.orders.empty()


def test_what_a_worker_has_ended_of_its_own_accord_is_made_again(series: Series) -> None:
    registry, worker, first = begin(series, "on-failure")
    registry.members.leaving(worker.worker)
    other = FakeWorker(registry, b"2")
    worker.register()  # by another link, when it has ended what it had
    registry.members.leaving(worker.worker)
    order = other.told("create")
    assert order.args[0].epoch > first.epoch


def test_what_its_worker_is_ending_because_it_leaves_is_made_again(series: Series) -> None:
    before, _, _ = begin(series, "on-failure")
    life = life_of(before)
    registry = series.start()
    worker = FakeWorker(registry, b"1", reports=[Report(life, Phase.ENDING)])
    registry.members.leaving(worker.worker)
    other = FakeWorker(registry, b"2")
    registry.members.ended(worker.worker, "room", life.epoch)
    assert other.told("create").args[0].epoch > life.epoch


def test_who_gives_up_a_creation_ends_what_waits_to_be_made(
    series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(series, "always", process=GONE)
    registry = series.start()
    worker = FakeWorker(registry, b"2")
    order = worker.told("create")
    monkeypatch.setattr(renewals, "delay", lambda waiting: LIMIT)  # no other comes
    order.answer.set_exception(ActorStartFailed("no luck"))
    green_until(lambda: [row.state for row in registry.list_actors("*")] == ["waiting"])
    with pytest.raises(CallTimeout, match="'room' was still waiting"):
        registry.create("room", DEFINITION.digest, {}, "error", b"mine", Terms(), 0.01)
    assert registry.list_actors("*") == [] and worker.orders.empty()


def test_a_creation_that_failed_is_not_tried_by_the_next_registry(series: Series) -> None:
    registry = series.start()
    worker = FakeWorker(registry, b"1", process=GONE)
    creating = outcome(create, registry, restart="always", timeout=0.05)
    worker.told("create")
    assert isinstance(creating.get(timeout=LIMIT), CallTimeout)
    registry = series.start()
    other = FakeWorker(registry, b"2")
    assert look_up(registry, ["room"]) == [None]
    assert other.orders.empty()


def test_what_is_destroyed_though_its_next_life_could_not_be_kept_is_forgotten(slow, series: Series) -> None:
    registry, worker, store = slow
    store.pass_on()
    creating = outcome(create, registry, restart="always", snapshot="each call")
    worker.told("create").answer.set()
    info = creating.get(timeout=LIMIT)
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    store.hold()
    FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    for _ in range(2):
        store.next().fail()
    green_until(lambda: [row.state for row in registry.list_actors("*")] == ["waiting"])
    registry.destroy("room", LIMIT)
    assert series.store is not None
    assert series.store.find_snapshot("room") is None
    registry = series.start()
    other = FakeWorker(registry, b"3")
    creating = outcome(create, registry)
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).name == "room"


def test_what_was_destroyed_out_of_reach_is_ended_by_the_next_registry(series: Series) -> None:
    registry, worker, info = begin(series)
    life = life_of(registry)
    registry._directory.unlink(worker.worker)
    registry.destroy("room", LIMIT)
    assert registry.list_actors("*") == []
    registry = series.start()
    worker = FakeWorker(registry, b"1", reports=[Report(life, Phase.RUNNING)])
    order = worker.told("destroy")
    assert order.args == ("room", info.epoch)
    order.answer.set()
    green_until(lambda: not worker.worker.condemned)
    assert series.start()._directory.find_worker(b"1") is None


def test_what_was_destroyed_out_of_reach_has_no_name_under_the_next_registry(series: Series) -> None:
    registry, worker, info = begin(series)
    life = life_of(registry)
    registry._directory.unlink(worker.worker)
    registry.destroy("room", LIMIT)
    registry = series.start()
    assert registry.list_actors("*") == []
    other = FakeWorker(registry, b"2")
    creating = outcome(create, registry, create_id=b"new")
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).epoch > info.epoch
    worker = FakeWorker(registry, b"1", reports=[Report(life, Phase.RUNNING)])
    worker.told("destroy").answer.set()
    assert [found.epoch for found in registry.list_actors("*")] == [creating.get().epoch]


def test_what_was_destroyed_out_of_reach_is_forgotten_some_time(series: Series) -> None:
    """With its worker, if that never comes back."""
    registry, worker, _ = begin(series)
    registry._directory.unlink(worker.worker)
    registry.destroy("room", LIMIT)
    give_up(registry, worker)
    assert registry._directory.expired(time.monotonic() + AWAY_LIMIT + LIMIT) == []
    assert series.start()._directory.find_worker(b"1") is None


def test_what_was_destroyed_out_of_reach_leaves_its_name(series: Series) -> None:
    """And nothing of its state."""
    registry, worker, info = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    life = life_of(registry)
    registry._directory.unlink(worker.worker)
    ending = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy")  # which does not arrive
    give_up(registry, worker)
    assert ending.get(timeout=LIMIT) is None
    other = FakeWorker(registry, b"2")
    creating = outcome(create, registry, create_id=b"new", restart="always", snapshot="each call")
    other.told("create").answer.set()
    made = creating.get(timeout=LIMIT)
    worker.register(Report(life, Phase.RUNNING))
    worker.told("destroy").answer.set()
    registry.members.goodbye(other.worker)
    order = worker.told("create")
    assert order.args[0].epoch > made.epoch and state_for(order) is None


def test_an_older_copy_of_what_was_destroyed_is_ended_by_the_next_registry(series: Series) -> None:
    registry, worker, _ = begin(series, "always", "each call")
    life = life_of(registry)
    give_up(registry, worker)
    other = FakeWorker(registry, b"2")
    other.told("create").answer.set()
    assert look_up(registry, ["room"])[0] is not None
    ending = outcome(registry.destroy, "room", LIMIT)
    other.told("destroy").answer.set()
    assert ending.get(timeout=LIMIT) is None
    registry = series.start()
    worker = FakeWorker(registry, b"1", reports=[Report(life, Phase.RUNNING)])
    order = worker.told("destroy")
    assert order.args == ("room", life.epoch)
    order.answer.set()
    green_until(lambda: not worker.worker.condemned)
    assert series.start()._directory.find_worker(b"1") is None


# ---- states ----------------------------------------------------------------------------------------------


def state_for(order):
    """What the worker is to go on from."""
    return order.args[3]


def test_the_next_life_goes_on_from_the_state_of_the_last(series: Series) -> None:
    registry, worker, first = begin(series, "always", "each call")
    keep = registry.members.snapshot
    assert keep(worker.worker, "room", first.epoch, 1, b"one")
    assert keep(worker.worker, "room", first.epoch, 2, b"two")
    registry.members.goodbye(worker.worker)
    assert not keep(worker.worker, "room", first.epoch, 3, b"late")
    other = FakeWorker(registry, b"2")
    order = other.told("create")
    assert state_for(order) == b"two"
    order.answer.set_exception(ActorStartFailed("restore() failed"))
    order = other.told("create")
    assert state_for(order) == b"two"
    order.answer.set()
    (second,) = look_up(registry, ["room"])
    assert second is not None
    assert not keep(other.worker, "room", first.epoch, 4, b"of another life")
    assert keep(other.worker, "room", second.epoch, 1, b"three")
    registry.members.goodbye(other.worker)
    assert state_for(FakeWorker(registry, b"3").told("create")) == b"three"


def test_a_worker_that_was_cut_off_changes_the_state_no_more(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call")
    life = life_of(registry)
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    give_up(registry, worker)
    other = FakeWorker(registry, b"2")
    order = other.told("create")
    worker.register(Report(life, Phase.RUNNING))
    assert not registry.members.snapshot(worker.worker, "room", info.epoch, 2, b"late")
    assert series.store is not None
    assert not series.store.save_snapshot(Snapshot("room", info.epoch, 3, b"later")).get()
    assert state_for(order) == b"one"


def test_a_state_outlives_the_registry(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call", process=GONE)
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    assert state_for(FakeWorker(series.start(), b"2").told("create")) == b"one"


def test_a_state_goes_with_its_actor(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    replacing = outcome(create, registry, "replace", create_id=b"new", restart="always", snapshot="each call")
    worker.told("destroy").answer.set()
    order = worker.told("create")
    assert state_for(order) is None
    order.answer.set()
    replacing.get(timeout=LIMIT)
    registry.members.goodbye(worker.worker)
    assert state_for(FakeWorker(registry, b"2").told("create")) is None


def test_without_its_state_nothing_is_made_again(series: Series, monkeypatch) -> None:
    registry, worker, info = begin(series, "always", "each call")
    assert registry.members.snapshot(worker.worker, "room", info.epoch, 1, b"one")
    assert series.store is not None
    found: list[Snapshot | StoreError] = [StoreError("no disk"), Snapshot("room", info.epoch, 1, b"one")]

    def find(name: str) -> Snapshot:
        if isinstance(result := found.pop(0), StoreError):
            raise result
        return result

    monkeypatch.setattr(series.store, "find_snapshot", find)
    other = FakeWorker(registry, b"2")
    registry.members.goodbye(worker.worker)
    assert state_for(other.told("create")) == b"one"
    assert found == [] and other.orders.empty()


def test_why_a_state_is_not_kept_is_told(series: Series) -> None:
    registry, worker, info = begin(series, "always", "each call")
    registry.members.problem(worker.worker, "room", info.epoch, "too large")
    assert [row.problem for row in registry.list_actors("*")] == ["too large"]
    registry.members.goodbye(worker.worker)
    assert [row.problem for row in registry.list_actors("*")] == [""]
