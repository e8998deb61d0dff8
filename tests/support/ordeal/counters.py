"""The actors of an ordeal, and what those who use them may get while it lasts."""

from __future__ import annotations

from typing import Any

import stractory
from stractory.errors import StoreError
from tests.support.ordeal.site import Site

CALL_LIMIT = 5.0
HUNG = CALL_LIMIT + 10.0
"""Seconds after which a call of a client counts as hung."""


def write_down(what: str, log: str, context: Any) -> None:
    """An actor begins, or was ended."""
    import json
    import os
    import time

    line = json.dumps([what, context.name, context.epoch, os.getpid(), time.monotonic()])
    with open(log, "a") as file:
        file.write(line + "\n")


def counter(options: Any, context: Any) -> Any:
    """An rpc actor that counts, and writes down when it began and when it was ended."""
    count = 0

    def increment() -> Any:
        nonlocal count
        count += 1
        return context.epoch, count

    write_down("start", options["log"], context)
    return {"increment": increment, "destroy": lambda: write_down("stop", options["log"], context)}


class Kept:
    """An rpc actor that counts, and whose count outlives it. It tells when it did."""

    def __init__(self, options: Any, context: Any) -> None:
        self._log = options["log"]
        self._context = context
        self._count = 0
        write_down("start", self._log, context)

    def increment(self) -> Any:
        import time

        self._count += 1
        return self._context.epoch, self._count, time.monotonic()

    def snapshot(self) -> int:
        return self._count

    def restore(self, count: int) -> None:
        self._count = count

    def destroy(self) -> None:
        write_down("stop", self._log, self._context)


EXPECTED = (
    stractory.ActorError,
    stractory.PlacementError,
    stractory.CallTimeout,
    stractory.RegistryUnavailable,
    stractory.WorkerUnavailable,
    stractory.LinkError,
    StoreError,
)
"""What a client may get in the middle of faults."""
UNEXPECTED = (stractory.ActorStartFailed, stractory.ProtocolError, stractory.VersionMismatch)


def create_counter(strac: Any, name: str, site: Site, if_exists: str = "error") -> stractory.ActorInfo:
    """It is gone with its worker."""
    info: stractory.ActorInfo = strac.create(
        name,
        stractory.rpc(counter),
        options={"log": str(site.log)},
        if_exists=if_exists,
        timeout=CALL_LIMIT,
    )
    return info


def create_kept(
    strac: Any, name: str, site: Site, if_exists: str = "get", limit: float = CALL_LIMIT
) -> stractory.ActorInfo:
    """It is never destroyed in an ordeal, so all that was acknowledged has to be there at its end."""
    info: stractory.ActorInfo = strac.create(
        name,
        stractory.rpc(Kept),
        options={"log": str(site.log)},
        if_exists=if_exists,
        restart="on-failure",
        snapshot="each call",
        timeout=limit,
    )
    return info
