"""What the registry does for its clients: the directory's decisions carried out over the links to workers.

Every public method of :class:`Registry` may be called by several green threads at once; the directory
changes only between waits, so each decision is atomic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stractory.errors import ActorExists, ActorNotFound, CallTimeout, WorkerFull
from stractory.registry.changes import Changes, left
from stractory.registry.directory import Directory
from stractory.registry.draining import Draining
from stractory.registry.ledger import Ledger
from stractory.registry.living import Living
from stractory.registry.members import Members
from stractory.registry.orders import Orders
from stractory.registry.peers import Peers
from stractory.registry.quarantine import Quarantine
from stractory.registry.records import THERE, UNSETTLED, Actor, Making, State, Worker
from stractory.registry.renewals import Renewals
from stractory.registry.settling import SETTLING, Settling
from stractory.registry.survey import Survey
from stractory.registry.watching import Watching
from stractory.store.interface import Store
from stractory.store.memory import MemoryStore
from stractory.wire.definitions import Definitions
from stractory.wire.info import ActorInfo, WorkerInfo
from stractory.wire.life import Terms, check_name


class Registry:
    """Places actors and remembers where they are. Never in the data path.

    ``members``: its workers, one of which ``drain(address, timeout)`` has leave. ``survey``: how they and
    their actors do. ``peers``: the other registries. ``watching``: who is told of all that happens to its
    actors.
    """

    def __init__(self, directory: Directory, store: Store | None = None, settling: float = SETTLING) -> None:
        """Brings back what a registry before this one has left in ``store``. Raises StoreError."""
        store = store or MemoryStore()
        self._ledger = ledger = Ledger(directory, store)
        dead = ledger.recover(time.monotonic())
        self._directory = directory
        self._changes = Changes()
        self._quarantine = Quarantine(ledger.quarantined, ledger.quarantine)
        self._orders = Orders(directory, ledger, self._changes)
        self._renewals = Renewals(directory, self._orders, self._quarantine, self._changes)
        self.members = Members(
            directory, ledger, self._orders, self._renewals, self._quarantine, self._changes, store.sharing
        )
        bury, silence = self.members.given_up, self.members.silence
        living = Living(directory, self._orders, self._changes, store.sharing, ledger.living, bury, silence)
        self.peers = Peers(
            directory, ledger, self._orders, self._quarantine, self._changes, store.sharing, living
        )
        self._orders.has_peers = self.peers.there
        self.members.lives, self._renewals.rank = living.lives, self.peers.rank
        ledger.place, ledger.rank = self.peers.place, self.peers.rank
        self.drain = Draining(directory, self._orders, self._renewals, self._changes).drain
        self.survey = Survey(directory, self._orders.nodes)
        self._definitions = Definitions()
        self._replaced: dict[str, Actor] = {}  # while they end, and until those who follow have the names
        self._settling = Settling(directory, self._changes, remembers=ledger.is_lasting, seconds=settling)
        self.watching = Watching(directory, self._settling.wait_for_all)
        self.members.bury_dead(dead)
        self.peers.listen()

    def close(self) -> None:
        """Hear of nothing any more; its store can be closed."""
        self.peers.close()
        self._ledger.close()

    @property
    def obstacle(self) -> str:
        """Why it is not ready, a sentence; "" when it is."""
        return "" if self._settling.is_over else "this registry still waits for the workers of the one before"

    @property
    def cannot_keep(self) -> bool:
        """Whether its store fails: nothing can be created."""
        return self._ledger.is_failing

    def define(self, packed: bytes) -> None:
        """Know a definition, from now on, by its digest."""
        self._definitions.add(packed)

    def create(
        self,
        name: str,
        digest: bytes,
        options: dict[str, Any],
        if_exists: str,
        create_id: bytes,
        terms: list[Any],
        timeout: float,
        *,
        creator: str = "",
    ) -> ActorInfo:
        """Start an actor on a worker; returns where it is. ``digest`` is of a definition sent before.

        ``if_exists``: "error" raises ActorExists at once, "get" returns the one there is, or raises that if
        it is of another kind, "replace" ends it first. Both wait for one that is being created or ended. A
        repeated ``create_id`` is the same creation. ``creator``: who asks for it, as Life has it.
        """
        check_name(name)
        if if_exists not in ("error", "get", "replace"):
            raise ValueError(f"if_exists is 'error', 'get' or 'replace', not {if_exists!r}")
        asked = Terms.from_wire(terms)
        deadline = time.monotonic() + timeout
        definition = self._definitions.find(digest)
        self._settling.wait_for_names([name], deadline)
        self._settling.wait_for_workers(deadline)
        before = self._directory.find(name)
        refusals: dict[Worker, str] = {}
        while True:
            found = self._make_room(name, if_exists, create_id, deadline)
            if found is not None and found.life.kind != definition.kind:
                raise ActorExists(
                    f"the name {name!r} is taken by an actor of another kind: "
                    f"{found.life.kind}, not {definition.kind}",
                    epoch=found.epoch,
                )
            if found is not None and found.state is not State.PENDING:
                return found.info
            self._quarantine.check(name, definition, asked, time.time())
            if not left(deadline):
                raise CallTimeout(f"no time was left to start {name!r}")
            actor = found or self._directory.reserve(
                name,
                kind=definition.kind,
                runtime=definition.init.runtime,
                create_id=create_id,
                wall=time.time(),
                wrapped=definition.wrapper is not None,
                terms=asked,
                creator=creator,
                making=Making(definition, options) if asked.comes_back else None,
                refusals=refusals,
            )
            placed = actor.worker  # which starts a process for it, if it is to be isolated
            actor.awaited = before is not None and before.awaited
            try:
                if self._orders.start(actor, definition, options, deadline):
                    actor.awaited = False
                    return actor.info
            except WorkerFull as error:
                refusals[placed] = str(error)

    def _make_room(self, name: str, if_exists: str, create_id: bytes, deadline: float) -> Actor | None:
        """The actor that create() is to return; None when the name is free, or taken and that is an error.

        A pending one is the same creation, which another registry has begun: that may be gone.
        """
        while (known := self._directory.find(name)) is not None:
            own = known.life.create_id == create_id
            if if_exists == "error" and not own:
                return None
            if own and self._orders.can_take_over(known):
                return known
            if known.state in UNSETTLED:
                try:
                    self._changes.wait(name, deadline, f"{name!r} was still {known.state.value}")
                except CallTimeout:
                    if own:  # a registry before this one gave the order, and nobody else gives it up
                        self._orders.end_for_good(known)
                    raise
            elif own or if_exists == "get":
                return known
            else:
                self._replace(known, deadline)
        return None

    def _replace(self, known: Actor, deadline: float) -> None:
        """End it for another of its name, which is reserved as soon as this returns."""
        known.awaited = True
        self._replaced[known.name] = known
        late = f"the {known.name!r} that was to be replaced did not end in time"
        try:
            self._orders.end(known, deadline, late)
        except BaseException:
            known.awaited = False
            raise
        finally:
            self._replaced.pop(known.name, None)

    def destroy(self, name: str, timeout: float) -> None:
        """End an actor, also one that is being started; returns when its destroy() has run.

        Where its worker is out of reach it returns too: the actor is ended when that comes back. Of one with
        ``restart`` it returns when that is back or its lease over, since it may serve until then.
        Raises ActorNotFound, CallTimeout when destroy() takes longer (it goes on), and StoreError when a
        registry that is started anew might not know that it is over.
        """
        deadline = time.monotonic() + timeout
        self._settling.wait_for_names([name], deadline)
        actor = self._directory.find(name)
        if actor is None:
            raise ActorNotFound(f"no actor is named {name!r}")
        late = f"the destroy() of {name!r} did not return in {timeout:g} s; it goes on"
        self._orders.end(actor, deadline, late)
        self._ledger.settle(actor.life)

    def find(self, name: str) -> ActorInfo | None:
        """Who has the name, in whatever state."""
        actor = self._directory.find(name)
        return None if actor is None else actor.info

    def lookup(self, names: list[str], waits: bool = True) -> list[Actor | None]:
        """The actor of each name, None where there is none.

        One that is just coming back is waited for, a while, if ``waits``; it may still be coming after that.
        """
        self._settling.wait_for_names(names, awaited=waits)
        if waits:
            self._renewals.wait_for(names)
        found = [self._directory.find(name) or self._replaced.get(name) for name in names]
        return [actor if actor and (actor.coming or actor.state in THERE) else None for actor in found]

    def wait(self, name: str, timeout: float | None, cancelled: Callable[[], bool]) -> ActorInfo:
        """Where ``name`` is, as soon as it runs. Raises CallTimeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not cancelled():
            try:
                return self._directory.lookup(name).info
            except ActorNotFound:
                self._changes.wait(name, deadline, f"{name!r} was not there in time")
        raise ActorNotFound(f"nobody waits for {name!r} any more")

    def list_actors(self, pattern: str) -> list[ActorInfo]:
        """Each actor whose name matches the shell-style ``pattern``."""
        return [actor.info for actor in self._directory.actors(pattern)]

    def list_workers(self) -> list[WorkerInfo]:
        """Each worker, lost ones too."""
        return [
            WorkerInfo(
                worker.address,
                worker.pid,
                worker.runtime,
                worker.load,
                worker.state.value,
                bool(worker.parent),
            )
            for worker in self._directory.workers()
            if worker.state is not State.AWAITED
        ]

    def wake_waiters(self) -> None:
        """Let every wait() look again, at whether it is cancelled too."""
        self._changes.notify_all()
