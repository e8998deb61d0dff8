"""The numbers of a process in Prometheus's format, gathered when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, cast

from stractory.errors import ConfigError
from stractory.http.lag import LoopLag
from stractory.net.counters import BOUNDS, Durations, counters
from stractory.proof.proved import ProvedLinks

try:
    from prometheus_client import Metric, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
except ImportError:
    MISSING = "/metrics needs the package prometheus_client: pip install prometheus_client"
else:
    MISSING = ""
"""Why there are no numbers here, a sentence; "" where there are. All other pages do without that package."""

PREFIX = "stractory_"

_LIMITS = [*map(str, BOUNDS), "+Inf"]


class Metrics:
    """What every process shows; ``links``: those of who proved who they are. Others add ``own``.

    No label has the name of an actor: there may be any number of them.
    """

    def __init__(self, links: ProvedLinks) -> None:
        self._links = links
        self._lag = LoopLag()

    def page(self) -> bytes:
        """All of it. Raises ConfigError where the package for it is missing."""
        if MISSING:
            raise ConfigError(MISSING)
        return generate_latest(cast(Any, self))

    def own(self) -> Iterator[Metric]:
        """What processes of this sort alone have."""
        raise NotImplementedError

    def collect(self) -> Iterable[Metric]:
        """As a CollectorRegistry does, of which this is all that is asked."""
        yield from self.own()
        yield gauge("links", "Links of those who have proved a key or a ticket here", len(self._links))
        yield gauge("streams", "Streams open on these links", sum(len(link.streams) for link in self._links))
        yield counter("window_stalls", "Times a stream had to wait for its peer", counters.window_stalls)
        yield counter("slow_consumers", "Peers given up because they took nothing", counters.slow_consumers)
        yield gauge("callbacks", "Functions of other processes that are held here", counters.callbacks)
        yield counter("refused_proofs", "Proofs of a key or ticket that failed here", counters.refused_proofs)
        help = "How late the event loop is, looked at four times a second"
        yield histogram("loop_lag_seconds", help, self._lag.durations)


def gauge(name: str, help: str, value: float) -> Metric:
    """One number, which goes up and down."""
    return GaugeMetricFamily(PREFIX + name, help, value)


def counter(name: str, help: str, value: float) -> Metric:
    """One number, which only grows; its name is given an end, ``_total``."""
    return CounterMetricFamily(PREFIX + name, help, value)


def gauges(name: str, help: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> Metric:
    """A number for each of the values of ``labels``."""
    family = GaugeMetricFamily(PREFIX + name, help, labels=labels)
    for words, value in values.items():
        family.add_metric(words, value)
    return family


def counters_by(label: str, name: str, help: str, values: Mapping[str, float]) -> Metric:
    """A number, as counter()'s, for each value of ``label``."""
    family = CounterMetricFamily(PREFIX + name, help, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def histogram(name: str, help: str, durations: Durations) -> Metric:
    """How many took up to how long."""
    buckets = [*zip(_LIMITS, accumulate(durations.counts), strict=True)]
    return HistogramMetricFamily(PREFIX + name, help, buckets, durations.total)
