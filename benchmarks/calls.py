"""Calls there and back, and functions of the client's that an actor calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from bench import Bench
from gevent.event import Event
from measuring import GREEN_THREADS, PATIENCE, PAYLOAD, by_green_threads, rate, repeated
from rows import OURS, Row, measures

IN_TURN = Row("calls.in-turn", "rpc calls, one after another")
BY_ZERORPC = Row("calls.by-zerorpc", "rpc calls over zerorpc, one after another")
IN_TLS = Row("calls.in-tls", "rpc calls in TLS, one after another")
PIPELINED = Row("calls.pipelined", "rpc calls pipelined, a callback for each answer")
FUTURES = Row("calls.futures", "rpc calls pipelined, futures")
ONE_WAY = Row("calls.one-way", "rpc calls, one way")
THREADS = Row("calls.threads", "rpc calls, 200 green threads")
PASSED = Row("callbacks.passed", "calls with a new function each, which the actor calls and awaits")
CALLED_BACK = Row("callbacks.answered", "a client's function called by an actor and answered")
TOLD_BACK = Row("callbacks.one-way", "a client's function called by an actor, one way")


class Counter:
    """A function that counts how often it is called, and who waits for that."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._all = Event()

    def __call__(self, *arguments: Any) -> None:
        self._left -= 1
        if not self._left:
            self._all.set()

    def wait(self) -> None:
        """Raises TimeoutError."""
        if not self._all.wait(PATIENCE):
            raise TimeoutError(f"{self._left} did not come in {PATIENCE:g} s")


# ---- one after another ---------------------------------------------------------------------------------


@measures(IN_TURN, by=OURS)
def in_turn(bench: Bench) -> float:
    return repeated(bench.room.echo, bench.count(10_000), PAYLOAD)


@measures(IN_TLS, by=OURS)
def in_tls(bench: Bench) -> float:
    return repeated(bench.client_in_tls.get("service").echo, bench.count(10_000), PAYLOAD)


@measures(IN_TURN, by="RPyC")
def rpyc_in_turn(bench: Bench) -> float:
    return repeated(bench.rpyc.echo, bench.count(10_000), PAYLOAD)


@measures(IN_TURN, by="Pyro5")
def pyro_in_turn(bench: Bench) -> float:
    return repeated(bench.pyro.echo, bench.count(5_000), PAYLOAD)


@measures(IN_TURN, by="xoscar")
def xoscar_in_turn(bench: Bench) -> float:
    peer, count = bench.xoscar, bench.count(2_000)
    return rate(count, lambda: peer.call(count))


@measures(IN_TURN, BY_ZERORPC, by="stock zerorpc")
def zerorpc_in_turn(bench: Bench) -> tuple[float, float]:
    figure = repeated(bench.zerorpc.echo, bench.count(1_000), PAYLOAD)
    return figure, figure


@measures(BY_ZERORPC, by=OURS)
def in_turn_by_zerorpc(bench: Bench) -> float:
    return repeated(bench.room_by_zerorpc.echo, bench.count(1_000), PAYLOAD)


# ---- many at once --------------------------------------------------------------------------------------


@measures(PIPELINED, by=OURS)
def pipelined(bench: Bench) -> float:
    count, call = bench.count(100_000), bench.room.echo.future
    return rate(count, lambda: answered(call, count))


def answered(call: Callable[..., Any], count: int) -> None:
    """Call so many times, with a callback for each answer; until all have come."""
    counter = Counter(count)
    for _ in range(count):
        call(PAYLOAD).rawlink(counter)
    counter.wait()


@measures(FUTURES, by=OURS)
def futures(bench: Bench) -> float:
    count, call = bench.count(100_000), bench.room.echo.future

    def run() -> None:
        for future in [call(PAYLOAD) for _ in range(count)]:
            future.get()

    return rate(count, run)


@measures(PIPELINED, by="RPyC")
def rpyc_pipelined(bench: Bench) -> float:
    import rpyc

    count, call = bench.count(20_000), rpyc.async_(bench.rpyc.echo)
    came: list[Any] = []

    def run() -> None:
        asked = [call(PAYLOAD) for _ in range(count)]
        for answer in asked:
            answer.add_callback(came.append)
        for answer in asked:
            answer.wait()

    return rate(count, run)


