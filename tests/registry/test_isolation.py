"""What a registry asks of workers for an actor that gets a process of its own, and what it believes."""

from __future__ import annotations

import pytest
from gevent.queue import Queue

from stractory.errors import ActorLost, ActorStartFailed, LinkClosed, NoWorkers, PlacementError, WorkerFull
from stractory.net import process
from stractory.net.process import Process
from stractory.registry.isolation import UNUSED
from stractory.registry.observer import Observer
from stractory.registry.orders import Node
from stractory.registry.records import State
from stractory.registry.service import Registry
from stractory.wire.life import Life, Phase, Report, Terms
from tests.registry.test_service import DEFINITION, LIMIT, FakeWorker, outcome
from tests.support.green import green_until

GONE = Process(process.own().machine, 2**30, 0)


class Worker(FakeWorker):
    """One that may be the child of another."""

    def __init__(self, registry: Registry, id: bytes, parent: bytes = b"", *reports: Report) -> None:
        self.parent = parent
        self.reports = reports
        self.told_to_end: Queue[bytes] = Queue()
        self.is_cut_off = False
        super().__init__(registry, id)

    def register(self) -> None:
        node = Node(self, Process("elsewhere", 1, 0), lambda: None, set())  # type: ignore[arg-type]
        self.worker = self.registry.members.register(
            node, self.id, f"address {self.id.hex()}", "any", [*self.reports], self.parent
        ).worker

    def post(self, method, args, kwargs):
        if self.is_cut_off:
            raise LinkClosed("the wire is cut")
        if method == "end_child":
            self.told_to_end.put(*args)
        else:
            super().post(method, args, kwargs)

    def start_child(self) -> Worker:
        """As it is told to."""
        order = self.told("isolate")
        child = Worker(self.registry, *order.args, parent=self.id)
        order.answer.set()
        return child


@pytest.fixture
def parent(registry: Registry) -> Worker:
    return Worker(registry, b"parent")


def create(registry, name="room", timeout=LIMIT, **terms):
    asked = Terms(isolate=True, **terms)
    return outcome(registry.create, name, DEFINITION.digest, {}, "error", b"mine", asked, timeout)


def created(registry, parent):
    """An actor, and the process that it has."""
    creating = create(registry)
    child = parent.start_child()
    child.told("create").answer.set()
    info = creating.get(timeout=LIMIT)
    assert (info.worker, info.isolated) == (child.worker.address, True)
    return info, child


def rows(registry):
    return {info.name: info.state for info in registry.list_actors("*")}


def test_it_is_created_in_a_process_that_its_worker_starts(registry, parent):
    _, child = created(registry, parent)
    own, other = sorted(registry.list_workers(), key=lambda info: info.isolated, reverse=True)
    assert (own.isolated, own.actors, other.isolated, other.actors) == (True, 1, False, 0)
    assert child.id not in (b"", parent.id) and len(child.id) == 16


def test_its_move_there_is_told_of(registry, parent):
    class Seen(Observer):
        def changed(self, actor):
            told.append((actor.worker.address, actor.state))

    told: list[tuple[str, State]] = []
    registry._directory.observers.append(Seen())
    creating = create(registry)
    child = parent.start_child()
    order = child.told("create")
    assert told == [(parent.worker.address, State.PENDING), (child.worker.address, State.PENDING)]
    order.answer.set()
    creating.get(timeout=LIMIT)


