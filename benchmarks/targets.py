"""The targets, as data: what each row is compared with, and what ratio is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from rows import OURS


@dataclass(frozen=True)
class Yardstick:
    """What ours is divided by: the figure ``by`` whom, in the row itself or in another one."""

    label: str
    by: str = OURS
    row: str | None = None


@dataclass(frozen=True)
class Target:
    """For ours in ``row``: ``least`` or ``most`` is of the ratio; without a yardstick of ours itself.

    ``whole``: it is a target for the full size only.
    """

    row: str
    beside: Yardstick | None
    least: float | None = None
    most: float | None = None
    whole: bool = False


def peer(name: str) -> Yardstick:
    return Yardstick(name, name)


def other(row: str, label: str) -> Yardstick:
    return Yardstick(label, OURS, row)


GEVENT_ECHO = Yardstick("gevent echo", "gevent echo", "echoes.link")
"""How fast this machine is just now: 64 bytes there and back over plain gevent sockets."""

ORIGINAL = Yardstick("original, scaled")
"""What the Node.js original did, as if it had run on this machine in this minute."""

ORIGINAL_ECHO = 12_000
"""GEVENT_ECHO, a second, where the following figures were measured."""

ORIGINAL_FIGURES = {
    "creates.threads": 1_200,
    "creates.in-turn": 1_200,
    "connects.at-once": 1_000,
    "connects.in-turn": 1_000,
    "calls.in-turn": 11_800,
    "calls.pipelined": 31_000,
    "callbacks.one-way": 31_000,
    "events.echoes": 79_000,
    "original.creates": 1_200,
    "original.connects": 1_000,
    "original.calls": 36_000,
    "original.events": 79_000,
}
"""A second, with Node 20. Connects were 560 to 1,440."""

TARGETS = (
    Target("creates.threads", ORIGINAL, least=10),
    Target("creates.threads", GEVENT_ECHO, least=1),
    Target("creates.among-2000", other("creates.among-0", "with none there"), least=0.8),
    Target("creates.among-5000", other("creates.among-0", "with none there"), least=0.8),
    Target("creates.threads", other("lasting.creates-in-memory", "kept in memory"), least=0.95),
    Target("lasting.fail-over", None, most=5, whole=True),
    Target("lasting.creates-in-etcd", None, least=3_000),
    Target("lasting.records-in-etcd", None),
    Target("lasting.look-ups-in-etcd", other("lasting.look-ups-embedded", "embedded"), least=0.95),
    Target("lasting.deaths-in-etcd", None, most=1),
    Target("connects.at-once", peer("RPyC"), least=2),
    Target("connects.at-once", ORIGINAL, least=20),
    Target("connects.at-once", GEVENT_ECHO, least=1.25),
    Target("calls.in-turn", peer("RPyC"), least=1.1),
    Target("calls.in-turn", ORIGINAL, least=1),
    Target("calls.in-turn", peer("gevent echo"), least=0.8),
    Target("calls.in-tls", other("calls.in-turn", "in plain text"), least=0.5),
    Target("calls.pipelined", ORIGINAL, least=10),
    Target("calls.pipelined", GEVENT_ECHO, least=25),
    Target("calls.threads", GEVENT_ECHO, least=35 / 12),
    Target("callbacks.passed", peer("RPyC"), least=4),
    Target("callbacks.answered", peer("RPyC"), least=4),
    Target("events.echoes", ORIGINAL, least=3),
    Target("events.echoes", GEVENT_ECHO, least=20),
    Target("events.fan-out", GEVENT_ECHO, least=17, whole=True),
    Target("bulk.link", peer("blocking sockets"), least=0.25),
    Target("bulk.in-tls", other("bulk.link", "in plain text")),
    Target("bulk.port", peer("blocking sockets"), least=0.5),
    Target("stalled.others-p50", other("stalled.calm-p50", "nothing stalled")),
    Target("stalled.others-p99", other("stalled.calm-p99", "nothing stalled"), most=2),
    Target("stalled.same-p50", other("stalled.calm-p50", "nothing stalled")),
    Target("stalled.same-p99", other("stalled.calm-p99", "nothing stalled")),
    Target("proofs.key", None, most=1_000),
    Target("proofs.ticket", None, most=1_000),
    Target("start.pool", None, most=1.5),
    Target("start.help", None, most=0.3),
    Target("scale.creates-last", other("scale.creates-first", "the first tenth"), least=0.8, whole=True),
    Target("scale.actor-memory", None, most=3, whole=True),
    Target("scale.stream-memory", None, most=4, whole=True),
    Target("scale.connects", GEVENT_ECHO),
    Target("scale.calls", other("scale.calls-few", "over 1,000"), least=0.8, whole=True),
    Target("scale.names-memory", None, most=1_000, whole=True),
    Target("scale.look-ups", GEVENT_ECHO, least=30 / 12, whole=True),
    Target("scale.workers-creates", other("scale.worker-creates", "over one worker")),
    Target("scale.pages", None, most=50, whole=True),
    Target("scale.pages-named", None, most=50, whole=True),
)


def needed_by(rows: set[str]) -> set[str]:
    """The rows that have to be measured for these to be compared."""
    found = {GEVENT_ECHO.row} if rows & set(ORIGINAL_FIGURES) else set()
    found |= {target.beside.row for target in TARGETS if target.row in rows and target.beside}
    return {row for row in found if row} - rows
