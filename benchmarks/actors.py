"""Creating actors and connecting to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench import Bench
from measuring import Factory, by_green_threads, each, rate
from rows import OURS, Row, measures
from served import echo

import stractory

CREATES = Row("creates.threads", "creates, 200 green threads")
CREATES_IN_TURN = Row("creates.in-turn", "creates, one after another")
POPULATIONS = (0, 2_000, 5_000)
AMONG = tuple(Row(f"creates.among-{there}", f"creates when {there:,} are there") for there in POPULATIONS)
CONNECTS = Row("connects.at-once", "connects, one call for all")
CONNECTS_IN_TURN = Row("connects.in-turn", "connects, one after another")

WARM = 1_000
"""Creations by which a factory that has just started has found its pace."""

DEFINITION = stractory.stream(echo)


def create_all(client: stractory.Client, names: Sequence[str]) -> float:
    """The rate at which many green threads create them."""
    return rate(len(names), lambda: by_green_threads(lambda name: client.create(name, DEFINITION), names))


def destroy_all(client: stractory.Client, names: Sequence[str]) -> None:
    by_green_threads(client.destroy, names)


@measures(CREATES, by=OURS)
def creates(bench: Bench) -> float:
    names = bench.names(bench.count(5_000))
    figure = create_all(bench.client, names)
    destroy_all(bench.client, names)  # so that every round finds as few
    return figure


@measures(CREATES, by="xoscar")
def xoscar_creates(bench: Bench) -> float:
    peer, names = bench.xoscar, bench.names(bench.count(1_500))
    return rate(len(names), lambda: peer.create_at_once(names))


@measures(CREATES_IN_TURN, by=OURS)
def creates_in_turn(bench: Bench) -> float:
    names = bench.names(bench.count(2_000))
    figure = each(lambda name: bench.client.create(name, DEFINITION), names)
    destroy_all(bench.client, names)
    return figure


@measures(CREATES_IN_TURN, by="xoscar")
def xoscar_creates_in_turn(bench: Bench) -> float:
    peer, names = bench.xoscar, bench.names(bench.count(1_000))
    return rate(len(names), lambda: peer.create(names))


@measures(CREATES_IN_TURN, by="Pyro5")
def pyro_creates_in_turn(bench: Bench) -> float:
    return each(bench.pyro.create, bench.names(bench.count(2_000)))


@measures(*AMONG, by=OURS)
def creates_among_many(bench: Bench) -> tuple[float, ...]:
    """In a factory of their own; what is measured stays, and counts as there for the next row."""
    figures, there = [], 0
    with Factory() as factory:
        factory.pool(1)
        client = factory.client()
        warm = bench.names(WARM)
        create_all(client, warm)
        destroy_all(client, warm)
        for population in POPULATIONS:
            create_all(client, bench.names(population - there))
            names = bench.names(bench.count(5_000) // 5)
            figures.append(create_all(client, names))
            there = population + len(names)
    return tuple(figures)


@measures(CONNECTS, by=OURS)
def connects(bench: Bench) -> float:
    client, names = bench.client, bench.residents
    streams: list[Any] = []
    figure = rate(len(names), lambda: streams.extend(client.connect(names)))
    close_all(streams)
    return figure


@measures(CONNECTS_IN_TURN, by=OURS)
def connects_in_turn(bench: Bench) -> float:
    return opened(bench.client.connect, bench.residents)


@measures(CONNECTS, CONNECTS_IN_TURN, by="RPyC")
def rpyc_connects(bench: Bench) -> tuple[float, float]:
    """It has but one way, and no look-up: TCP connects to the one service."""
    bench.port("rpyc_service")  # starts it
    figure = opened(lambda name: bench.rpyc_connection(), bench.residents)
    return figure, figure


@measures(CONNECTS_IN_TURN, by="Pyro5")
def pyro_connects_in_turn(bench: Bench) -> float:
    """A look-up and a connection, given up at once: the server has a thread for each, and few of them."""
    from Pyro5.api import Proxy

    names, look_up = bench.names(bench.count(1_000)), bench.pyro_names.lookup
    for name in names:
        bench.pyro.create(name)

    def connect(name: str) -> None:
        with Proxy(look_up(name)) as proxy:
            proxy._pyroBind()

    return each(connect, names)


@measures(CONNECTS_IN_TURN, by="xoscar")
def xoscar_look_ups(bench: Bench) -> float:
    """References only: it has one connection for all."""
    peer, names = bench.xoscar, bench.names(bench.count(1_000))
    peer.create_at_once(names)
    return rate(len(names), lambda: peer.look_up(names))


def opened(connect: Any, names: Sequence[str]) -> float:
    """The rate of connects; the connections are closed afterwards."""
    connections: list[Any] = []
    figure = each(lambda name: connections.append(connect(name)), names)
    close_all(connections)
    return figure


def close_all(connections: Sequence[Any]) -> None:
    for connection in connections:
        connection.close()
