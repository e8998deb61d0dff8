"""Waiting while green threads of the test's own process go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from tests.support.cluster import PATIENCE


def green_until(predicate: Callable[[], Any]) -> Any:
    """As ``until``: the first true value of ``predicate``."""
    with gevent.Timeout(PATIENCE):
        while not (value := predicate()):
            gevent.sleep(0.02)
        return value
