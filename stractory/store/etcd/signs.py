"""Signs of life of workers, and for which of them a lease is renewed. Pure.

A lease is renewed right after a sign, or not for that one. So it is over when its length has passed since the
last sign, and at most FRESH seconds later. One that was renewed lately is left: renewing is what costs etcd
most in a large cluster at rest. So it may be over earlier, by SKIPPED of its length; but not before its
worker has suspended what comes back elsewhere, which it does when two thirds have passed.
"""

from __future__ import annotations

FRESH = 0.5
"""Seconds for which a sign counts."""

SKIPPED = 1 / 6
"""Of a lease: so long after it was renewed that need not be done."""


class Signs:
    """``lease``: its seconds. Time is an argument: seconds of a monotonic clock."""

    def __init__(self, lease: float) -> None:
        self.lease = lease
        self._heard: dict[bytes, float] = {}  # those that count
        self._renewed: dict[bytes, float] = {}

    def heard(self, id: bytes, now: float) -> None:
        """A worker has given one."""
        if now - self._renewed.get(id, -self.lease) >= SKIPPED * self.lease:
            self._heard[id] = now

    def fresh(self, now: float) -> list[bytes]:
        """The workers whose leases are to be renewed now."""
        self._heard = {id: heard for id, heard in self._heard.items() if now - heard <= FRESH}
        return sorted(self._heard)

    def renewed(self, id: bytes, now: float) -> None:
        """Its lease was, then or a little later."""
        self._heard.pop(id, None)
        self._renewed[id] = now

    def forget(self, id: bytes) -> None:
        """It has no lease any more."""
        self._heard.pop(id, None)
        self._renewed.pop(id, None)
