"""Who races for names while a factory is harmed: one of them may win each."""

from __future__ import annotations

from typing import Any

import gevent

from tests.support.ordeal.counters import EXPECTED, HUNG, UNEXPECTED, create_kept
from tests.support.ordeal.site import Site


class Racers:
    """Clients who all want the same name at once, again and again, of an actor that is never destroyed.

    ``won``: the epochs of those who were told that they have it, by name.
    """

    def __init__(self, site: Site, number: int) -> None:
        self.won: dict[str, list[int]] = {}
        self._site = site
        self._number = number
        self._over = False
        self._task = gevent.spawn(self._race_on)

    def end(self) -> None:
        """Raises what any of them met that it should not have."""
        self._over = True
        self._task.join()
        self._task.get()

    def _race_on(self) -> None:
        clients = [self._site.client() for _ in range(self._number)]
        try:
            round = 0
            while not self._over:
                name = f"prize-{round}"
                self.won[name] = []
                tasks = [gevent.spawn(self._reach_for, strac, name) for strac in clients]
                gevent.joinall(tasks, raise_error=True)
                round += 1
                gevent.sleep(0.3)
        finally:
            for strac in clients:
                strac.close()

    def _reach_for(self, strac: Any, name: str) -> None:
        try:
            with gevent.Timeout(HUNG, AssertionError(f"the creation of {name} hangs")):
                self.won[name].append(create_kept(strac, name, self._site, "error").epoch)
        except UNEXPECTED:
            raise
        except EXPECTED:
            pass
