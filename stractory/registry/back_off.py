"""How long an actor that fails again and again has to wait for its next life. Pure."""

from __future__ import annotations

from stractory.registry.records import Actor
from stractory.wire.changes import DRAINED

HEALTHY = 60.0
"""Seconds after which a life that ends was not a failure: the next one begins without delay."""

DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds until an actor is made again, by how often it has failed in a row; the last for all beyond."""


def failures_with(actor: Actor, now: float, reason: str = "") -> int:
    """How many lives in a row were short, this one, which is over for ``reason``, among them."""
    if reason == DRAINED:  # by its worker's end, and not its own: neither a failure nor a sign of health
        return actor.failures
    healthy = actor.began and now - actor.began > HEALTHY
    return 0 if healthy else actor.failures + 1


def delay(waiting: Actor) -> float:
    """Seconds until what waits is to be made again."""
    return DELAYS[min(max(waiting.failures - 1, 0), len(DELAYS) - 1)]
