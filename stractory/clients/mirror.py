"""What a watcher knows of the actors, and how it comes to know of changes. Pure.

The registry tells rows (wire/changes). Whatever it repeats, and however often it begins anew, the user is
told only of what differs from what was told before.
"""

from __future__ import annotations

from typing import Any, Literal

from stractory.wire.changes import BEGIN, CURRENT, UNKNOWN, Change
from stractory.wire.info import ActorInfo
from stractory.wire.life import NEVER

THERE = ("running", "lost")
"""States of actors that can be used. One in another that was told of is still to end, or to move."""


class Mirror:
    """The actors that were told of."""

    def __init__(self) -> None:
        self._told: dict[str, ActorInfo] = {}
        self._gathered: dict[str, ActorInfo] = {}  # of a state that is not whole yet
        self._reasons: dict[str, str] = {}  # why others have gone meanwhile
        self._whole = False
        self._first = True  # no state was told yet

    def take(self, phase: str, rows: list[Any]) -> list[Change]:
        """What is new by a message of the registry's."""
        if phase == BEGIN:
            self._whole = False
            self._gathered, self._reasons = {}, {}
        changes: list[Change] = []
        for fields, reason in rows:
            actor = ActorInfo.from_wire(fields)
            if not self._whole:
                self._gather(actor, reason)
            elif reason is None:
                changes += self._runs(actor, "born")
            else:
                changes += self._gone(actor.name, reason)
        if phase == CURRENT and not self._whole:
            changes = self._compare()
        return changes

    def _gather(self, actor: ActorInfo, reason: str | None) -> None:
        if reason is None:
            self._gathered[actor.name] = actor
        else:
            self._gathered.pop(actor.name, None)
            self._reasons[actor.name] = reason

    def _compare(self) -> list[Change]:
        changes: list[Change] = []
        for name in [name for name in self._told if name not in self._gathered]:
            changes += self._gone(name, self._reasons.get(name, UNKNOWN))
        for actor in self._gathered.values():
            changes += self._runs(actor, "present" if self._first else "born")
        self._gathered, self._reasons = {}, {}
        self._whole, self._first = True, False
        return changes

    def _runs(self, actor: ActorInfo, how: Literal["present", "born"]) -> list[Change]:
        before = self._told.get(actor.name)
        if actor.state not in THERE or (before is not None and before.epoch == actor.epoch):
            return []
        self._told[actor.name] = actor
        if before is None:
            return [Change(how, actor)]
        reason = self._reasons.get(actor.name)
        if reason is None and NEVER not in (before.restart, actor.restart):
            return [Change("moved", actor)]
        return [Change("died", before, reason or UNKNOWN), Change("born", actor)]

    def _gone(self, name: str, reason: str) -> list[Change]:
        before = self._told.pop(name, None)
        return [] if before is None else [Change("died", before, reason)]
