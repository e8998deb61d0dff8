"""What the registry tells clients of actors and workers. On the wire each is an array of its fields."""

from __future__ import annotations

from typing import Any, NamedTuple

from stractory.errors import ProtocolError

_ACTOR = (str, str, str, int, str, float, bool, bool, str, str, bool, str)
_WORKER = (str, int, str, int, str, bool)


def _checked(fields: Any, types: tuple[type, ...], what: str) -> Any:
    if isinstance(fields, (list, tuple)) and tuple(map(type, fields)) == types:
        return fields
    raise ProtocolError(f"malformed row of {what}")


class ActorInfo(NamedTuple):
    """One actor.

    ``worker`` is the address of its worker, "" while it waits to be made again; ``state`` "running" or "lost"
    (in a list also "pending", "ending", "waiting", or "awaited" by a registry that was just started);
    ``since`` is in seconds since 1970. ``public``: its own port asks for no proof. ``wrapped``: it has a
    client wrapper of its own. ``restart``: as in create(). ``problem``: why its state cannot be kept, or why
    it is not made again yet; else "". ``isolated``: its worker is a process of its own. ``creator``: who made
    it, "NAME at HOST": the name is that of the key.
    """

    name: str
    kind: str
    worker: str
    epoch: int
    state: str
    since: float
    public: bool
    wrapped: bool
    restart: str = "never"
    problem: str = ""
    isolated: bool = False
    creator: str = ""

    @classmethod
    def from_wire(cls, fields: Any) -> ActorInfo:
        """Raises ProtocolError."""
        return cls(*_checked(fields, _ACTOR, "an actor"))

    @property
    def coming(self) -> bool:
        """In the answer to a look-up: it is about to be there again, and nowhere now."""
        return self.state in ("waiting", "pending", "ending", "awaited")


class Location(NamedTuple):
    """What a look-up tells a client of an actor, and the credential that lets it in there.

    ``ticket`` and ``secret`` are empty for one that is nowhere now.
    """

    info: ActorInfo
    ticket: bytes = b""
    secret: bytes = b""

    @classmethod
    def from_wire(cls, row: Any) -> Location:
        """Raises ProtocolError."""
        match row:
            case [info, bytes() as ticket, bytes() as secret]:
                return cls(ActorInfo.from_wire(info), ticket, secret)
        raise ProtocolError("malformed location of an actor")

    @property
    def claim(self) -> dict[str, Any]:
        """What its holder says in a handshake."""
        return {"t": self.ticket}

    def __repr__(self) -> str:
        return f"<Location {self.info}>"

    def __str__(self) -> str:
        return f"the registry's ticket to {self.info.name!r}"


class WorkerInfo(NamedTuple):
    """One worker. ``python`` is the interpreter and dill it runs, ``actors`` how many it has.

    ``state``: "running", "lost", or "leaving" when it is about to end. ``isolated``: it is the process of one
    actor made with isolate=True, and gets no others.
    """

    address: str
    pid: int
    python: str
    actors: int
    state: str
    isolated: bool = False

    @classmethod
    def from_wire(cls, fields: Any) -> WorkerInfo:
        """Raises ProtocolError."""
        return cls(*_checked(fields, _WORKER, "a worker"))
