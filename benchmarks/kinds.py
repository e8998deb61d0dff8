"""Calls, callbacks and events through a real registry and worker, beside RPyC, Pyro5 and stock zerorpc.

Prints what it measured; asserts nothing. Run it by scripts/bench.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import gevent
import Pyro5.api
import rpyc
import zerorpc
from gevent.event import Event
from gevent.pool import Pool
from measuring import ROUNDS, Table, factory, plain, rate, round_trips
from peers import Peer

import stractory

SIZE = 64


def service(options: Any) -> Any:
    def call_back(function: Any, count: int) -> None:
        for number in range(count):
            function.call(number)

    return {"nothing": lambda: None, "echo": lambda data: data, "call_back": call_back}


def echo_events(options: Any) -> Any:
    def handle(emitter: Any) -> None:
        emitter.on("echo", lambda data: emitter.emit("echo", data))

    return handle


def fan_out(options: Any) -> Any:
    everybody: list[Any] = []

    def handle(emitter: Any) -> None:
        everybody.append(emitter)
        emitter.on("tell", lambda: [each.emit("told", 1) for each in everybody])

    return handle


def repeat(count: int, work: Callable[[], object]) -> float:
    def run() -> None:
        for _ in range(count):
            work()

    return rate(count, run)


def one_after_another(client: stractory.Client, ports: dict[str, int], size: int) -> Table:
    table = Table()
    with ExitStack() as stack:
        room = client.get("rpc")
        remote = rpyc.connect("127.0.0.1", ports["rpyc_service"]).root.nothing
        pyro = stack.enter_context(Pyro5.api.Proxy(f"PYRO:service@127.0.0.1:{ports['pyro_service']}"))
        stock = zerorpc.Client(f"tcp://127.0.0.1:{ports['zerorpc_service']}", heartbeat=None)
        stack.callback(stock.close)
        direct = stack.enter_context(client.connect("rpc", direct=True))
        green = plain(gevent.socket, ports["gevent_sockets"])
        for _ in range(ROUNDS):
            table.note("ours", repeat(size, room.nothing))
            table.note("RPyC", repeat(size, remote))
            table.note("Pyro5", repeat(size, pyro.nothing))
            table.note("stock zerorpc", repeat(size // 10, stock.nothing))
            table.note("ours, over zerorpc", repeat(size // 10, direct.nothing))
            table.note("gevent sockets, an echo", round_trips(green, size))
    return table


def pipelined(client: stractory.Client, ports: dict[str, int], size: int) -> Table:
    table, room = Table(), client.get("rpc")
    asynchronous = rpyc.async_(rpyc.connect("127.0.0.1", ports["rpyc_service"]).root.nothing)

    def futures() -> None:
        for future in [room.nothing.future() for _ in range(size)]:
            future.get()

    def rpyc_futures() -> None:
        for future in [asynchronous() for _ in range(size // 10)]:
            future.wait()

    def one_way() -> None:
        for _ in range(size):
            room.nothing.send()
        room.nothing()

    def green_threads() -> None:
        pool = Pool(200)
        for _ in range(size):
            pool.spawn(room.nothing)
        pool.join()

    for _ in range(ROUNDS):
        table.note("ours, futures", rate(size, futures))
        table.note("ours, one way", rate(size, one_way))
        table.note("ours, 200 green threads", rate(size, green_threads))
        table.note("RPyC, async_", rate(size // 10, rpyc_futures))
    return table


def callbacks(client: stractory.Client, ports: dict[str, int], size: int) -> Table:
    table, room = Table(), client.get("rpc")
    remote = rpyc.connect("127.0.0.1", ports["rpyc_service"]).root.call_back
    for _ in range(ROUNDS):
        table.note("ours", rate(size, partial(room.call_back, lambda number: number, size)))
        table.note("RPyC", rate(size, partial(remote, lambda number: number, size)))
    return table


def events(client: stractory.Client, size: int) -> Table:
    table = Table()
    emitter = client.get("events")
    crowd = [client.connect("fan-out") for _ in range(100)]
    seen, done = [0], Event()

    def count(limit: int, data: object) -> None:
        seen[0] += 1
        if seen[0] == limit:
            done.set()

    def run(limit: int, emit: Callable[[], object]) -> None:
        seen[0] = 0
        done.clear()
        emit()
        done.wait()

    echoed, told = partial(count, size), partial(count, size)
    emitter.on("echo", echoed)
    for each in crowd:
        each.on("told", told)
    for _ in range(ROUNDS):
        table.note(
            "echoes", rate(size, partial(run, size, lambda: [emitter.emit("echo", 1) for _ in range(size)]))
        )
        tell = partial(run, size, lambda: [crowd[0].emit("tell") for _ in range(size // len(crowd))])
        table.note("deliveries to 100 clients", rate(size, tell))
    return table


def main() -> None:
    quick = "--quick" in sys.argv
    size = 1_000 if quick else 10_000
    with ExitStack() as stack:
        client = stack.enter_context(factory(workers=1))
        names = ("rpyc_service", "pyro_service", "zerorpc_service", "gevent_sockets")
        ports = {name: stack.enter_context(Peer(name)).port for name in names}
        client.create("rpc", stractory.rpc(service), public=True)
        client.create("events", stractory.eventemitter(echo_events))
        client.create("fan-out", stractory.eventemitter(fan_out))
        one_after_another(client, ports, size).show("calls, one after another", "RPyC")
        pipelined(client, ports, size * 10).show("calls, many at once", "RPyC, async_")
        callbacks(client, ports, size).show("a client's function, called and answered", "RPyC")
        events(client, size * 10).show("events", None)


if __name__ == "__main__":
    main()
