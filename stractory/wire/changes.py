"""How actors come and go, as the registry tells of it to those who watch.

A registry tells it in messages of a phase and rows, ``[phase, [[actor, reason], ...]]``: a row says that an
actor runs, or, with a reason, that its name is free. After BEGIN it tells, by STATE, of all there are; from
CURRENT on the state is whole, and each row is news. There may be another BEGIN at any time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from stractory.wire.info import ActorInfo

BEGIN, STATE, CURRENT = "begin", "state", "current"

DESTROYED, CRASHED, EXITED, DRAINED, WORKER_LOST, UNKNOWN = (
    "destroyed",
    "crashed",
    "exited",
    "drained",
    "worker lost",
    "unknown",
)
"""Why an actor is gone: destroyed or replaced; its child process failed; that ended well; its worker ended in
order; its worker died or was given up; nobody saw it."""

Row = tuple[ActorInfo, str | None]
"""An actor that runs, or with a reason one that is gone."""


class Change(NamedTuple):
    """What happened to an actor.

    ``kind``: "present" (it was there when the watch began), "born" (it runs), "moved" (one with ``restart``
    runs again, its next life) or "died" (its name is free). ``actor`` is the life that runs, and of one that
    died the last that was told of. ``reason``, of one that died: "destroyed" (or replaced), "crashed" (its
    child process failed), "exited" (that ended well), "drained" (its worker ended in order), "worker lost",
    or "unknown": it died while the registry was away, or could not be followed.
    """

    kind: Literal["present", "born", "moved", "died"]
    actor: ActorInfo
    reason: str | None = None

    @property
    def name(self) -> str:
        """The actor's."""
        return self.actor.name
