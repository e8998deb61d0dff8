"""Workers that were given up without proof of their death: they may come back. Pure."""

from __future__ import annotations

from stractory.registry.records import THERE, Actor, Worker
from stractory.wire.life import Life

AWAY_LIMIT = 3600.0
"""Seconds for which it is remembered what such a worker had."""


class Away:
    """What each had is abandoned: its own again if nobody takes the name meanwhile; or condemned: to end."""

    def __init__(self) -> None:
        self._workers: dict[bytes, Worker] = {}

    def add(self, worker: Worker) -> None:
        """It is given up with all it has."""
        for actor in worker.actors.values():
            if actor.state in THERE:
                worker.abandoned[actor.name] = actor.life
            else:
                worker.condemned.add(actor.life)
        self._workers[worker.id] = worker

    def take(self, id: bytes) -> tuple[Worker | None, list[Life]]:
        """It has come back; what it had of which nobody has taken the name meanwhile."""
        worker = self._workers.pop(id, None)
        lives = [*worker.abandoned.values()] if worker else []
        if worker:
            worker.abandoned.clear()
        return worker, lives

    def condemn(self, name: str) -> None:
        """What had this name does not get it back any more."""
        for worker in self._workers.values():
            if life := worker.abandoned.pop(name, None):
                worker.condemned.add(life)

    def copies(self, name: str) -> list[Actor]:
        """Condemned lives of this name."""
        return [
            Actor(life, worker)
            for worker in self._workers.values()
            for life in worker.condemned
            if life.name == name
        ]

    def forget(self, now: float) -> list[Life]:
        """Those that have been away for too long; what they had to end is over, for all that is known."""
        late = [worker for worker in self._workers.values() if now - worker.last_beat > AWAY_LIMIT]
        for worker in late:
            del self._workers[worker.id]
        return [life for worker in late for life in worker.condemned]
