"""Creates, connects and round trips through a real registry and pool, beside RPyC and plain sockets.

Prints what it measured; asserts nothing. Run it by scripts/bench. Everything is measured once a round, one
after another, so that what else the machine does meanwhile falls on all alike.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from functools import partial
from typing import Any

import gevent.socket
import rpyc
from gevent.pool import Pool
from measuring import PAYLOAD, ROUNDS, Table, each, factory, plain, rate, round_trips
from peers import Peer

import stractory


def echo(options: Any) -> Any:
    def handle(stream, address):  # type: ignore[no-untyped-def]
        for data in stream:
            stream.sendall(data)

    return handle


def creates_and_connects(client: stractory.Client, rpyc_port: int, size: int) -> Table:
    table, definition = Table(), stractory.stream(echo)
    for number in range(ROUNDS):
        names = [f"bench.{number}.{index}" for index in range(size)]
        others = [f"bench.many.{number}.{index}" for index in range(size)]
        table.note("create, one after another", each(partial(client.create, actor=definition), names))
        table.note("create, 200 green threads", rate(size, partial(create_all, client, others)))
        table.note("connect, one call for all", rate(size, partial(client.connect, names)))
        table.note("connect, one after another", each(client.connect, names))
        table.note("connect, RPyC", each(lambda name: rpyc.connect("127.0.0.1", rpyc_port), names))
    return table


def create_all(client: stractory.Client, names: list[str]) -> None:
    definition = stractory.stream(echo)
    Pool(200).map(lambda name: client.create(name, definition), names)


def echoes(client: stractory.Client, blocking: int, green: int, rpyc_port: int, size: int) -> Table:
    table = Table()
    client.create("echo", echo)
    stream, own_port = client.connect("echo"), client.connect("echo", direct=True)
    blocking_socket, green_socket = plain(socket, blocking), plain(gevent.socket, green)
    remote = rpyc.connect("127.0.0.1", rpyc_port).root.echo  # looked up once: that takes a round trip too
    for _ in range(ROUNDS):
        table.note("a stream", round_trips(stream, size))
        table.note("an actor's own port", round_trips(own_port, size))
        table.note("RPyC, a call", rate(size, lambda: [remote(PAYLOAD) for _ in range(size)]))
        table.note("gevent sockets", round_trips(green_socket, size))
        table.note("blocking sockets", round_trips(blocking_socket, size))
    return table


def creates_among_many(client: stractory.Client, populations: list[int], size: int) -> Table:
    table, there = Table(), len(client.list())
    for population in populations:
        create_all(client, [f"population.{index}" for index in range(there, population)])
        there = max(there, population)
        for number in range(ROUNDS):
            names = [f"among.{population}.{number}.{index}" for index in range(size)]
            table.note(f"with {population:6,} there", rate(size, partial(create_all, client, names)))
            for name in names:
                client.destroy(name)
    return table


def main() -> None:
    quick = "--quick" in sys.argv
    size = 300 if quick else 2000
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(factory(workers=4))
        names = ("blocking_sockets", "gevent_sockets", "rpyc_service")
        blocking, green, remote = (stack.enter_context(Peer(name)).port for name in names)
        create_all(client, [f"warm.{index}" for index in range(size)])
        creates_and_connects(client, remote, size).show("creates and connects", "connect, RPyC")
        echoes(client, blocking, green, remote, size * 10).show("echoes of 64 bytes", "RPyC, a call")
    with factory(workers=4) as client:
        populations = [0, 2_000, 5_000] if quick else [0, 10_000, 50_000]
        table = creates_among_many(client, populations, size)
        table.show("creates by 200 green threads", "with      0 there")


if __name__ == "__main__":
    main()
