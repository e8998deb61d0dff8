"""Locations as a registry gives them, made with the key of a worker."""

from __future__ import annotations

from stractory.proof import keys
from stractory.proof.keys import KeyRing
from stractory.proof.tickets import Issuer
from stractory.wire.info import ActorInfo, Location


def located(
    ring: KeyRing, name: str, epoch: int, *, role: str = keys.CLIENT, who: str = "alice", worker: str = ""
) -> Location:
    """Where this life of an actor is, for a client of that role and name, on a worker with these keys."""
    info = ActorInfo(name, "stream", worker, epoch, "running", 0.0, False, False)
    issuer = Issuer(role, who)
    return Location(info, *issuer.issue(ring.credential(keys.NODE), name, epoch))
