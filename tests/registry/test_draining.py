"""Having a worker leave. The workers are the test's."""

from __future__ import annotations

import gevent
import pytest

from stractory.errors import CallTimeout, LinkClosed, WorkerNotFound, WorkerUnavailable
from tests.registry.test_service import LIMIT, FakeWorker, create, outcome


def running(registry, worker, name, **asked):
    """An actor that its worker has started."""
    creating = outcome(create, registry, name=name, create_id=name.encode(), **asked)
    worker.told("create").answer.set(None)
    return creating.get(timeout=LIMIT)


def test_what_becomes_of_its_actors(registry, worker):
    running(registry, worker, "gone")
    running(registry, worker, "back", restart="on-failure")
    other = FakeWorker(registry, b"2")
    draining = outcome(registry.drain, "address 1", LIMIT)
    worker.told("leave").answer.set(None)
    registry.members.leaving(worker.worker)
    gevent.idle()
    assert not draining.ready()  # until it has said goodbye its actors may run
    registry.members.goodbye(worker.worker)
    other.told("create").answer.set(None)
    found = dict(draining.get(timeout=LIMIT))
    assert found["gone"] is None
    assert (found["back"].worker, found["back"].state) == ("address 2", "running")


def test_a_name_that_was_taken_anew_is_somebody_elses(registry, worker):
    running(registry, worker, "room")
    running(registry, worker, "back", restart="on-failure")
    other = FakeWorker(registry, b"2")
    draining = outcome(registry.drain, "address 1", LIMIT)
    worker.told("leave").answer.set(None)
    registry.members.goodbye(worker.worker)
    coming = other.told("create")
    running(registry, other, "room")
    coming.answer.set(None)
    assert dict(draining.get(timeout=LIMIT))["room"] is None


def test_what_finds_no_other_worker_is_told_to_wait(registry, worker):
    running(registry, worker, "room", restart="on-failure")
    draining = outcome(registry.drain, "address 1", 0.5)
    worker.told("leave").answer.set(None)
    registry.members.goodbye(worker.worker)
    ((name, info),) = draining.get(timeout=LIMIT)
    assert (name, info.state, info.worker) == ("room", "waiting", "")


def test_one_that_takes_longer(registry, worker):
    draining = outcome(registry.drain, "address 1", 0.2)
    worker.told("leave").answer.set(None)
    error = draining.get(timeout=LIMIT)
    assert isinstance(error, CallTimeout) and "worker address 1 still ends its actors" in str(error)


def test_one_that_cannot_be_told(registry, worker):
    draining = outcome(registry.drain, "address 1", LIMIT)
    worker.told("leave").answer.set_exception(LinkClosed("it broke"))
    error = draining.get(timeout=LIMIT)
    assert isinstance(error, WorkerUnavailable) and "was not told to leave: it broke" in str(error)


def test_one_that_is_lost(registry, worker):
    registry._directory.unlink(worker.worker)
    with pytest.raises(WorkerUnavailable, match="worker address 1 is lost"):
        registry.drain("address 1", LIMIT)


def test_of_two_at_an_address_the_one_that_is_there(registry, worker):
    registry._directory.unlink(worker.worker)
    successor = FakeWorker(registry, b"2")
    successor.worker.address = "address 1"
    draining = outcome(registry.drain, "address 1", LIMIT)
    successor.told("leave").answer.set(None)
    registry.members.goodbye(successor.worker)
    assert draining.get(timeout=LIMIT) == []


@pytest.mark.parametrize("address", ["address 2", "", None, ["address 1"]])
def test_nobody(registry, worker, address):
    with pytest.raises(WorkerNotFound, match="no worker has the address"):
        registry.drain(address, LIMIT)
