"""When a worker that is cut off from its registry stops serving, by a clock that the test moves."""

from __future__ import annotations

import pytest

from stractory.worker import fence as fence_module
from stractory.worker.fence import SHARE, Fence
from tests.support.green import green_until

LEASE = 0.03 / SHARE
"""Seconds; the fence looks at the clock so often that tests need not wait."""


class Model:
    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        self.something = True
        self.suspended = 0
        self.looks = 0
        monkeypatch.setattr(fence_module, "boot_time", self.clock)
        self.fence = Fence(self.suspend)

    def clock(self) -> float:
        self.looks += 1
        return self.now

    def suspend(self) -> bool:
        self.suspended += 1
        return self.something

    def look(self, times: int = 3) -> None:
        """Wait until the fence has looked."""
        wanted = self.looks + times
        green_until(lambda: self.looks >= wanted)


@pytest.fixture
def model(monkeypatch) -> Model:
    return Model(monkeypatch)


def test_nothing_is_suspended_while_signs_of_life_are_acknowledged(model):
    model.fence.hold(LEASE, model.now)
    for _ in range(5):
        model.now += LEASE * SHARE * 0.9
        model.fence.acknowledged(model.now)
        model.look()
    assert not model.suspended


def test_what_counts_is_when_it_was_sent(model):
    model.fence.hold(LEASE, model.now)
    sent = model.now
    model.now += LEASE * SHARE * 1.1
    model.fence.acknowledged(sent)
    green_until(lambda: model.suspended)


def test_suspended_once_until_it_is_registered_again(model):
    model.fence.hold(LEASE, model.now)
    model.now += LEASE
    green_until(lambda: model.suspended)
    looks = model.looks
    model.fence.acknowledged(model.now)
    model.now += LEASE
    assert model.suspended == 1 and model.looks == looks
    model.fence.hold(LEASE, model.now)
    model.look()
    assert model.suspended == 1
    model.now += LEASE
    green_until(lambda: model.suspended == 2)


def test_where_there_is_nothing_to_suspend_it_goes_on_looking(model):
    model.something = False
    model.fence.hold(LEASE, model.now)
    model.now += LEASE
    green_until(lambda: model.suspended > 2)
    model.fence.acknowledged(model.now)
    told = model.suspended
    model.look()
    assert model.suspended == told


def test_somebody_else_may_vouch(model):
    vouched = model.now
    model.fence = Fence(model.suspend, lambda: vouched)
    model.fence.hold(LEASE, model.now)
    for _ in range(5):
        model.now += LEASE * SHARE * 0.9
        vouched = model.now
        model.look()
    assert not model.suspended
    model.now += LEASE
    green_until(lambda: model.suspended)


def test_who_asks_it_to_look_need_not_wait_for_the_loop(model):
    model.fence.look()
    model.fence.hold(LEASE, model.now)
    model.fence.look()
    assert not model.suspended
    model.now += LEASE
    model.fence.look()
    model.fence.look()
    assert model.suspended == 1
