"""What a worker tells its registry of itself and of its actors, while somebody looks at them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from heapq import nlargest
from itertools import islice
from pathlib import Path

import gevent

from stractory.net.counters import Tally, counters
from stractory.proof.proved import ProvedLinks
from stractory.wire.facts import BUSIEST, ActorFacts, Busy, Load
from stractory.worker.actor import Actor
from stractory.worker.host import Host
from stractory.worker.lateness import Lateness

IN_A_ROW = 2000
"""Actors that are looked at before others have their turn."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEMORY = Path("/proc/self/statm")


class Looks:
    """Of the worker that has the actors of ``host`` and these ``links`` of clients."""

    def __init__(self, host: Host, links: ProvedLinks) -> None:
        self._host = host
        self._links = links
        self._lateness = Lateness()
        self._began = time.monotonic()
        self._seen = 0  # calls of all actors at the last look

    def look(self) -> Load:
        """How this worker does, and its actors since the last look."""
        calls = counters.calls.count + counters.events
        return Load(
            time.monotonic() - self._began,
            calls,
            counters.call_errors + counters.event_errors,
            len(self._links),
            sum(len(link.streams) for link in self._links),
            time.process_time(),
            _memory(),
            self._lateness.worst(),
            counters.received,
            self._busiest(calls),
        )

    def facts(self, name: str, epoch: int) -> ActorFacts:
        """How this actor does. Raises StaleLocation when this life of the name does not run here."""
        actor = self._host.find(name, epoch)
        tally = actor.tally or Tally()
        return ActorFacts(actor.clients, tally.calls, tally.errors, *tally.last_error)

    def _busiest(self, calls: int) -> list[Busy]:
        """Those that were called since this was asked last. It waits at times, so that nobody else has to."""
        if calls == self._seen:
            return []
        self._seen = calls
        busiest: list[tuple[int, str, Busy]] = []
        actors = self._host.actors()
        while some := [*islice(actors, IN_A_ROW)]:
            busiest = nlargest(BUSIEST, [*busiest, *_called(some)])
            gevent.sleep(0)
        return [row for _, _, row in busiest]


def _called(actors: list[Actor]) -> Iterator[tuple[int, str, Busy]]:
    """Those of them that were called since, with how often, to be put in order."""
    for actor in actors:
        tally = actor.tally
        if tally is not None and (more := tally.calls - tally.seen):
            tally.seen = tally.calls
            yield more, actor.name, Busy(actor.name, actor.life.epoch, tally.calls)


def _memory() -> int:
    """Bytes of this process in memory; 0 where that cannot be read just now."""
    try:
        return int(_MEMORY.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
