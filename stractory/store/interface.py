"""What must survive the registry: an interface, and what is kept.

How the registry uses it::

    store = DurableStore(directory, secrets)     # or MemoryStore(), which leaves nothing behind
    contents = store.load()                      # before it listens: what there was
    ...
    epoch = store.create(record, definition).get()
    if epoch is None:
        ...                                      # somebody else has the name
                                                 # only now is the worker told, of this epoch
    store.adopt(record)                          # a worker has it: nobody has to wait for this
    store.update(record._replace(ending=True))  # nor for this
    store.delete(name, epoch)                    # nor for this
    store.close()                                # when all that was handed in is written

A change is handed in at once, in the order of the calls, and written with others in one transaction. What is
returned is set when that is durable: True, or False where the record was not as the change expects, and of
create() the epoch or None. It raises StoreError when the change could not be written, as with a full disk.
Then two cases differ:

* What somebody **asks for** has not happened: ``create`` and ``save_snapshot``. Whoever asked is told.
* What **has happened** cannot be refused: ``adopt``, ``update``, ``delete`` and ``quarantine``. The store
  keeps these, in order, and tries again until they are written. Whoever waits learns only that it is not so
  yet.

So a name that was deleted while the disk was full does not stand in the way of the next creation of it. A
registry that is killed finds older facts at most: a record may be of an actor that was never ordered, was
refused, or is over. The workers know, and report.

All conditions compare the epoch of the one record of a name, so that an engine that several registries share
fits as well. Such a one **numbers** lives itself, for it alone knows what was before: the epoch of a record
that is to be created is but a draft, above all epochs that the store has given and below all that it will
give, and the same life has another when it is kept. What is told of a life by its draft, while its creation
is under way, is understood; it finds its record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from gevent.event import AsyncResult

from stractory.net.process import Process
from stractory.wire.life import SNAPSHOT_LIMIT, Life
from stractory.wire.shipping import Definition

NO_OPTIONS: Mapping[str, Any] = {}


class Record(NamedTuple):
    """All that is kept of one life of a name.

    ``worker`` is its id, ``process`` what it runs in. ``ending``: it is to end for good, and has its name
    until it has; ``given_up``: not so long, for its worker is out of reach. What it is made of, the digest of
    a definition and options, is kept of one that comes back. ``by``: the id of the registry that has the
    worker start it, where several share the store.
    """

    life: Life
    worker: bytes
    process: Process
    ending: bool = False
    definition: bytes | None = None
    options: Mapping[str, Any] = NO_OPTIONS
    by: bytes = b""
    given_up: bool = False

    @property
    def name(self) -> str:
        return self.life.name

    @property
    def epoch(self) -> int:
        return self.life.epoch


class Snapshot(NamedTuple):
    """The state of an actor. ``sequence`` grows within an epoch: of two the one with the higher is later."""

    name: str
    epoch: int
    sequence: int
    state: bytes


class Contents(NamedTuple):
    """What there was at the start. ``quarantine``: until when, in seconds since 1970, by digest.

    Where several registries share the store also the addresses of all of them by id, and which workers live.
    What is written meanwhile may be missing: of lives up to the epoch ``known_until`` all is here.
    """

    records: list[Record]
    last_epoch: int
    quarantine: dict[bytes, float]
    registries: Mapping[bytes, str] = {}
    workers: frozenset[bytes] = frozenset()
    known_until: int = 0


class Begun(NamedTuple):
    """A life has its name."""

    record: Record


class EndOrdered(NamedTuple):
    """A life is to end for good."""

    name: str
    epoch: int


class GivenUp(NamedTuple):
    """One that is to end for good does not have its name any more: its worker is out of reach."""

    name: str
    epoch: int


class Freed(NamedTuple):
    """Each life of this name below this epoch is over."""

    name: str
    epoch: int


class Quarantined(NamedTuple):
    """Actors of a definition are not started until then, in seconds since 1970; with 0 they are again."""

    digest: bytes
    until: float


class WorkerThere(NamedTuple):
    """A worker lives."""

    id: bytes


class WorkerGone(NamedTuple):
    """No registry has heard of it for the length of a lease; ``proved``: one knows that it is dead."""

    id: bytes
    proved: bool = False


class RegistryThere(NamedTuple):
    """``address``: where it is; "" where it does not say yet."""

    id: bytes
    address: str


class RegistryGone(NamedTuple):
    """It has ended, or was not heard of for long."""

    id: bytes


class Anew(NamedTuple):
    """Nobody knows what has happened, but this is what there is."""

    contents: Contents


News = (
    Begun
    | EndOrdered
    | GivenUp
    | Freed
    | Quarantined
    | WorkerThere
    | WorkerGone
    | RegistryThere
    | RegistryGone
    | Anew
)


class Sharing(Protocol):
    """What registries that share a store tell each other through it."""

    id: bytes
    """This registry's."""

    lease: float
    """Seconds for which workers live after they were heard."""

    def join(self, address: str) -> None:
        """Tell the others where this registry is."""

    def news(self) -> Iterator[News]:
        """What happens after load(), for ever, own changes too. Waits, and raises StoreError: try again."""

    def worker_came(self, id: bytes) -> None:
        """A worker has registered here; returns when the others can know."""

    def worker_heard(self, id: bytes) -> None:
        """It has given a sign of life."""

    def worker_gone(self, id: bytes) -> None:
        """It is dead for certain."""

    def worker_forgotten(self, id: bytes) -> None:
        """It was given up here, with or without proof."""


