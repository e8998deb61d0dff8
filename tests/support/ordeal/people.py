"""Who uses a factory while it is harmed, and what they see of it."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import Any

import gevent

import stractory
from tests.support.chance import chance
from tests.support.history import Reply
from tests.support.ordeal.counters import (
    CALL_LIMIT,
    EXPECTED,
    HUNG,
    UNEXPECTED,
    create_counter,
    create_kept,
)
from tests.support.ordeal.site import Site

PLAIN = [f"counter-{number}" for number in range(6)]
KEPT = [f"kept-{number}" for number in range(3)]
FLEETING = [f"fleeting-{number}" for number in range(3)]
"""These come back as those do, unless they are destroyed, or replaced."""


class People:
    """Clients who create, call and end a few counters, each in a green thread, until they are told.

    ``tried``: how often each counter was to count, whatever came of it.
    """

    def __init__(self, site: Site, seed: str, number: int) -> None:
        self.replies: list[Reply] = []
        self.outcomes: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self._site = site
        self._over = False
        self._tasks = [gevent.spawn(self._live, f"client {i}", chance(f"{seed} {i}")) for i in range(number)]

    def end(self) -> None:
        """Raises what any of them met that it should not have."""
        self._over = True
        gevent.joinall(self._tasks, raise_error=True)

    def _live(self, client: str, random: Random) -> None:
        with self._site.client() as strac:
            while not self._over:
                act = random.choices([self._increment, self._create, self._destroy], [20, 3, 1])[0]
                name = random.choice([*PLAIN, *KEPT, *FLEETING])
                outcome = act.__name__.strip("_")
                try:
                    with gevent.Timeout(HUNG, AssertionError(f"{client}: {outcome} of {name} hangs")):
                        act(strac, client, name, random)
                except UNEXPECTED:
                    raise
                except EXPECTED as error:
                    outcome += f": {type(error).__name__}"
                self.outcomes[outcome] += 1
                gevent.sleep(random.uniform(0, 0.02))

    def _increment(self, strac: Any, client: str, name: str, random: Random) -> None:
        actor = strac.get(name, timeout=CALL_LIMIT)
        asked = time.monotonic()
        self.tried[name] += 1
        epoch, count, *served = stractory.timeout(actor, CALL_LIMIT).increment()
        self.replies.append(Reply(client, name, epoch, asked, time.monotonic(), count, *served))

    def _create(self, strac: Any, client: str, name: str, random: Random) -> None:
        asked = time.monotonic()
        if name in KEPT:
            info = create_kept(strac, name, self._site)
        else:
            create = create_kept if name in FLEETING else create_counter
            info = create(strac, name, self._site, random.choice(["error", "get", "replace"]))
        self.replies.append(Reply(client, name, info.epoch, asked, time.monotonic()))

    def _destroy(self, strac: Any, client: str, name: str, random: Random) -> None:
        if name not in KEPT:
            strac.destroy(name, timeout=CALL_LIMIT)
