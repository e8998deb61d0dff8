"""Much at once, and what a stream that nobody reads does to others."""

from __future__ import annotations

import time
from typing import Any

from bench import Bench
from measuring import PAYLOAD, percentiles, rate
from peers import DONE
from rows import OURS, Row, measures

BULK = Row("bulk.link", "bulk through a link", "MB/s")
BULK_IN_TLS = Row("bulk.in-tls", "bulk through a link in TLS", "MB/s")
BULK_PORT = Row("bulk.port", "bulk through an actor's own port", "MB/s")
CALM = Row("stalled.calm-p50", "a call, nothing stalled, median", "us")
CALM_WORST = Row("stalled.calm-p99", "a call, nothing stalled, p99", "us")
STALLED = Row("stalled.others-p50", "a call while another client's stream stalls, median", "us")
STALLED_WORST = Row("stalled.others-p99", "a call while another client's stream stalls, p99", "us")
SAME = Row("stalled.same-p50", "a call while a stream of the same link stalls, median", "us")
SAME_WORST = Row("stalled.same-p99", "a call while a stream of the same link stalls, p99", "us")


@measures(BULK, by=OURS)
def bulk(bench: Bench) -> float:
    with bench.client.connect("sink") as stream:
        return poured(stream, bench)


@measures(BULK_IN_TLS, by=OURS)
def bulk_in_tls(bench: Bench) -> float:
    with bench.client_in_tls.connect("sink") as stream:
        return poured(stream, bench)


@measures(BULK_PORT, by=OURS)
def bulk_by_port(bench: Bench) -> float:
    with bench.client.connect("sink", direct=True) as stream:
        return poured(stream, bench)


@measures(BULK, BULK_PORT, by="blocking sockets")
def blocking_bulk(bench: Bench) -> tuple[float, float]:
    figure = poured(bench.blocking_sink, bench)
    return figure, figure


def poured(stream: Any, bench: Bench) -> float:
    """MB (10^6 bytes) a second from here to where all of it has been taken."""
    piece, pieces = bytes(65536), bench.count(8_000)
    size = len(piece) * pieces

    def run() -> None:
        stream.sendall(size.to_bytes(8, "big"))
        for _ in range(pieces):
            stream.sendall(piece)
        if stream.recv(1) != DONE:
            raise ConnectionError("the other side did not take all of it")

    return rate(size, run) / 1e6


@measures(CALM, CALM_WORST, STALLED, STALLED_WORST, SAME, SAME_WORST, by=OURS)
def stalled(bench: Bench) -> tuple[float, ...]:
    """An actor of the same worker sends without an end to somebody who does not read."""
    calm = delays(bench)
    other = bench.factory.client()
    with other.connect("flood") as stream:
        stream.recv(1)
        others = delays(bench)
    other.close()
    with bench.client.connect("flood") as stream:
        stream.recv(1)
        same = delays(bench)
    return *calm, *others, *same


def delays(bench: Bench) -> tuple[float, float]:
    """Median and 99th percentile of calls one after another, in microseconds."""
    times, call = [], bench.room.echo
    for _ in range(bench.count(10_000)):
        began = time.perf_counter()
        call(PAYLOAD)
        times.append((time.perf_counter() - began) * 1e6)
    return percentiles(times)
