"""How much the other side of a connection may send while the calls it has made run."""

from __future__ import annotations

from typing import Protocol

from stractory.errors import ProtocolError

RUNNING_LIMIT = 64 * 1024 * 1024
"""Bytes that the running calls may weigh; then no more is let come until some are done."""

RUNNING_BOUND = 4 * RUNNING_LIMIT
"""Bytes at which the other side is given up. It gets so far only while it is awaited."""

CALL_WEIGHT = 4 * 1024
"""Bytes that a call weighs beside its own: the green thread in which it may have to wait."""


class Consumer(Protocol):
    """What the calls come over."""

    def consumed(self, size: int) -> None:
        """Tell the other side that it may send so many bytes more."""


class Allowance:
    """``owed`` are the bytes held up."""

    __slots__ = ("_carrier", "_weight", "owed")

    def __init__(self, carrier: Consumer) -> None:
        self._carrier = carrier  # not its method: that is an object more for each connection
        self._weight = 0  # of the calls that came and are not done
        self.owed = 0  # bytes that came and were not yet said to be consumed

    def arrived(self, size: int, *, awaited: bool) -> None:
        """Bytes came. ``awaited``: an answer must be let through, or those calls may never be done.

        Raises ProtocolError when far too much runs.
        """
        if self._weight <= RUNNING_LIMIT:
            self._carrier.consumed(size)
            return
        if self._weight > RUNNING_BOUND:
            raise ProtocolError(f"more calls at once than {RUNNING_BOUND} bytes can hold")
        self.owed += size
        if awaited:
            self.pay()

    def begun(self, weight: int) -> None:
        """A call came, of so many bytes."""
        self._weight += weight

    def done(self, weight: int) -> None:
        """It is done."""
        self._weight -= weight
        if self.owed and self._weight <= RUNNING_LIMIT:
            self.pay()

    def pay(self) -> None:
        """Let through what was held up."""
        owed, self.owed = self.owed, 0
        if owed:
            self._carrier.consumed(owed)
