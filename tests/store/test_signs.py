"""For which signs of life of a worker its lease is renewed: often enough, and never late. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stractory.store.etcd.presence import STEP
from stractory.store.etcd.signs import FRESH, SKIPPED, Signs
from stractory.worker.fence import SHARE
from stractory.worker.registry_link import HEARTBEAT

LEASE = 15.0
WORKER = b"worker"


class Registry:
    """Looks at signs of life every STEP, and renews one lease, unless etcd does not answer."""

    def __init__(self, began: float) -> None:
        self.signs = Signs(LEASE)
        self.next = began
        self.over = began + LEASE
        self.renewals = 0

    def hear(self, when: float) -> None:
        self.look_until(when)
        self.signs.heard(WORKER, when)

    def look_until(self, when: float, answers: bool = True) -> None:
        while self.next <= when:
            if self.signs.fresh(self.next) and answers:
                self.signs.renewed(WORKER, self.next)
                self.over = self.next + LEASE
                self.renewals += 1
            self.next += STEP


pauses = st.floats(0.0, 2 * HEARTBEAT)


@given(st.floats(0.0, STEP), st.lists(pauses, min_size=1, max_size=30))
def test_a_lease_is_over_when_it_should_be_after_the_last_sign_of_life(
    began: float, between: list[float]
) -> None:
    registry, now = Registry(began), 0.0
    for pause in between:
        now += pause
        registry.hear(now)
    registry.look_until(now + LEASE)
    assert now + SHARE * LEASE < registry.over <= now + LEASE + FRESH
    assert registry.renewals <= 1 + now / (SKIPPED * LEASE - STEP)


def test_half_of_the_heartbeats_are_enough() -> None:
    registry = Registry(0.1)
    for number in range(100):
        registry.hear(number * HEARTBEAT)
    assert registry.renewals == 50


def test_a_sign_of_life_does_not_count_for_long() -> None:
    registry = Registry(0.0)
    registry.hear(0.0)
    registry.look_until(2 * FRESH, answers=False)
    registry.look_until(LEASE)
    assert registry.renewals == 0


def test_each_worker_has_its_own() -> None:
    signs = Signs(LEASE)
    for number in range(3):
        signs.heard(b"%d" % number, 1.0)
    signs.renewed(b"1", 1.1)
    assert signs.fresh(1.2) == [b"0", b"2"]
    signs.heard(b"1", 1.3)
    signs.forget(b"0")
    assert signs.fresh(1.4) == [b"2"]
    signs.forget(b"1")
    signs.heard(b"1", 1.4)
    assert signs.fresh(1.4) == [b"1", b"2"]
