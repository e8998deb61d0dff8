"""One life of a name, as the registry and a worker tell each other of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from stractory.errors import ProtocolError


class Life(NamedTuple):
    """``since`` is in seconds since 1970. ``wrapped``: it has a client wrapper of its own."""

    name: str
    kind: str
    epoch: int
    since: float
    create_id: bytes
    public: bool
    wrapped: bool

    @classmethod
    def from_wire(cls, fields: Any) -> Life:
        """Raises ProtocolError."""
        match fields:
            case [str(), str(), int(), float(), bytes(), bool(), bool()]:
                return cls(*fields)
        raise ProtocolError("malformed life of an actor")
