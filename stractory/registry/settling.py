"""A registry that was just started knows less than it will: what it says of names and workers has to wait."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stractory.errors import CallTimeout, Recovering
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory
from stractory.registry.records import State

SETTLING = 1.5
"""Seconds after its start in which a registry does not say that there are no workers, nor, if it remembers
nothing, that there is no such name.

Workers of a registry before it try every half a second to reach it, and bring their actors.
"""


class Settling:
    """``remembers``: whether the directory has all names that a registry before this one gave away."""

    def __init__(self, directory: Directory, changes: Changes, *, remembers: bool, seconds: float) -> None:
        self._directory = directory
        self._changes = changes
        self._remembers = remembers
        self._over = time.monotonic() + seconds

    def wait_for_names(
        self, names: Sequence[str], deadline: float | None = None, *, awaited: bool = True
    ) -> None:
        """Until it is certain what has them, or that nothing has. Raises Recovering at the deadline.

        ``awaited``: wait also for those that are AWAITED.
        """
        for name in names:
            while (actor := self._directory.find(name)) is None and not self._remembers:
                if not self._wait(name, deadline):
                    break
            while awaited and actor is not None and actor.state is State.AWAITED:
                try:
                    self._changes.wait(name, deadline, "")
                except CallTimeout:
                    raise Recovering(
                        f"the worker that has {name!r} has not come back since the registry was started; try "
                        f"again: {name!r} is given up {self._directory.lease:g} s after that start"
                    ) from None
                actor = self._directory.find(name)

    @property
    def is_over(self) -> bool:
        """Whether it is known what there is, but for actors of workers that take long to come back."""
        return not (self._is_incomplete() and left(self._over))

    def wait_for_all(self) -> None:
        """Until it is over."""
        while not self.is_over:
            self._wait("", None)

    def _is_incomplete(self) -> bool:
        awaited = (worker.state is State.AWAITED for worker in self._directory.workers())
        return not self._remembers or any(awaited)

    def wait_for_workers(self, deadline: float) -> None:
        """Until there is one, or none is to be expected."""
        while not any(worker.takes_actors for worker in self._directory.workers()):
            if not self._wait("", deadline):
                break

    def _wait(self, name: str, deadline: float | None) -> bool:
        """For news of a name, or of workers. False at the deadline, and once all is settled."""
        over = self._over if deadline is None else min(self._over, deadline)
        if not left(over):
            return False
        try:
            self._changes.wait(name, over, "")
        except CallTimeout:
            return False
        return True
