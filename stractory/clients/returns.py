"""The search for the next lives of actors, for all that waits for one: few look-ups, whatever their number.

What was lost together is looked up together, by one call with a list of names. Between attempts nothing here
holds the client, so that it goes when nobody else does.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from weakref import ref

import gevent
from gevent.event import Event
from gevent.pool import Pool

from stractory.clients.deadline import Deadline
from stractory.clients.lasting import Lasting
from stractory.errors import (
    ActorNotFound,
    AuthError,
    CallTimeout,
    StractoryError,
    VersionMismatch,
)
from stractory.net.stream import Stream
from stractory.wire.info import Location

log = logging.getLogger(__name__)

DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)
"""Seconds until an actor is looked for, by how often that was in vain; the last for all beyond.

Each client makes them longer or shorter by up to a third, so that those of one actor do not come together.
"""

STEADY = 1.0
"""Seconds after which a connection was a good one: those before it do not count."""

TOGETHER = 0.05
"""Seconds that a look-up may come early, to join another."""

NAMES_LIMIT = 500
"""Names in one look-up."""

AT_ONCE = 100
"""Streams that are opened at a time."""

TIME_LIMIT = 10.0
"""Seconds for one look-up, and for the opening of a stream."""


class Returns:
    """Gives what was added a stream to the next life, or tells it that there is none.

    ``lookup`` says where names are; ``open`` opens a stream there, which raises ActorNotFound where that is
    no life of the same actor.
    """

    def __init__(
        self,
        lookup: Callable[[Sequence[str], Deadline], list[Location | None]],
        open: Callable[[Lasting, Location], Stream],
    ) -> None:
        self._lookup = lookup
        self._open = open
        self._due: dict[Lasting, float] = {}  # when it is looked for; infinite while it is
        self._pace = random.uniform(2 / 3, 4 / 3)  # noqa: S311  # no secret
        self._shut = False
        self._wake = Event()
        self._opening = Pool(AT_ONCE)
        self._searcher: gevent.Greenlet[..., None] | None = None

    def add(self, lasting: Lasting) -> None:
        """Look for it, from now on."""
        if self._shut:
            lasting.give_up()
            return
        if time.monotonic() - lasting.attached > STEADY:
            lasting.tries = 0
        self._look_later(lasting)
        if not self._searcher:
            # In a context of its own: how long somebody waits for something else is no limit here.
            self._searcher = Context().run(gevent.spawn, _search, ref(self), self._wake)

    def _look_later(self, lasting: Lasting) -> None:
        delay = DELAYS[min(lasting.tries, len(DELAYS) - 1)] * self._pace
        lasting.tries += 1
        self._due[lasting] = time.monotonic() + delay
        self._wake.set()

    def look(self) -> float | None:
        """Look for those whose time has come; in how many seconds there are others. None if never."""
        now = time.monotonic()
        if self._due and min(self._due.values()) <= now:
            due = [lasting for lasting, at in self._due.items() if at <= now + TOGETHER]
            self._look_for(due[:NAMES_LIMIT])
        if not self._due:
            self._searcher = None
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _look_for(self, due: Sequence[Lasting]) -> None:
        for lasting in due:
            self._due[lasting] = math.inf
        deadline = Deadline(TIME_LIMIT)
        try:
            with deadline.limit("the look-up was not done", CallTimeout):
                locations = self._lookup([lasting.name for lasting in due], deadline)
        except (StractoryError, OSError) as error:
            log.debug("%d actors were not looked up: %s", len(due), error)
            locations = [None] * len(due)
            found = False
        else:
            found = True
        for lasting, location in zip(due, locations, strict=True):
            if not lasting.returning or (found and location is None):
                self._end(lasting)
            elif location is None or location.info.coming:
                self._look_later(lasting)
            else:
                self._opening.spawn(self._return, lasting, location)

    def _return(self, lasting: Lasting, location: Location) -> None:
        try:
            with Deadline(TIME_LIMIT).limit(f"actor {lasting.name!r} was not reached", CallTimeout):
                stream = self._open(lasting, location)
        except ActorNotFound:
            self._end(lasting)
        except (AuthError, VersionMismatch) as error:  # no waiting helps
            log.warning("there is no way back to actor %r: %s", lasting.name, error)
            self._end(lasting)
        except (StractoryError, OSError) as error:
            log.debug("actor %r is not there again: %s", lasting.name, error)
            self._look_later(lasting)
        else:
            self._due.pop(lasting, None)
            lasting.attach(location.info, stream)

    def _end(self, lasting: Lasting) -> None:
        self._due.pop(lasting, None)
        lasting.give_up()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """What is lost in here is not looked for, nor any more what was before."""
        self._shut = True
        try:
            if self._searcher is not None:
                self._searcher.kill(block=False)
                self._searcher = None
            self._opening.kill(block=False)
            for lasting in list(self._due):
                self._end(lasting)
            yield
        finally:
            self._shut = False


def _search(reference: ref[Returns], wake: Event) -> None:
    while (returns := reference()) is not None:
        wake.clear()
        delay = returns.look()
        del returns
        if delay is None:
            return
        wake.wait(None if delay == math.inf else delay)
