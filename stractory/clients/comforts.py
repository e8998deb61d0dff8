"""Small comforts for what get and connect hand out."""

from __future__ import annotations

import math
from typing import Any, TypeVar

T = TypeVar("T")


def idempotent(client: T) -> T:
    """``client`` for calls that may run twice: ``stractory.idempotent(room).list()``.

    A call whose actor went while it was under way is repeated, once, when the actor has come back elsewhere
    (``create(..., restart=)``). ``client`` is what ``get`` returned for an rpc actor.
    """
    connection: Any = client
    if not hasattr(client.__class__, "with_repeats"):
        raise TypeError(f"{type(client).__name__} has no calls that could be repeated")
    repeating: T = connection.with_repeats()
    return repeating


def timeout(client: T, seconds: float) -> T:
    """``client`` with another limit of time: ``stractory.timeout(room, 2).join("Alex")``.

    Of an rpc client it returns another with the same connection, whose calls end with CallTimeout after so
    many seconds. A stream, which has one limit for all its uses, is returned itself.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise ValueError(f"a limit of time is a number of seconds, not {seconds!r}")
    connection: Any = client
    if hasattr(client.__class__, "with_timeout"):
        limited: T = connection.with_timeout(seconds)
        return limited
    if hasattr(client.__class__, "settimeout"):
        connection.settimeout(seconds)
        return client
    raise TypeError(f"{type(client).__name__} knows no limit of time")
