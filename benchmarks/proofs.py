"""What it costs to prove who is there: CPU time of both ends together, for each link."""

from __future__ import annotations

import socket as blocking
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from bench import Bench
from gevent import socket
from rows import OURS, Row, measures

from stractory.proof import keys
from stractory.proof.handshake import Admit, Credential, Identity, holders, prove_to_client, prove_to_server
from stractory.proof.tickets import Issuer, Tickets
from stractory.wire.info import ActorInfo, Location

KEY = Row("proofs.key", "proof of a key, CPU of both ends", "us")
TICKET = Row("proofs.ticket", "proof of a ticket, CPU of both ends", "us")
CHECK = Row("proofs.check", "check of the ticket for a stream, CPU", "us")

RING = keys.KeyRing([keys.Key.new_master(Path("cluster.key"))], Path("cluster.key"))


@measures(KEY, TICKET, by=OURS)
def proofs(bench: Bench) -> tuple[float, float]:
    key = RING.credential(keys.OPERATOR)
    count = bench.count(1_000)
    return proved(holders(RING, keys.ROLES), key, count), proved(Tickets(RING).admit, ticket(), count)


@measures(CHECK, by=OURS)
def check(bench: Bench) -> float:
    tickets, place, alice = Tickets(RING), ticket(), Identity(keys.CLIENT, "alice", b"")
    return used(lambda: tickets.check(place.ticket, "room", 7, alice), bench.count(20_000))


def ticket() -> Location:
    info = ActorInfo("room", "stream", "", 7, "running", 0.0, False, False)
    return Location(info, *Issuer(keys.CLIENT, "alice").issue(RING.credential(keys.NODE), "room", 7))


def proved(admit: Admit, credential: Credential, count: int) -> float:
    with blocking.create_server(("127.0.0.1", 0)) as listening:

        def prove() -> None:
            with socket.create_connection(listening.getsockname()) as client:
                accepted, _ = listening.accept()
                with socket.socket(fileno=accepted.detach()) as server:
                    serving = gevent.spawn(prove_to_client, server, "bench", admit)
                    prove_to_server(client, "bench", credential)
                    serving.get()

        return used(prove, count)


def used(function: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for each time."""
    before = time.process_time()
    for _ in range(count):
        function()
    return (time.process_time() - before) / count * 1e6
