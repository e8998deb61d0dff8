"""What survives a registry: the names of its directory, kept in a store and brought back from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from stractory.errors import StoreError, UnknownDefinition, WorkerFull
from stractory.net.process import is_gone
from stractory.registry.directory import Directory
from stractory.registry.epochs import Drafts
from stractory.registry.observer import Observer
from stractory.registry.records import Actor, Making, State, Worker
from stractory.registry.turns import Turns
from stractory.store.interface import Record, Snapshot, Store
from stractory.wire.changes import WORKER_LOST
from stractory.wire.definitions import Definitions
from stractory.wire.life import NO_SNAPSHOTS, Life


class NameTaken(Exception):
    """Another registry has the name."""


class Ledger(Observer):
    """Observes ``directory``. In a store that ends with the registry it keeps only what comes back elsewhere.

    Every name is in the store before a worker hears of it, and leaves it after its end. So a registry that is
    started anew may know names that are free, but none that is taken is unknown to it. Where several hear of
    an end, whoever has ordered it takes the name out at once, else the first in its order; the others only
    see to it that this is done. ``place(name)``: how many are before this one in that order, ``rank(name)``:
    with whoever has ordered it.

    ``quarantined``: what recover() found of that, seconds since 1970 by the mark of a definition. Likewise
    ``registries``, the addresses of those that share the store by their ids, and ``living``, their workers.
    """

    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store
        self.quarantined: dict[bytes, float] = {}
        self.registries: Mapping[bytes, str] = {}
        self.living: frozenset[bytes] = frozenset()
        self._definitions = Definitions()  # of lives that other registries have begun
        self._hearing = False
        self._turns = Turns()
        self.place: Callable[[str], int] = lambda name: 0
        self.rank = self.place
        directory.observers.append(self)

    @property
    def is_lasting(self) -> bool:
        """Whether a registry that is started anew knows what this one knew."""
        return self._store.lasting

    @property
    def is_failing(self) -> bool:
        """Whether it cannot keep anything just now."""
        return self._store.failing

    def recover(self, now: float) -> list[Worker]:
        """Bring back what a registry before this one has left; returns the workers that are dead for certain.

        To be called once, before anything else happens. Raises StoreError.
        """
        contents = self._store.load()
        if self._store.numbers:
            self._directory.epochs = Drafts()
        self._directory.epochs.given(contents.last_epoch)
        self._directory.shared = self._store.sharing is not None
        self._directory.heard = contents.known_until
        self.quarantined = contents.quarantine
        self.registries, self.living = contents.registries, contents.workers
        used = {record.definition for record in contents.records if record.definition is not None}
        definitions = {digest: self._store.find_definition(digest) for digest in used}
        workers: dict[bytes, Worker] = {}
        for record in contents.records:
            definition = definitions.get(record.definition or b"")
            workers[record.worker] = self._directory.recall(
                record.life,
                record.worker,
                record.process,
                making=Making(definition, dict(record.options)) if definition else None,
                ending=record.ending,
                given_up=record.given_up,
                by=record.by if record.by in contents.registries else b"",
                now=now,
            )
        return [worker for worker in workers.values() if is_gone(worker.process)]

    def write(self, actor: Actor) -> bytes | None:
        """Keep an actor that is about to be started; returns, when that is durable, its last life's state.

        From then on no other life can change that. Raises StoreError, NameTaken, and WorkerFull where the
        others take its worker for dead; then it must not be started.
        """
        if self._keeps(actor.life):
            self._turns.hurry(actor.name)  # its last life has it no more
            definition = actor.making.definition if actor.making else None
            replaces = actor.replaces
            epoch = self._store.create(_record(actor), definition, replaces, actor.lost_with).get()
            if epoch is None and self._directory.shared and actor.replaces == replaces:
                raise NameTaken
            if epoch == 0:
                raise WorkerFull(f"worker {actor.worker.address} is not known to be alive just now")
            if epoch is None:
                raise StoreError(f"the registry's store has another {actor.name!r} than the registry")
            self._keep(actor, epoch)
        if actor.life.terms.snapshot == NO_SNAPSHOTS or actor.replaces is None:
            return None
        last = self._store.find_snapshot(actor.name)
        return None if last is None else last.state

    def _keep(self, actor: Actor, epoch: int) -> None:
        draft = actor.epoch
        self._directory.keep(actor, epoch)
        if draft == epoch:
            return
        # What the store was told of it since, it was told of the draft.
        known = self._directory.find(actor.name)
        if known is actor:
            if actor.is_ending and actor.making is None:
                self._store.update(_record(actor, ending=True))
        elif known is not None and known.follows(actor):
            self._directory.heard_own(actor.life)
        else:
            self._store.delete(actor.name, epoch)

    def keep_state(self, actor: Actor, sequence: int, state: bytes) -> bool:
        """Keep what the next life goes on from, durable when this returns; False when it has begun.

        Raises StoreError.
        """
        return bool(self._store.save_snapshot(Snapshot(actor.name, actor.epoch, sequence, state)).get())

    def settle(self, life: Life) -> None:
        """Return when it is durable that a life is over that would come back. Raises StoreError."""
        if life.terms.comes_back:
            self._turns.hurry(life.name)
            self.flush()

    def flush(self) -> None:
        """Return when all that was told until now is durable. Raises StoreError."""
        self._store.settle().get()

    def close(self) -> None:
        """Hand in what was left to others."""
        self._turns.close()

    def quarantine(self, mark: bytes, until: float) -> None:
        """Keep for the next registry what is in quarantine until then; 0 lifts that."""
        self._store.quarantine(mark, until)

    # ---- what other registries have written ------------------------------------------------------------

    @contextmanager
    def _heard(self) -> Iterator[Directory]:
        """What happens to the directory meanwhile is in the store already."""
        self._hearing = True
        try:
            yield self._directory
        finally:
            self._hearing = False

    def heard_begun(self, record: Record, now: float) -> None:
        """A registry has begun this life. Raises StoreError."""
        sharing = self._store.sharing
        if sharing is not None and record.by == sharing.id:
            self._directory.heard_own(record.life)
            return
        making = self._making(record)
        with self._heard() as directory:
            directory.learn(record.life, record.worker, record.process, making=making, by=record.by, now=now)

    def heard_let_go(self, actor: Actor) -> None:
        """A registry has an actor end for good."""
        with self._heard() as directory:
            directory.let_go(actor)

    def heard_given_up(self, name: str, epoch: int) -> Actor | None:
        """A registry has freed the name of a life whose worker is out of reach; that, if it had it here."""
        self._turns.done(name, epoch)
        actor = self._directory.find(name)
        if actor is not None and actor.epoch == epoch:
            with self._heard() as directory:
                directory.give_up(actor)
        else:
            if actor is None:  # its worker was given up here
                self._directory.away.condemn(name)
            actor = None
        self._directory.all_told(name, epoch)
        return actor

    def heard_freed(self, name: str, epoch: int) -> None:
        """A registry has freed a name that had a life before this epoch."""
        self._turns.done(name, epoch)
        with self._heard() as directory:
            directory.forget(name, epoch)

    def _making(self, record: Record) -> Making | None:
        if record.definition is None:
            return None
        try:
            definition = self._definitions.find(record.definition)
        except UnknownDefinition:
            found = self._store.find_definition(record.definition)
            if found is None:  # the life is over by now
                return None
            self._definitions.add(found.packed)
            definition = found
        return Making(definition, dict(record.options))

    # ---- as Observer -----------------------------------------------------------------------------------

    def adopted(self, actor: Actor) -> None:
        if not self._hearing and self._keeps(actor.life):
            self._store.adopt(_record(actor))

    def let_go(self, actor: Actor) -> None:
        if not self._hearing:
            self.tell_end(actor)

    def tell_end(self, actor: Actor) -> None:
        """Keep that it is to end for good: the next registry sees to it, or another."""
        if not actor.kept and actor.replaces is not None:  # its last life may be what is kept
            last = actor.life._replace(epoch=actor.replaces)
            self._store.update(_record(actor, ending=True)._replace(life=last))
        self._store.update(_record(actor, ending=True))

    def freed(self, actor: Actor, reason: str) -> None:
        if self._hearing or not self._keeps(actor.life):
            return
        if not actor.kept and actor.replaces is not None:
            self._store.delete(actor.name, actor.replaces)
        turns = 0
        if actor.kept and not actor.ended_here:  # else nobody else may know
            ordered = actor.state in (State.ENDING, State.WAITING)
            turns = self.rank(actor.name) if ordered else self.place(actor.name)
        dead = actor.lost_with if reason == WORKER_LOST else b""
        self._turns.leave(actor.life, turns, partial(self._take_out, actor, dead))

    def _take_out(self, actor: Actor, dead: bytes) -> None:
        if actor.life in actor.worker.condemned:  # it may run there: the next registry has to end it, too
            self._store.update(_given_up(actor))
        else:
            self._store.delete(actor.name, actor.epoch, dead)
            for copy in self._directory.away.copies(actor.name):
                self._store.adopt(_given_up(copy))

    def gone(self, life: Life) -> None:
        known = self._directory.find(life.name)
        waits = known is not None and life.epoch in (known.epoch, known.replaces)  # and needs its record
        if self._keeps(life) and not waits:
            self._store.delete(life.name, life.epoch)

    # ---- small parts -----------------------------------------------------------------------------------

    def _keeps(self, life: Life) -> bool:
        return self._store.lasting or life.terms.comes_back


def _record(actor: Actor, ending: bool = False) -> Record:
    worker, making = actor.worker, actor.making
    record = Record(actor.life, worker.id, worker.process, ending)
    if making is None:
        return record
    return record._replace(definition=making.definition.digest, options=making.options)


def _given_up(actor: Actor) -> Record:
    return _record(actor, ending=True)._replace(given_up=True)
