"""Waiting while green threads of the test's own process go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult

from tests.support.cluster import PATIENCE


def green_until(predicate: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """As ``until``: the first true value of ``predicate``."""
    with gevent.Timeout(timeout):
        while not (value := predicate()):
            gevent.sleep(0.02)
        return value


def one_turn() -> None:
    """Others have theirs, once; gevent.idle() would wait until they have no more to do."""
    gevent.sleep(0)


def next_event(emitter: Any, event: str) -> AsyncResult[Any]:
    """What comes with the next one."""
    heard: AsyncResult[Any] = AsyncResult()
    emitter.once(event, heard.set)
    return heard
