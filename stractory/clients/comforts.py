"""Small comforts for what get and connect hand out."""

from __future__ import annotations

import math
from typing import Any, TypeVar

T = TypeVar("T")


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
