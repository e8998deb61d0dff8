"""What a worker tells of itself, and of one actor, when somebody looks.

On the wire each is an array of its fields. Most numbers only grow: of two looks whoever looks makes rates, as
wire/rates does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from stractory.errors import ProtocolError
from stractory.wire.failures import LINE_LIMIT
from stractory.wire.life import EPOCH_LIMIT, LATEST, NAME_LIMIT

BUSIEST = 64
"""Most actors of which a worker tells at once how often they were called."""

_BELOW = 2**63
"""All counts are."""


class Busy(NamedTuple):
    """An actor that was called since the last look, and how often it was in all, since it started."""

    name: str
    epoch: int
    calls: int

    @classmethod
    def from_wire(cls, fields: Any) -> Busy:
        """Raises ProtocolError."""
        match fields:
            case [str() as name, int() as epoch, int() as calls] if (
                0 < len(name) <= NAME_LIMIT and 0 <= epoch < EPOCH_LIMIT and _is_count(calls)
            ):
                return cls(name, epoch, calls)
        raise ProtocolError("malformed row of a busy actor")


class Load(NamedTuple):
    """How one worker does. All but ``links``, ``streams``, ``memory`` and ``lag`` grow from its start on.

    ``at``: when this was so, in seconds since it started, by a clock that only goes forward.
    ``calls``: of rpc actors, and events that came to emitters; ``errors``: those of them that failed.
    ``links``: those of clients; ``streams``: open on these. ``cpu``: seconds of its processor time.
    ``memory``: bytes that it has in memory. ``lag``: by how many seconds its loop was late, at worst, since
    the last look. ``received``: bytes that came over links. ``busiest``: the actors, at most BUSIEST, that
    were called most since the last look, the busiest first.
    """

    at: float
    calls: int
    errors: int
    links: int
    streams: int
    cpu: float
    memory: int
    lag: float
    received: int
    busiest: list[Busy]

    @classmethod
    def from_wire(cls, fields: Any) -> Load:
        """Raises ProtocolError."""
        match fields:
            case [at, calls, errors, links, streams, cpu, memory, lag, received, list() as busiest] if (
                all(map(_is_count, (calls, errors, links, streams, memory, received)))
                and all(map(_is_span, (at, cpu, lag)))
                and len(busiest) <= BUSIEST
            ):
                return cls(*fields)._replace(busiest=[Busy.from_wire(row) for row in busiest])
        raise ProtocolError("malformed load of a worker")


class ActorFacts(NamedTuple):
    """How one actor does. ``clients``: connections that it has now.

    ``calls`` and ``errors``: since it started, as of a worker; a stream or spawn actor has only connections.
    ``last_error``: one line, "" if there was none; ``last_error_at``: when, in seconds since 1970.
    """

    clients: int
    calls: int
    errors: int
    last_error: str
    last_error_at: float

    @classmethod
    def from_wire(cls, fields: Any) -> ActorFacts:
        """Raises ProtocolError."""
        match fields:
            case [clients, calls, errors, str() as last_error, last_error_at] if (
                all(map(_is_count, (clients, calls, errors)))
                and len(last_error) <= LINE_LIMIT
                and _is_span(last_error_at)
            ):
                return cls(*fields)
        raise ProtocolError("malformed facts of an actor")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _BELOW


def _is_span(value: Any) -> bool:
    return type(value) is float and 0 <= value < LATEST