class Store(Protocol):
    """One for a registry; it belongs to the loop in which it was made."""

    lasting: bool
    """Whether it outlives the registry."""

    failing: bool
    """Whether what was to be written last could not be."""

    numbers: bool
    """Whether it gives lives their epochs; else create() returns that of the record."""

    @property
    def sharing(self) -> Sharing | None:
        """Of one that several registries may have at a time."""

    def load(self) -> Contents:
        """What a registry before this one has left; to be called once, before any change."""

    def create(
        self, record: Record, definition: Definition | None, replaces: int | None = None, dead: bytes = b""
    ) -> AsyncResult[int | None]:
        """Keep the record of a new life and what it is made of; the life's epoch.

        None unless the name is free, or had by a life before that was given up; with ``replaces`` unless it
        has the life of that epoch and that is not to end, or one before that, since a life that could not be
        kept may have come between. None as well where the store knows that the worker with the id ``dead``,
        which had that life, is alive; and 0 where it knows that the one of the new life is dead. Its snapshot
        remains, until the new life saves its own.
        """

    def adopt(self, record: Record) -> AsyncResult[bool]:
        """Keep the record of a life that a worker has brought. False when its name has a later one."""

    def update(self, record: Record) -> AsyncResult[bool]:
        """Keep what has become of a life. False unless its name has this epoch or one before it.

        One before is there where this life could not be kept, as with a full disk; that does not count where
        the store numbers lives, since it may be another registry's.
        """

    def delete(self, name: str, epoch: int, dead: bytes = b"") -> AsyncResult[bool]:
        """Forget a name and its snapshot. False unless it has this epoch or one before it, as with update().

        Nor is it done where the store knows that the worker with the id ``dead`` is alive. A definition goes
        with the last record that refers to it.
        """

    def save_snapshot(self, snapshot: Snapshot) -> AsyncResult[bool]:
        """Keep the state of a running life instead of what there was.

        False unless its name has this epoch and the sequence number is higher than before. Raises ValueError
        for more than SNAPSHOT_LIMIT bytes.
        """

    def quarantine(self, digest: bytes, until: float) -> AsyncResult[bool]:
        """Keep a definition from being started until then, in seconds since 1970; 0 lifts that."""

    def settle(self) -> AsyncResult[bool]:
        """True once all that was handed in before is written."""

    def find_snapshot(self, name: str) -> Snapshot | None:
        """The latest one that is durable. Waits; raises StoreError."""

    def find_definition(self, digest: bytes) -> Definition | None:
        """One that a durable record refers to. Waits; raises StoreError."""

    def close(self) -> None:
        """Write what was handed in, and let others have the directory."""


def check_size(snapshot: Snapshot) -> None:
    """Raises ValueError for one that is too large."""
    if (size := len(snapshot.state)) > SNAPSHOT_LIMIT:
        raise ValueError(
            f"the snapshot of {snapshot.name!r} has {size} bytes; at most {SNAPSHOT_LIMIT} are kept"
        )
