"""Events there and back, and one that all clients hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import Bench
from calls import Counter
from measuring import rate
from rows import OURS, Row, measures

ECHOES = Row("events.echoes", "eventemitter echoes, pipelined")
FAN_OUT = Row("events.fan-out", "deliveries of one event to {count} clients", count=1_000)


@measures(ECHOES, by=OURS)
def echoes(bench: Bench) -> float:
    count, emitter = bench.count(100_000), bench.client.get("events")
    return rate(count, lambda: heard("echo", [emitter], count, lambda: emit_all(emitter, count)))


def emit_all(emitter: Any, count: int) -> None:
    for _ in range(count):
        emitter.emit("echo", 1)


@measures(FAN_OUT, by=OURS)
def fan_out(bench: Bench) -> float:
    crowd = bench.client.connect(["fan-out"] * bench.count(FAN_OUT.count))
    events = 100
    count = len(crowd) * events

    def tell() -> None:
        for _ in range(events):
            crowd[0].emit("tell")

    try:
        return rate(count, lambda: heard("told", crowd, count, tell))
    finally:
        for emitter in crowd:
            emitter.close()


def heard(event: str, emitters: list[Any], count: int, emit: Callable[[], None]) -> None:
    """Emit, until all together have heard the event so many times."""
    counter = Counter(count)
    for emitter in emitters:
        emitter.on(event, counter)
    emit()
    counter.wait()
    for emitter in emitters:
        emitter.off(event)
