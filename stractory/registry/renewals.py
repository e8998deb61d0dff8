"""Actors that come back: made again elsewhere when their worker has gone, or their child process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import gevent
from gevent.event import Event

from stractory.errors import CallTimeout, NoCompatibleWorker, NoWorkers, StractoryError, WorkerFull
from stractory.net.counters import counters
from stractory.registry.back_off import delay
from stractory.registry.changes import Changes
from stractory.registry.directory import Directory
from stractory.registry.observer import Observer
from stractory.registry.orders import Orders
from stractory.registry.quarantine import Quarantine
from stractory.registry.records import PROBLEM_LIMIT, Actor, State
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

START_LIMIT = 30.0
"""Seconds that an init has, as with a creation."""

GATHERING = 0.3
"""Seconds in which more workers may come, where there was none: the first is not to get all that waits."""

TURN = 0.5
"""Seconds that a registry has, where there are several, before the next makes it again."""

ROOM_STEP = 2.0
"""Seconds between attempts while all workers are full: they tell by their heartbeats."""

PATIENCE = 5.0
"""Seconds for which a look-up waits for one that is coming back."""


class Renewals(Observer):
    """Begins the next life of each actor that waits for one; a green thread for each, which may take long.

    Observes ``directory``.
    """

    def __init__(
        self, directory: Directory, orders: Orders, quarantine: Quarantine, changes: Changes
    ) -> None:
        self._directory = directory
        self._orders = orders
        self._quarantine = quarantine
        self._changes = changes
        self._worker_came = Event()
        self.rank: Callable[[str], int] = lambda name: 0  # how many turns others have before
        directory.observers.append(self)

    def worker_came(self) -> None:
        """A worker has registered: there is one to start them."""
        self._worker_came.set()

    def wait_for(self, names: Iterable[str], patience: float = PATIENCE) -> None:
        """Wait a while, ``patience`` seconds, until none of them is just coming back."""
        deadline = time.monotonic() + patience
        for name in names:
            try:
                while (actor := self._directory.find(name)) is not None and actor.coming:
                    self._changes.wait(name, deadline, f"{name!r} is still coming back")
            except CallTimeout:
                return

    def follow(self, actor: Actor) -> None:
        """A life is over of its own accord: have the next one begin, if it is one that comes back."""
        if actor.returns:
            self._directory.set_aside(actor, time.monotonic())

    def set_aside(self, waiting: Actor) -> None:
        """Have it made again, as soon as can be and after its delay, unless it is destroyed meanwhile."""
        if waiting.making is None:  # until the store has said what it is made of
            return
        gevent.spawn(self._make_again, waiting, waiting.making.definition)

    def _make_again(self, waiting: Actor, definition: Definition) -> None:
        if seconds := delay(waiting):
            waiting.problem = waiting.problem or f"it has failed {waiting.failures} times in a row"
            waiting.problem += f"; the next one begins after {seconds:g} s"
            gevent.sleep(seconds)
        gevent.sleep(self.rank(waiting.name) * TURN)
        self._sit_out(waiting, definition)
        if actor := self._place(waiting):
            self._start(actor)  # where it fails it is set aside anew, as soon as it is certain not to run

    def _sit_out(self, waiting: Actor, definition: Definition) -> None:
        """Wait for the end of its quarantine."""
        while left := self._quarantine.left(definition, waiting.life.terms, time.time()):
            log.warning(
                "actor %r is not made again for %.0f s: it is in quarantine",
                waiting.name,
                left,
                extra=waiting.life.fields,
            )
            waiting.problem = "in quarantine: actors of its definition have ended workers by hanging"
            gevent.sleep(left)

    def _place(self, waiting: Actor) -> Actor | None:
        """Its next life, once there is a worker for it; None when the name has been taken or freed."""
        told = False
        while self._directory.find(waiting.name) is waiting:
            self._worker_came.clear()
            try:
                return self._directory.renew(waiting, time.time())
            except (NoWorkers, NoCompatibleWorker, WorkerFull) as error:
                if not told:
                    log.warning(
                        "actor %r waits to be made again: %s", waiting.name, error, extra=waiting.life.fields
                    )
                told = True
                waiting.problem = str(error)
                self._worker_came.wait(ROOM_STEP if isinstance(error, WorkerFull) else None)
                gevent.sleep(GATHERING)
        return None

    def _start(self, actor: Actor) -> None:
        assert actor.making is not None  # noqa: S101  # for the type checker
        deadline = time.monotonic() + START_LIMIT
        try:
            started = self._orders.start(actor, actor.making.definition, actor.making.options, deadline)
        except StractoryError as error:
            log.warning("actor %r could not be made again: %s", actor.name, error, extra=actor.fields)
            self._tell(actor, str(error).partition("\n")[0][:PROBLEM_LIMIT])
        else:
            if started:
                counters.restarts += 1
                log.info(
                    "actor %r was made again on %s", actor.name, actor.worker.address, extra=actor.fields
                )

    def _tell(self, actor: Actor, problem: str) -> None:
        """Why it did not start; it waits already, or will once it is certain that it does not run."""
        known = self._directory.find(actor.name)
        waits = known is not None and known.state is State.WAITING and known.follows(actor)
        if known is not None and (known is actor or waits):
            known.problem = problem