def test_nothing_else_is_placed_there(registry, parent):
    _, child = created(registry, parent)
    for number in range(10):
        name = f"other{number}"
        creating = outcome(registry.create, name, DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
        parent.told("create").answer.set()
        creating.get(timeout=LIMIT)
    registry.members.goodbye(parent.worker)
    another = outcome(registry.create, "another", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
    assert isinstance(another.get(timeout=LIMIT), NoWorkers)
    assert child.orders.empty()


def test_a_full_worker_sends_it_to_another(registry, parent):
    other = Worker(registry, b"other")
    first, second = parent, other
    creating = create(registry)
    green_until(lambda: not (parent.orders.empty() and other.orders.empty()))
    if parent.orders.empty():
        first, second = other, parent
    first.told("isolate").answer.set_exception(WorkerFull("at most 1"))
    child = second.start_child()
    child.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == child.worker.address


def test_all_are_full(registry, parent):
    creating = create(registry)
    parent.told("isolate").answer.set_exception(WorkerFull("at most 1"))
    error = creating.get(timeout=LIMIT)
    assert isinstance(error, WorkerFull) and "at most 1" in str(error)
    assert not rows(registry)


def test_a_worker_whose_process_has_no_room_for_it_is_passed_over(registry, parent):
    creating = create(registry)
    child = parent.start_child()
    child.told("create").answer.set_exception(WorkerFull("EMFILE"))
    error = creating.get(timeout=LIMIT)
    assert isinstance(error, WorkerFull) and "EMFILE" in str(error)
    assert parent.orders.empty()


def test_one_that_is_about_to_end_is_asked_no_more(registry, parent):
    creating = create(registry)
    parent.told("isolate").answer.set_exception(PlacementError("about to end"))
    assert isinstance(creating.get(timeout=LIMIT), NoWorkers)


def test_a_process_that_does_not_come_in_time_is_ended(registry, parent):
    creating = create(registry, timeout=0.05)
    order = parent.told("isolate")
    order.answer.set()
    error = creating.get(timeout=LIMIT)
    assert isinstance(error, ActorStartFailed) and "in time" in str(error)
    assert parent.told_to_end.get(timeout=LIMIT) == order.args[0]
    assert not rows(registry)
    Worker(registry, order.args[0], parent.id)  # too late
    assert parent.told_to_end.get(timeout=LIMIT) == order.args[0]


def test_a_process_that_ends_at_once(registry, parent):
    creating = create(registry)
    order = parent.told("isolate")
    order.answer.set()
    green_until(lambda: rows(registry) == {"room": "pending"})
    registry.members.child_ended(parent.worker, order.args[0], 1)
    assert isinstance(creating.get(timeout=LIMIT), ActorStartFailed)
    assert not rows(registry)


def test_its_worker_dies_while_its_process_starts(registry, parent):
    creating = create(registry)
    parent.told("isolate").answer.set()
    registry.members.goodbye(parent.worker)
    assert isinstance(creating.get(timeout=LIMIT), ActorLost)
    assert not rows(registry)


def test_it_is_destroyed_while_its_process_starts(registry, parent):
    creating = create(registry)
    parent.told("isolate").answer.set()
    destroying = outcome(registry.destroy, "room", LIMIT)
    parent.told("destroy").answer.set()
    assert destroying.get(timeout=LIMIT) is None
    assert isinstance(creating.get(timeout=LIMIT), ActorLost)
    parent.told_to_end.get(timeout=LIMIT)
    assert not rows(registry)


def test_it_is_destroyed_while_the_process_for_its_next_life_starts(registry, parent):
    creating = create(registry, restart="always")
    child = parent.start_child()
    child.told("create").answer.set()
    creating.get(timeout=LIMIT)
    registry.members.child_ended(parent.worker, child.id, -9)
    parent.told("isolate").answer.set()
    destroying = outcome(registry.destroy, "room", LIMIT)
    parent.told("destroy").answer.set()
    assert destroying.get(timeout=LIMIT) is None
    creating = create(registry, restart="always")
    parent.start_child().told("create").answer.set()
    assert creating.get(timeout=LIMIT).name == "room"


def test_its_process_is_ended_with_it(registry, parent):
    _, child = created(registry, parent)
    destroying = outcome(registry.destroy, "room", LIMIT)
    destroy = child.told("destroy")
    assert parent.told_to_end.get(timeout=LIMIT) == child.id  # it may block, and never answer
    destroy.answer.set()
    assert destroying.get(timeout=LIMIT) is None


def test_one_that_does_not_answer_is_gone_with_its_process(registry, parent):
    _, child = created(registry, parent)
    destroying = outcome(registry.destroy, "room", LIMIT)
    child.told("destroy")
    registry.members.child_ended(parent.worker, child.id, -9)
    assert destroying.get(timeout=LIMIT) is None
    assert not rows(registry)


def test_its_process_is_ended_though_its_worker_was_cut_off_when_it_was_destroyed(registry, parent):
    _, child = created(registry, parent)
    parent.is_cut_off = True
    destroying = outcome(registry.destroy, "room", LIMIT)
    child.told("destroy")  # it blocks, and does not answer
    parent.is_cut_off = False
    registry.members.beat(parent.worker, False, [child.id])
    assert parent.told_to_end.get(timeout=LIMIT) == child.id
    registry.members.child_ended(parent.worker, child.id, -9)
    assert destroying.get(timeout=LIMIT) is None


def test_a_process_without_an_actor_is_ended(registry, parent):
    child = Worker(registry, bytes(16), parent.id)
    assert parent.told_to_end.get(timeout=LIMIT) == child.id


def test_a_process_that_another_registry_has_asked_for_is_ended_when_that_does_not_use_it(registry, parent):
    registry._orders.has_peers = lambda: True
    child = Worker(registry, bytes(16), parent.id)
    registry.members.beat(parent.worker, False, [child.id])
    assert parent.told_to_end.empty()
    child.worker.registered -= UNUSED
    registry.members.beat(parent.worker, False, [child.id])
    assert parent.told_to_end.get(timeout=LIMIT) == child.id


def test_a_parent_vouches_for_its_own_only(registry, parent):
    _, child = created(registry, parent)
    stranger = Worker(registry, b"stranger")
    child.worker.last_beat = 0.0
    assert registry.members.beat(stranger.worker, False, [child.id, b"unknown"])[1] == []
    registry.members.child_ended(stranger.worker, child.id, 0)
    assert child.worker.last_beat == 0.0 and rows(registry) == {"room": "running"}
    assert registry.members.beat(parent.worker, False, [child.id, b"unknown"])[1] == [child.id]
    assert child.worker.last_beat == parent.worker.last_beat > 0.0


def silent(registry, parent, epoch=7):
    """A child that this registry did not start, and that cannot register."""
    life = Life("room", "stream", epoch, 1.0, b"", False, Terms(isolate=True))
    registry.members.child_silent(parent.worker, b"child", "address", GONE, life)
    return life


def test_one_that_blocks_is_lost_until_it_registers(registry, parent):
    life = silent(registry, parent)
    assert rows(registry) == {"room": "lost"}
    assert registry.lookup(["room"])[0].worker.address == "address"
    assert registry.members.beat(parent.worker, False, [b"child"])[1] == [b"child"]
    silent(registry, parent)
    Worker(registry, b"child", parent.id, Report(life, Phase.RUNNING))
    assert rows(registry) == {"room": "running"}
    assert parent.told_to_end.empty()


def test_one_that_blocks_and_has_a_successor_is_ended(registry, parent):
    _, child = created(registry, parent)
    silent(registry, parent)
    assert rows(registry) == {"room": "running"}
    registry.members.beat(parent.worker, False, [child.id, b"child"])
    assert parent.told_to_end.get(timeout=LIMIT) == b"child"