@measures(FUTURES, by="RPyC")
def rpyc_futures(bench: Bench) -> float:
    import rpyc

    count, call = bench.count(20_000), rpyc.async_(bench.rpyc.echo)

    def run() -> None:
        for answer in [call(PAYLOAD) for _ in range(count)]:
            answer.wait()

    return rate(count, run)


@measures(FUTURES, by="Pyro5")
def pyro_batch(bench: Bench) -> float:
    """One request with all calls, one answer with all results."""
    from Pyro5.api import BatchProxy

    count = bench.count(100_000)

    def run() -> None:
        batch = BatchProxy(bench.pyro)
        for _ in range(count):
            batch.echo(PAYLOAD)
        for _ in batch():
            pass

    return rate(count, run)


@measures(FUTURES, by="xoscar")
def xoscar_at_once(bench: Bench) -> float:
    peer, count = bench.xoscar, bench.count(5_000)
    return rate(count, lambda: peer.call_at_once(count))


@measures(FUTURES, by="stock zerorpc")
def zerorpc_futures(bench: Bench) -> float:
    count, peer = bench.count(1_000), bench.zerorpc

    def run() -> None:
        for answer in [peer("echo", PAYLOAD, **{"async": True}) for _ in range(count)]:
            answer.get()

    return rate(count, run)


@measures(ONE_WAY, by=OURS)
def one_way(bench: Bench) -> float:
    count, room = bench.count(100_000), bench.room

    def run() -> None:
        repeated(room.echo.send, count, PAYLOAD)
        room.echo(PAYLOAD)  # which comes when all others have begun

    return rate(count, run)


@measures(ONE_WAY, by="Pyro5")
def pyro_one_way(bench: Bench) -> float:
    count, peer = bench.count(2_000), bench.pyro

    def run() -> None:
        repeated(peer.hear, count, PAYLOAD)
        peer.echo(PAYLOAD)

    return rate(count, run)


@measures(THREADS, by=OURS)
def green_threads(bench: Bench) -> float:
    count, call = bench.count(40_000), bench.room.echo

    def run() -> None:
        for _ in range(count // GREEN_THREADS):
            call(PAYLOAD)

    return rate(count, lambda: gevent.joinall([gevent.spawn(run) for _ in range(GREEN_THREADS)]))


@measures(THREADS, by="stock zerorpc")
def zerorpc_green_threads(bench: Bench) -> float:
    count, call = bench.count(2_000), bench.zerorpc.echo
    return rate(count, lambda: by_green_threads(call, [PAYLOAD] * count))


# ---- functions of the client's -------------------------------------------------------------------------


@measures(PASSED, by=OURS)
def passed(bench: Bench) -> float:
    return call_with_functions(bench.room.call_back, bench.count(3_000))


@measures(PASSED, by="RPyC")
def rpyc_passed(bench: Bench) -> float:
    return call_with_functions(bench.rpyc.call_back, bench.count(2_000))


def call_with_functions(call_back: Callable[..., Any], count: int) -> float:
    def run() -> None:
        for _ in range(count):
            call_back(lambda number: number, 1)

    return rate(count, run)


@measures(CALLED_BACK, by=OURS)
def called_back(bench: Bench) -> float:
    count, room = bench.count(10_000), bench.room
    return rate(count, lambda: room.call_back(lambda number: number, count))


@measures(CALLED_BACK, by="RPyC")
def rpyc_called_back(bench: Bench) -> float:
    count, peer = bench.count(5_000), bench.rpyc
    return rate(count, lambda: peer.call_back(lambda number: number, count))


@measures(TOLD_BACK, by=OURS)
def told_back(bench: Bench) -> float:
    count, room = bench.count(100_000), bench.room
    counter = Counter(count)

    def run() -> None:
        room.tell_back(counter.__call__, count)
        counter.wait()

    return rate(count, run)
