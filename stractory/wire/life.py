"""One life of a name, as the registry and a worker tell each other of it."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from stractory.errors import ProtocolError

NAME_LIMIT = 512
"""Most bytes of UTF-8 that the name of an actor may have."""


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


class Phase(str, Enum):
    """How far a life has got on its worker."""

    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"


_PHASES = frozenset(phase.value for phase in Phase)


class Report(NamedTuple):
    """What a worker tells a registry of a life it has. Of one that is over there is none."""

    life: Life
    phase: Phase

    @classmethod
    def from_wire(cls, fields: Any) -> Report:
        """Raises ProtocolError."""
        match fields:
            case [life, str() as phase] if phase in _PHASES:
                return cls(Life.from_wire(life), Phase(phase))
        raise ProtocolError("malformed report of an actor")
