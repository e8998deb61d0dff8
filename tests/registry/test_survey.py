"""Who asks the workers how they do, and how often."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from stractory.errors import LinkClosed, StaleLocation
from stractory.registry import survey
from stractory.registry.service import Registry
from stractory.wire.facts import ActorFacts, Load
from tests.registry.test_service import LIMIT, FakeWorker, created

FACTS = ActorFacts(1, 2, 0, "", 0.0)


def load(calls: int = 0) -> Load:
    return Load(1.0, calls, 0, 0, 0, 0.5, 4096, 0.0, 0, [])


@pytest.fixture
def other(registry: Registry) -> FakeWorker:
    return FakeWorker(registry, b"2")


def look(registry: Registry) -> Any:
    return gevent.spawn(registry.survey.look)


def answer(worker: FakeWorker, told: Any) -> None:
    worker.told("look").answer.set(told)


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks begins another round."""
    monkeypatch.setattr(survey, "INTERVAL", 0.0)


def test_a_load_is_told_by_its_workers_address(
    registry: Registry, worker: FakeWorker, other: FakeWorker
) -> None:
    looking = look(registry)
    answer(worker, load(1))
    answer(other, load(2))
    assert looking.get(timeout=LIMIT) == {"address 1": load(1), "address 2": load(2)}


def test_nobody_is_asked_while_nobody_looks(registry: Registry, worker: FakeWorker) -> None:
    created(registry, worker)
    gevent.idle()
    assert worker.orders.empty()


def test_all_who_look_share_one_round(registry: Registry, worker: FakeWorker) -> None:
    looking = [look(registry) for _ in range(20)]
    answer(worker, load())
    assert gevent.joinall(looking, timeout=LIMIT) and all(task.value for task in looking)
    assert registry.survey.look() == {"address 1": load()}  # of the same second
    assert worker.orders.empty()


def test_after_a_while_they_are_asked_again(
    registry: Registry, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    for calls in (1, 2):
        looking = look(registry)
        answer(worker, load(calls))
        assert looking.get(timeout=LIMIT) == {"address 1": load(calls)}


def test_one_that_hangs_holds_up_nobody(
    registry: Registry, worker: FakeWorker, other: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    monkeypatch.setattr(survey, "PATIENCE", 0.05)
    first = look(registry)
    answer(other, load())
    hung = worker.told("look")
    assert first.get(timeout=LIMIT).keys() <= {"address 2"}  # as soon as patience is over
    monkeypatch.setattr(survey, "PATIENCE", 2 * LIMIT)
    looking = look(registry)
    answer(other, load())
    assert looking.get(timeout=LIMIT) == {"address 2": load()}
    assert worker.orders.empty()  # nothing gathers on the way to it

    hung.answer.set(load(7))
    looking = look(registry)
    answer(other, load())
    answer(worker, load(8))
    assert looking.get(timeout=LIMIT)["address 1"] == load(8)


@pytest.mark.parametrize("told", [None, [], [*load(), 1], "load", StaleLocation("?"), LinkClosed("?")])
def test_one_that_tells_no_load_is_left_out(registry: Registry, worker: FakeWorker, told: Any) -> None:
    looking = look(registry)
    order = worker.told("look")
    if isinstance(told, Exception):
        order.answer.set_exception(told)
    else:
        order.answer.set(told)
    assert looking.get(timeout=LIMIT) == {}


def test_one_that_is_lost_is_not_asked(registry: Registry, worker: FakeWorker) -> None:
    registry._directory.unlink(worker.worker)
    assert registry.survey.look() == {}
    assert worker.orders.empty()


def test_of_one_that_left_nothing_is_told(registry: Registry, worker: FakeWorker) -> None:
    looking = look(registry)
    answer(worker, load())
    assert looking.get(timeout=LIMIT)
    registry.members.goodbye(worker.worker)
    assert registry.survey.look() == {}


# ---- actors ----------------------------------------------------------------------------------------------


def test_facts_are_asked_of_the_actors_worker(registry: Registry, worker: FakeWorker) -> None:
    info = created(registry, worker)
    asking = gevent.spawn(registry.survey.facts, "room")
    order = worker.told("facts")
    assert order.args == ("room", info.epoch) and order.timeout == survey.PATIENCE
    order.answer.set(list(FACTS))
    assert asking.get(timeout=LIMIT) == FACTS


@pytest.mark.parametrize("trouble", [StaleLocation("gone"), LinkClosed("gone")])
def test_facts_that_are_not_to_be_had(registry: Registry, worker: FakeWorker, trouble: Exception) -> None:
    created(registry, worker)
    asking = gevent.spawn(registry.survey.facts, "room")
    worker.told("facts").answer.set_exception(trouble)
    assert asking.get(timeout=LIMIT) is None


def test_facts_of_a_worker_that_hangs(
    registry: Registry, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "PATIENCE", 0.05)
    created(registry, worker)
    assert registry.survey.facts("room") is None


def test_malformed_facts(registry: Registry, worker: FakeWorker) -> None:
    created(registry, worker)
    asking = gevent.spawn(registry.survey.facts, "room")
    worker.told("facts").answer.set(["many"])
    assert asking.get(timeout=LIMIT) is None


def test_there_are_no_facts_of_nobody(registry: Registry, worker: FakeWorker) -> None:
    assert registry.survey.facts("nobody") is None
    assert worker.orders.empty()
