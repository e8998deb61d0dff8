"""How the workers do, asked of them only while somebody wants to know.

However many want to know, each worker is asked once a second at most, all side by side, and not again before
it has answered: so one that hangs holds up nobody, and nothing gathers on the way to it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic

import gevent

from stractory.errors import StractoryError
from stractory.registry.directory import Directory
from stractory.registry.orders import Node
from stractory.registry.records import State, Worker
from stractory.wire.facts import ActorFacts, Load

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at one worker."""

PATIENCE = 2.0
"""Seconds that a worker has to answer."""


class Survey:
    """``nodes``: the links of the workers of ``directory``, by id."""

    def __init__(self, directory: Directory, nodes: Mapping[bytes, Node]) -> None:
        self._directory = directory
        self._nodes = nodes
        self._asking: set[bytes] = set()  # those that have not answered yet
        self._heard: dict[bytes, tuple[float, Load]] = {}  # when, and what
        self._round: gevent.Greenlet[..., None] | None = None
        self._began = 0.0  # the round

    def look(self) -> dict[str, Load]:
        """How each worker does, by its address; one that does not answer is left out.

        It waits for those that are asked now, PATIENCE at most, and only for those.
        """
        if self._round is None or (self._round.ready() and monotonic() - self._began >= INTERVAL):
            self._began = monotonic()
            self._round = gevent.spawn(self._ask_all)
        self._round.join()
        since = monotonic() - PATIENCE
        return {
            worker.address: self._heard[worker.id][1]
            for worker in self._reachable()
            if worker.id in self._heard and self._heard[worker.id][0] >= since
        }

    def facts(self, name: str) -> ActorFacts | None:
        """How the actor of this name does; None where there is none, or its worker does not answer."""
        actor = self._directory.find(name)
        if actor is None or (node := self._nodes.get(actor.worker.id)) is None:
            return None
        try:
            row = node.calls.call("facts", name, actor.epoch, call_timeout=PATIENCE)
            return ActorFacts.from_wire(row)
        except (StractoryError, OSError) as error:
            log.debug("no facts of %r: %s", name, error, extra=actor.fields)
            return None

    # ---- asking ----------------------------------------------------------------------------------------

    def _ask_all(self) -> None:
        reachable = {worker.id for worker in self._reachable()}
        self._heard = {id: told for id, told in self._heard.items() if id in reachable}
        asked = [gevent.spawn(self._ask, id, self._nodes[id]) for id in reachable - self._asking]
        self._asking |= reachable
        gevent.joinall(asked, timeout=PATIENCE)

    def _ask(self, id: bytes, node: Node) -> None:
        """Without a limit: until it answers or its link ends it is not asked again."""
        try:
            load = Load.from_wire(node.calls.call("look", call_timeout=None))
        except (StractoryError, OSError) as error:
            log.debug("%r tells nothing of its load: %s", node, error)
        else:
            self._heard[id] = monotonic(), load
        finally:
            self._asking.discard(id)

    def _reachable(self) -> list[Worker]:
        return [
            worker
            for worker in self._directory.workers()
            if worker.id in self._nodes and worker.state is not State.LOST
        ]
