"""What a worker shows of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stractory.http.metrics import Metrics, counter, counters_by, gauge, histogram
from stractory.net.counters import counters
from stractory.proof.proved import ProvedLinks
from stractory.worker.membership import Membership
from stractory.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from prometheus_client import Metric


class WorkerMetrics(Metrics):
    """``watchdog``: who stops actors that hang, if somebody does."""

    def __init__(self, membership: Membership, links: ProvedLinks, watchdog: Watchdog | None) -> None:
        super().__init__(links)
        self._membership = membership
        self._watchdog = watchdog

    def own(self) -> Iterator[Metric]:
        counts = {"rpc": counters.calls.count, "eventemitter": counters.events}
        errors = {"rpc": counters.call_errors, "eventemitter": counters.event_errors}
        yield counters_by("kind", "calls", "Calls of rpc actors, and events that came to emitters", counts)
        yield counters_by("kind", "call_errors", "Those that raised, or could not be answered", errors)
        yield histogram("call_seconds", "From when a call came until it was answered", counters.calls)
        hangs = sum(self._watchdog.interrupted.values()) if self._watchdog else 0
        yield counter("hangs", "Times at which an actor was stopped because it held up all others", hangs)
        registered = self._membership.is_registered
        yield gauge("registered", "Whether this worker is registered with a registry", registered)
        left = self._membership.standing.lease_left
        yield gauge("lease_left_seconds", "Until the registries give this worker up", left)
