"""Bytes there and back: over ours, and over plain sockets, which are the yardstick of much else."""

from __future__ import annotations

from bench import Bench
from calls import IN_TURN
from measuring import round_trips
from rows import OURS, Row, measures

LINK = Row("echoes.link", "echoes of 64 bytes over a link's stream")
PORT = Row("echoes.port", "echoes of 64 bytes over an actor's own port")

LEAST = 5_000
"""Echoes by which much is judged are not so few that chance decides."""


@measures(LINK, by=OURS)
def echoes(bench: Bench) -> float:
    return round_trips(bench.client.get("echo"), bench.count(10_000))


@measures(PORT, by=OURS)
def echoes_by_port(bench: Bench) -> float:
    with bench.client.connect("echo", direct=True) as stream:
        return round_trips(stream, bench.count(10_000))


@measures(LINK, PORT, IN_TURN, by="gevent echo")
def gevent_echoes(bench: Bench) -> tuple[float, float, float]:
    figure = round_trips(bench.green_echo, max(LEAST, bench.count(10_000)))
    return figure, figure, figure


@measures(LINK, PORT, IN_TURN, by="blocking echo")
def blocking_echoes(bench: Bench) -> tuple[float, float, float]:
    figure = round_trips(bench.blocking_echo, bench.count(10_000))
    return figure, figure, figure
