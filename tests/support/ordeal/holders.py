"""Who holds on to actors while all but their workers is harmed, and has to notice nothing."""

from __future__ import annotations

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
        with site.client() as strac:
            where = {create_counter(strac, COUNTER, site).worker}
            where.add(strac.create(ECHO, echo).worker)
            site.spared = frozenset(each.pid for each in strac.workers() if each.address in where)
        self._tasks = [gevent.spawn(hold, site) for hold in (self._call, self._talk)]

    def end(self) -> None:
        self._over = True
        gevent.joinall(self._tasks, raise_error=True)

    def _call(self, site: Site) -> None:
        with site.client() as strac:
            actor = stractory.timeout(strac.get(COUNTER), CALL_LIMIT)
            count = 0
            while not self._over:
                try:
                    _, told = actor.increment()
                except EXPECTED as error:
                    self.wrong.append(f"{COUNTER}: {type(error).__name__}: {error}")
                    return
                count += 1
                self.calls += 1
                if told != count:
                    self.wrong.append(f"{COUNTER}: {told} and not {count}")
                    return
                gevent.sleep(0.02)

    def _talk(self, site: Site) -> None:
        with site.client() as strac, strac.connect(ECHO) as stream:
            stream.settimeout(CALL_LIMIT)
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
