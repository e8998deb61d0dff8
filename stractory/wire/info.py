"""What the registry tells clients of actors and workers. On the wire each is an array of its fields."""

from __future__ import annotations

from typing import NamedTuple


class ActorInfo(NamedTuple):
    """One actor.

    ``worker`` is the address of its worker, ``state`` "running" or "lost" (in a list also "pending" or
    "ending"), ``since`` seconds since 1970. ``public``: its own port asks for no proof. ``wrapped``: it has
    a client wrapper of its own.
    """

    name: str
    kind: str
    worker: str
    epoch: int
    state: str
    since: float
    public: bool
    wrapped: bool


class WorkerInfo(NamedTuple):
    """One worker. ``python`` is the interpreter and dill it runs, ``actors`` how many it has.

    ``state``: "running", "lost", or "leaving" when it is about to end.
    """

    address: str
    pid: int
    python: str
    actors: int
    state: str
