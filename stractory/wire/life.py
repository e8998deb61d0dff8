"""One life of a name, as the registry and a worker tell each other of it."""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from stractory.errors import InvalidName, ProtocolError

NAME_LIMIT = 512
"""Most bytes of UTF-8 that the name of an actor may have."""

SNAPSHOT_LIMIT = 1024 * 1024
"""Most bytes that the state of an actor may have."""


CREATOR_LIMIT = 256
"""Most characters of what is told of who made an actor."""

LATEST = 253_402_300_800.0
"""The year 10000, in seconds since 1970: all times are before. Of later ones not every machine has a date."""

EPOCH_LIMIT = 2**62
"""All epochs are below. A worker that told of a higher one would leave none that msgpack can carry."""


def check_name(name: Any) -> str:
    """Raises InvalidName unless it is a str, not empty, of at most NAME_LIMIT bytes of UTF-8."""
    try:
        if isinstance(name, str) and 0 < len(name.encode()) <= NAME_LIMIT:
            return name
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    shown = repr(name)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
    raise InvalidName(f"names are str of at most {NAME_LIMIT} bytes of UTF-8, and not empty; not {shown}")


NEVER, ON_FAILURE, ALWAYS = RESTARTS = ("never", "on-failure", "always")
"""When an actor that has gone, and was not destroyed, is made again: not even when its worker dies; when that
dies or a child process fails; also when a child process ends well."""

NO_SNAPSHOTS, EACH_CALL = "none", "each call"
"""When the state of an actor is kept for its next life, if not every so many seconds."""


def is_snapshot(value: Any) -> bool:
    """Whether it says when state is to be kept."""
    if isinstance(value, (int, float)):
        return 0 < value < math.inf and not isinstance(value, bool)
    return value in (NO_SNAPSHOTS, EACH_CALL)


class Terms(NamedTuple):
    """What its creator asked for; it holds for every life of a name.

    ``public``: its own port asks for no proof. ``restart``: one of RESTARTS. ``snapshot``: NO_SNAPSHOTS,
    EACH_CALL, or a number of seconds. ``isolate``: it has a process of its own.
    """

    public: bool = False
    restart: str = NEVER
    snapshot: str | float = NO_SNAPSHOTS
    isolate: bool = False

    @property
    def comes_back(self) -> bool:
        """Whether it is made again elsewhere when its worker dies."""
        return self.restart != NEVER

    @classmethod
    def from_wire(cls, fields: Any) -> Terms:
        """Raises ProtocolError."""
        match fields:
            case [bool() as public, str() as restart, snapshot, bool() as isolate] if restart in RESTARTS:
                if snapshot == NO_SNAPSHOTS or (restart != NEVER and is_snapshot(snapshot)):
                    return _terms(public, restart, snapshot, isolate)
        raise ProtocolError("malformed terms of an actor")


PLAIN = Terms()
"""What is usual."""


@lru_cache(maxsize=1024)
def _terms(*fields: Any) -> Terms:
    """Of 100,000 actors that are alike there is one."""
    return Terms(*fields)


@lru_cache(maxsize=1024)
def creator(name: str, host: str) -> str:
    """How it is told that whoever proved ``name`` made an actor, from there: one str for all that they make.

    Who holds a master key chooses the name.
    """
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return f"{shown[: CREATOR_LIMIT // 2]} at {host}"[:CREATOR_LIMIT]


@lru_cache(maxsize=1024)
def _creator(text: str) -> str:
    """The same str for all who are alike."""
    if len(text) <= CREATOR_LIMIT and text.isprintable():
        return text
    raise ProtocolError("malformed creator of an actor")


class Life(NamedTuple):
    """``since`` is in seconds since 1970. ``wrapped``: it has a client wrapper of its own.

    ``creator``: who made its name, as creator() tells it; also of a life that came back.
    """

    name: str
    kind: str
    epoch: int
    since: float
    create_id: bytes
    wrapped: bool
    terms: Terms = PLAIN
    creator: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """For what is logged about it: ``extra=``."""
        return {"actor": self.name, "epoch": self.epoch}

    @classmethod
    def from_wire(cls, fields: Any) -> Life:
        """Raises ProtocolError."""
        match fields:
            case [str(), str(), int() as epoch, float() as since, bytes(), bool(), terms, str() as who] if (
                0 <= epoch < EPOCH_LIMIT and 0 <= since < LATEST
            ):
                return cls(*fields)._replace(terms=Terms.from_wire(terms), creator=_creator(who))
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
