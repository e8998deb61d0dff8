"""What the registry orders of its workers, and what it makes of their answers. The workers are the test's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.event import AsyncResult
from gevent.queue import Queue

from stractory.errors import (
    ActorExists,
    ActorLost,
    ActorNotFound,
    ActorNotShippable,
    ActorStartFailed,
    CallTimeout,
    LinkClosed,
    NoWorkers,
    PlacementError,
    RemoteError,
    StaleLocation,
    UnknownDefinition,
    WorkerFull,
)
from stractory.net.calls import Calls
from stractory.net.process import Process
from stractory.registry.orders import Node
from stractory.registry.service import Registry
from stractory.wire.codec import MessageReader
from stractory.wire.life import Life, Phase, Report, Terms
from stractory.wire.shipping import Code, Definition

LIMIT = 20.0
DEFINITION = Definition("stream", Code.imported("module:init"), None, {})
ELSEWHERE = Process("elsewhere", 1, 0)
LATE = int(time.time() * 1_000_000) + 2**40
"""An epoch of a week from now: after all that any store gives."""


class Order(NamedTuple):
    """What a worker was told, to be answered by the test."""

    method: str
    args: tuple[Any, ...]
    timeout: float | None
    answer: AsyncResult[Any]


def look_up(registry, *arguments):
    """What clients would be told of what it finds."""
    return [actor and actor.info for actor in registry.lookup(*arguments)]


class FakeWorker:
    """One worker and its link."""

    def __init__(
        self,
        registry: Registry,
        id: bytes,
        reports: Sequence[Report] = (),
        process: Process = ELSEWHERE,
    ) -> None:
        self.registry = registry
        self.id = id
        self.process = process
        self.orders: Queue[Order] = Queue()
        self.definitions: list[bytes] = []
        self.register(*reports)

    def register(self, *reports: Report) -> None:
        node = Node(self, self.process, lambda: None, set())  # type: ignore[arg-type]
        self.worker = self.registry.members.register(
            node, self.id, f"address {self.id.decode()}", "any", [*reports]
        ).worker

    def call(self, method: str, *args: Any, call_timeout: float | None) -> Any:
        order = Order(method, args, call_timeout, AsyncResult())
        self.orders.put(order)
        with gevent.Timeout(call_timeout, CallTimeout("no answer")):
            return order.answer.get()

    def post(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        assert method == "define"
        self.definitions.append(*args)

    def told(self, method: str) -> Order:
        """The next order, which is this one."""
        order = self.orders.get(timeout=LIMIT)
        assert order.method == method
        return order


def create(registry, if_exists="error", create_id=b"mine", timeout=LIMIT, name="room", **asked):
    terms = Terms(**asked)
    return registry.create(name, DEFINITION.digest, {}, if_exists, create_id, terms, timeout)


def outcome(function, *args, **kwargs):
    """What it returns or raises, by a green thread."""

    def run():
        try:
            return function(*args, **kwargs)
        except Exception as error:
            return error

    return gevent.spawn(run)


def created(registry, worker, **asked):
    creating = outcome(create, registry, create_id=b"first", **asked)
    worker.told("create").answer.set()
    return creating.get(timeout=LIMIT)


def state(registry):
    return [info.state for info in registry.list_actors("room")]


def life(epoch, create_id=b"mine"):
    return Life("room", "stream", epoch, 1.0, create_id, False)


# ---- what another registry of the same workers orders ---------------------------------------------------


def test_what_another_has_ordered_is_adopted_and_ends(registry, worker):
    members = registry.members
    members.reported(worker.worker, Report(life(LATE + 5), Phase.RUNNING))
    assert state(registry) == ["running"]
    members.reported(worker.worker, Report(life(LATE + 5), Phase.ENDING))
    assert state(registry) == ["ending"]
    members.ended(worker.worker, "room", LATE + 5)
    assert state(registry) == []


def test_of_two_lives_the_younger_stays_whoever_ordered_it(registry, worker):
    registry.members.reported(worker.worker, Report(life(LATE + 5), Phase.RUNNING))
    other = FakeWorker(registry, b"2")
    registry.members.reported(other.worker, Report(life(LATE + 4), Phase.RUNNING))
    assert other.told("destroy").args == ("room", LATE + 4)
    registry.members.reported(other.worker, Report(life(LATE + 6), Phase.RUNNING))
    assert worker.told("destroy").args == ("room", LATE + 5)
    assert [info.epoch for info in registry.list_actors("room")] == [LATE + 6]


def test_who_waits_for_a_name_hears_that_another_has_had_it_started(registry, worker):
    waiting = outcome(registry.wait, "room", LIMIT, lambda: False)
    gevent.idle()
    registry.members.reported(worker.worker, Report(life(LATE + 5), Phase.RUNNING))
    assert waiting.get(timeout=LIMIT).epoch == LATE + 5


def test_a_worker_that_was_given_up_brings_nothing_more(registry, worker):
    registry.members.goodbye(worker.worker)
    registry.members.reported(worker.worker, Report(life(LATE + 5), Phase.RUNNING))
    assert state(registry) == []


# ---- definitions -----------------------------------------------------------------------------------------


def test_a_definition_is_sent_to_a_worker_once(registry, worker):
    for number in range(2):
        creating = outcome(registry.create, f"a{number}", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
        order = worker.told("create")
        assert order.args[1] == DEFINITION.digest
        order.answer.set()
        creating.get(timeout=LIMIT)
    assert worker.definitions == [DEFINITION.packed]


def test_a_worker_that_has_forgotten_a_definition_is_told_again(registry, worker):
    created(registry, worker)
    creating = outcome(registry.create, "other", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
    worker.told("create").answer.set_exception(UnknownDefinition("forgotten"))
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).name == "other"
    assert worker.definitions == [DEFINITION.packed] * 2


def test_a_definition_that_was_never_sent(registry, worker):
    with pytest.raises(UnknownDefinition):
        registry.create("room", bytes(32), {}, "error", b"", Terms(), LIMIT)


# ---- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_a_create_without_time_orders_nothing(registry, worker, timeout):
    with pytest.raises(CallTimeout):
        create(registry, timeout=timeout)
    assert worker.orders.empty() and state(registry) == []


def test_an_actor_of_another_kind_is_not_taken_for_the_same(registry, worker):
    worker.register(Report(life(7), Phase.RUNNING))
    assert create(registry, create_id=b"other", if_exists="get").epoch == 7
    rpc = Definition("rpc", Code.imported("module:init"), None, {})
    registry.define(rpc.packed)
    with pytest.raises(ActorExists, match="'room' is taken by an actor of another kind: stream, not rpc"):
        registry.create("room", rpc.digest, {}, "get", b"another", Terms(), LIMIT)


@pytest.mark.parametrize("timeout", [-1.0, float("nan")])
def test_no_call_is_sent_that_the_other_side_refuses(timeout):
    class Wire:
        label = "a stream"
        sent = b""
        closed = False

        def deliver_to(self, receiver):
            pass

        def queue(self, data):
            self.sent += data

        def consumed(self, size):
            pass

    wire = Wire()
    with pytest.raises(CallTimeout):
        Calls(wire).call("create", call_timeout=timeout)
    (call,) = MessageReader().feed(wire.sent)
    assert call.timeout == 0


def test_a_create_that_times_out_holds_the_name_until_its_worker_has_ended_it(registry, worker):
    with pytest.raises(CallTimeout, match="init of 'room'"):
        create(registry, timeout=0.01)
    worker.told("create")
    assert state(registry) == ["ending"]
    worker.told("destroy").answer.set()
    gevent.idle()
    assert state(registry) == []


# ---- ending first ----------------------------------------------------------------------------------------


def test_replace_starts_the_new_one_when_the_old_one_has_ended(registry, worker):
    old = created(registry, worker)
    replacing = outcome(create, registry, "replace")
    order = worker.told("destroy")
    assert order.args == ("room", old.epoch)
    gevent.idle()
    assert worker.orders.empty() and state(registry) == ["ending"]
    order.answer.set()
    worker.told("create").answer.set()
    assert replacing.get(timeout=LIMIT).epoch > old.epoch


def test_a_look_up_waits_for_what_replaces_an_actor(registry, worker):
    created(registry, worker)
    replacing = outcome(create, registry, "replace")
    end = worker.told("destroy")
    assert [info.state for info in look_up(registry, ["room"], False)] == ["ending"]
    looking = outcome(look_up, registry, ["room"])
    end.answer.set()
    start = worker.told("create")
    assert [info.state for info in look_up(registry, ["room"], False)] == ["pending"]
    start.answer.set()
    new = replacing.get(timeout=LIMIT)
    assert looking.get(timeout=LIMIT) == [new]


def test_a_replace_that_times_out_leaves_the_name_to_the_old_one_until_it_has_ended(registry, worker):
    created(registry, worker)
    with pytest.raises(CallTimeout, match="to be replaced"):
        create(registry, "replace", timeout=0.01)
    with pytest.raises(ActorExists, match="being ended"):
        create(registry)
    assert look_up(registry, ["room"]) == [None]
    worker.told("destroy").answer.set()
    gevent.idle()
    assert state(registry) == []
    created(registry, worker)


def test_get_waits_for_an_end_and_creates(registry, worker):
    old = created(registry, worker)
    destroying = outcome(registry.destroy, "room", LIMIT)
    order = worker.told("destroy")
    getting = outcome(create, registry, "get")
    gevent.idle()
    assert not getting.ready() and worker.orders.empty()
    order.answer.set()
    worker.told("create").answer.set()
    assert getting.get(timeout=LIMIT).epoch > old.epoch
    assert destroying.get(timeout=LIMIT) is None


def test_what_is_destroyed_while_it_starts_holds_its_name_until_it_has_ended(registry, worker):
    creating = outcome(create, registry)
    start = worker.told("create")
    destroying = outcome(registry.destroy, "room", LIMIT)
    end = worker.told("destroy")
    start.answer.set_exception(StaleLocation("ended before it could be used"))
    assert isinstance(creating.get(timeout=LIMIT), ActorLost)
    assert state(registry) == ["ending"] and not destroying.ready()
    end.answer.set()
    assert destroying.get(timeout=LIMIT) is None and state(registry) == []


# ---- links that are cut, registries that are new ---------------------------------------------------------


def test_a_link_cut_during_a_destroy_does_not_free_the_name(registry, worker):
    old = created(registry, worker)
    destroying = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set_exception(LinkClosed("cut"))
    gevent.idle()
    assert state(registry) == ["ending"] and not destroying.ready()
    worker.register(Report(life(old.epoch), Phase.ENDING))
    gevent.idle()
    assert state(registry) == ["ending"] and worker.orders.empty()
    registry.members.ended(worker.worker, "room", old.epoch)
    assert destroying.get(timeout=LIMIT) is None and state(registry) == []


def test_an_order_to_end_that_was_lost_with_its_link_is_given_again(registry, worker):
    old = created(registry, worker)
    destroying = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set_exception(LinkClosed("cut"))
    gevent.idle()
    worker.register(Report(life(old.epoch), Phase.RUNNING))
    again = worker.told("destroy")
    assert state(registry) == ["ending"]
    again.answer.set()
    assert destroying.get(timeout=LIMIT) is None and state(registry) == []


def test_an_end_that_a_cut_link_did_not_tell_is_known_by_the_next(registry, worker):
    created(registry, worker)
    destroying = outcome(registry.destroy, "room", LIMIT)
    worker.told("destroy").answer.set_exception(LinkClosed("cut"))
    worker.register()
    assert destroying.get(timeout=LIMIT) is None


def test_a_new_registry_holds_the_name_of_what_is_ending(registry, worker):
    worker.register(Report(life(7), Phase.ENDING))
    with pytest.raises(ActorExists, match="being ended"):
        create(registry, create_id=b"other")
    waiting = outcome(registry.wait, "room", LIMIT, lambda: False)
    replacing = outcome(create, registry, "replace", create_id=b"other")
    gevent.idle()
    assert worker.orders.empty()
    registry.members.ended(worker.worker, "room", 7)
    worker.told("create").answer.set()
    assert replacing.get(timeout=LIMIT) == waiting.get(timeout=LIMIT)


def test_a_new_registry_takes_the_creation_under_way_for_that_of_its_repetition(registry, worker):
    worker.register(Report(life(7), Phase.STARTING))
    repeated = outcome(create, registry)
    with pytest.raises(ActorExists, match="being created"):
        create(registry, create_id=b"other")
    gevent.idle()
    assert worker.orders.empty() and not repeated.ready()
    registry.members.started(worker.worker, "room", 6)  # another life of the name
    assert state(registry) == ["pending"]
    registry.members.started(worker.worker, "room", 7)
    info = repeated.get(timeout=LIMIT)
    assert (info.epoch, info.state) == (7, "running")
    registry.members.started(worker.worker, "room", 7)
    assert state(registry) == ["running"]


def test_what_a_worker_refuses_to_open_has_not_happened(registry, worker):
    creating = outcome(create, registry)
    worker.told("create").answer.set_exception(ActorNotShippable("no code that travels"))
    assert isinstance(creating.get(timeout=LIMIT), ActorNotShippable)
    assert state(registry) == []


def test_a_creation_under_way_that_failed_is_tried_by_its_repetition(registry, worker):
    worker.register(Report(life(7), Phase.STARTING))
    repeated = outcome(create, registry)
    gevent.idle()
    registry.members.ended(worker.worker, "room", 7)
    worker.told("create").answer.set_exception(ActorStartFailed("no luck"))
    assert isinstance(repeated.get(timeout=LIMIT), ActorStartFailed)
    assert state(registry) == []


def test_a_creation_under_way_ends_when_its_repetition_gives_it_up(registry, worker):
    worker.register(Report(life(7), Phase.STARTING))
    with pytest.raises(CallTimeout):
        create(registry, create_id=b"other", if_exists="get", timeout=0.01)
    assert worker.orders.empty()  # it is not that one's to give up
    with pytest.raises(CallTimeout):
        create(registry, timeout=0.01)
    worker.told("destroy").answer.set()
    gevent.idle()
    assert state(registry) == []


# ---- workers that leave ----------------------------------------------------------------------------------


def test_a_worker_that_leaves_gets_no_new_actors_and_keeps_its_names(registry, worker):
    old = created(registry, worker)
    registry.members.leaving(worker.worker)
    with pytest.raises(NoWorkers):
        registry.create("another", DEFINITION.digest, {}, "error", b"", Terms(), LIMIT)
    assert look_up(registry, ["room"]) == [old]
    registry.members.goodbye(worker.worker)
    assert look_up(registry, ["room"]) == [None]


def test_a_worker_that_takes_no_more_is_passed_over(registry, worker):
    creating = outcome(create, registry)
    order = worker.told("create")
    other = FakeWorker(registry, b"2")
    order.answer.set_exception(PlacementError("about to end"))
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == "address 2"
    assert worker.orders.empty() and worker.worker.state.value == "leaving"


def test_a_worker_without_room_for_an_actor_is_passed_over_for_that_one(registry, worker):
    creating = outcome(create, registry)
    order = worker.told("create")
    other = FakeWorker(registry, b"2")
    order.answer.set_exception(WorkerFull("no room here"))
    other.told("create").answer.set_exception(WorkerFull("nor here"))
    refused = creating.get(timeout=LIMIT)
    assert isinstance(refused, WorkerFull) and "no worker has room for this actor (nor here)" in str(refused)
    assert state(registry) == [] and worker.worker.state.value == other.worker.state.value == "running"
    registry.members.goodbye(other.worker)
    created(registry, worker)


def test_a_worker_that_says_it_is_full_gets_none_until_it_says_otherwise_or_has_one_less(registry, worker):
    created(registry, worker)
    other = FakeWorker(registry, b"2")
    registry.members.beat(other.worker, True)
    for name in ("a", "b", "c"):
        creating = outcome(create, registry, name=name)
        worker.told("create").answer.set()
        assert creating.get(timeout=LIMIT).worker == "address 1"
    registry.members.beat(worker.worker, True)
    with pytest.raises(WorkerFull):
        create(registry, name="d")
    registry.members.beat(other.worker, False)
    creating = outcome(create, registry, name="d")
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == "address 2"
    registry.members.beat(other.worker, True)
    destroying = outcome(registry.destroy, "a", LIMIT)
    worker.told("destroy").answer.set()
    destroying.get(timeout=LIMIT)
    creating = outcome(create, registry, name="a")
    worker.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == "address 1"


def test_what_a_leaving_worker_ends_while_it_starts_is_started_by_another(registry, worker):
    creating = outcome(create, registry)
    start = worker.told("create")
    other = FakeWorker(registry, b"2")
    registry.members.leaving(worker.worker)
    start.answer.set_exception(StaleLocation("ended before it could be used"))
    end = worker.told("destroy")
    gevent.idle()
    assert other.orders.empty()  # its init may have left something to destroy()
    end.answer.set()
    other.told("create").answer.set()
    assert creating.get(timeout=LIMIT).worker == "address 2"


@pytest.mark.parametrize(
    "error", [StaleLocation("ended"), RemoteError("what?"), LinkClosed("cut"), OSError(9, "")]
)
def test_whatever_else_goes_wrong_at_a_worker_is_a_lost_actor(registry, worker, error):
    creating = outcome(create, registry)
    worker.told("create").answer.set_exception(error)
    lost = creating.get(timeout=LIMIT)
    assert isinstance(lost, ActorLost) and "did not start 'room'" in str(lost)
    worker.told("destroy").answer.set()
    gevent.idle()
    with pytest.raises(ActorNotFound):
        registry.destroy("room", LIMIT)
