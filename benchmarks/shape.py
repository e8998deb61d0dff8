"""The benchmark that the Node.js original came with: many actors, a few calls and events for each."""

from __future__ import annotations

from typing import Any

from actors import destroy_all
from bench import Bench
from calls import Counter
from events import heard
from measuring import PAYLOAD, by_green_threads, rate
from rows import OURS, Row, measures
from served import echo_events, service

import stractory

MANY = 1_000

CREATES = Row("original.creates", "{count} actors created", count=MANY)
CONNECTS = Row("original.connects", "{count} actors connected", count=MANY)
CALLS = Row("original.calls", "10 calls to each of {count} actors", count=MANY)
EVENTS = Row("original.events", "30 events to each of {count} actors and back", count=MANY)

CALLS_EACH = 10
EVENTS_EACH = 30


@measures(CREATES, CONNECTS, CALLS, EVENTS, by=OURS)
def as_the_original(bench: Bench) -> tuple[float, ...]:
    """Events go to emitters, whose creation is not counted."""
    client, definition, count = bench.client, stractory.rpc(service), bench.count(MANY)
    names, boards = bench.names(count), bench.names(count)
    creates = rate(count, lambda: by_green_threads(lambda name: client.create(name, definition), names))
    rooms: list[Any] = []
    connects = rate(count, lambda: rooms.extend(client.connect(names)))
    calls = rate(count * CALLS_EACH, lambda: call_all(rooms, CALLS_EACH))
    emitting = stractory.eventemitter(echo_events)
    by_green_threads(lambda name: client.create(name, emitting), boards)
    emitters = client.connect(boards)
    total = count * EVENTS_EACH
    events = rate(total, lambda: heard("echo", emitters, total, lambda: emit_all(emitters)))
    for connection in (*rooms, *emitters):
        connection.close()
    destroy_all(client, names + boards)
    return creates, connects, calls, events


def call_all(rooms: list[Any], times: int) -> None:
    """Call each so many times, with a callback for each answer; until all have come."""
    counter = Counter(len(rooms) * times)
    for room in rooms:
        for _ in range(times):
            room.echo.future(PAYLOAD).rawlink(counter)
    counter.wait()


def emit_all(emitters: list[Any]) -> None:
    for emitter in emitters:
        for _ in range(EVENTS_EACH):
            emitter.emit("echo", 1)
