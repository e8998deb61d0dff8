"""Eventemitter actors: init returns a handler, which is given the emitter of each new connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from stractory.actors.emitter import HOLD, Emitter
from stractory.actors.hooks import call_hook
from stractory.actors.kinds import Owner
from stractory.net.carrier import Carrier, over_socket
from stractory.net.serving import Share, log_some_failures, plainly
from stractory.net.sockets import OwnStream
from stractory.net.threads import threads
from stractory.wire.occasions import Format, JsonLines, Msgpack
from stractory.wire.session import ENDED


class EventemitterServer:
    """``handler(emitter)`` runs once a connection, whose events are handled when it returns or waits."""

    def __init__(self, made: Any, owner: Owner) -> None:
        if not callable(made):
            raise TypeError(
                f"init of an eventemitter actor returns a handler(emitter), not {type(made).__name__}"
            )
        self._handler = made
        self._owner = owner
        self._through = None if owner.snapshots is None else owner.snapshots.run

    def connect(self, stream: Any, address: Any) -> None:
        carrier, format = _carried(stream, f"actor {self._owner.name!r}")
        threads().start_soon(self._owner.run, partial(self._begin, carrier, format))

    def _begin(self, carrier: Carrier, format: Format) -> None:
        try:
            owner, through, failed = self._owner, self._through, log_some_failures
            emitter = Emitter(
                carrier, format, owner.run, through=through, failed=failed, tally=owner.counting()
            )
            (self._through or plainly)(self._handler, emitter)
        except BaseException:
            carrier.abort(ENDED if self._owner.ended else 0)
            raise

    def destroy(self) -> None:
        call_hook(self._handler, "destroy")


def _carried(stream: Any, label: str) -> tuple[Carrier, Format]:
    """A link's stream carries msgpack, a socket of its own lines of JSON."""
    if isinstance(stream, OwnStream):
        return over_socket(stream, label), JsonLines()
    return stream, Msgpack()


class EventemitterKind:
    def serve(self, made: Any, owner: Owner) -> EventemitterServer:
        return EventemitterServer(made, owner)

    def wrap(self, stream: Any, failed: Callable[[str, BaseException], None], share: Share) -> Emitter:
        return Emitter(*_carried(stream, "an actor's own port"), hold=HOLD, failed=failed)


KIND = EventemitterKind()
