"""Who holds on to actors while all but their workers is harmed, and has to notice nothing."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import Any

import gevent

import stractory
from tests.support.actors import echo
from tests.support.ordeal.counters import CALL_LIMIT, EXPECTED, create_counter
from tests.support.ordeal.site import Site

COUNTER, ECHO = "held-counter", "held-echo"


class Holders:
    """Who has an rpc client and a stream from before the harms, of actors whose workers are spared.

    ``wrong``: what was not as if nothing had happened.
    """

    def __init__(self, site: Site) -> None:
        self.wrong: list[str] = []
        self.calls = 0
        self._over = False
        with ExitStack() as holding:
            strac = holding.enter_context(site.client())
            where = {create_counter(strac, COUNTER, site).worker, strac.create(ECHO, echo).worker}
            site.spared = frozenset(each.pid for each in strac.workers() if each.address in where)
            counter = stractory.timeout(strac.get(COUNTER), CALL_LIMIT)
            counter.increment()
            stream = holding.enter_context(holding.enter_context(site.client()).connect(ECHO))
            stream.settimeout(CALL_LIMIT)
            self._held = holding.pop_all()
        self._tasks = [gevent.spawn(self._call, counter), gevent.spawn(self._talk, stream)]

    def end(self) -> None:
        """All of it is let go."""
        self._over = True
        with self._held:
            gevent.joinall(self._tasks, raise_error=True)

    def _call(self, counter: Any) -> None:
        for count in itertools.count(2):
            if self._over:
                return
            try:
                _, told = counter.increment()
            except EXPECTED as error:
                self.wrong.append(f"{COUNTER}: {type(error).__name__}: {error}")
                return
            self.calls += 1
            if told != count:
                self.wrong.append(f"{COUNTER}: {told} and not {count}")
                return
            gevent.sleep(0.02)

    def _talk(self, stream: Any) -> None:
        while not self._over:
            try:
                stream.sendall(b"hello")
                heard = stream.recv(5)
            except (OSError, *EXPECTED) as error:
                self.wrong.append(f"{ECHO}: {type(error).__name__}: {error}")
                return
            if heard != b"hello":
                self.wrong.append(f"{ECHO}: it says {heard!r}")
                return
            gevent.sleep(0.02)
