"""The store in etcd, which outlives machines as well."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import gevent
from gevent.event import AsyncResult

from stractory.errors import StoreError, StoreFull, StoreUnreachable
from stractory.store.etcd import mark, operations
from stractory.store.etcd.attempts import Attempt, name_of
from stractory.store.etcd.client import RETRY, Client, InDoubt
from stractory.store.etcd.layout import Layout
from stractory.store.etcd.operations import Operation, Outcome
from stractory.store.etcd.reading import PATIENCE, Reader
from stractory.store.etcd.seat import Seat
from stractory.store.etcd.sharing import EtcdSharing
from stractory.store.grouped import Change, GroupedStore
from stractory.store.interface import Contents, Snapshot
from stractory.store.rules import DEFINITION, QUARANTINE, RECORD, SNAPSHOT
from stractory.wire.codec import unpack
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

ROUNDS = 100
"""Most steps of a group of changes: each takes two, and some more where others are faster."""

LARGEST = 1_100_000
"""Bytes of a change, which may be the last of its group: etcd takes no request of more than 1.5 MiB."""


class EtcdStore(GroupedStore):
    """A Store below ``prefix``, which any number of registries may have at a time.

    The first of ``secrets`` seals, and what any of them has sealed is good. ``client`` is closed with it.
    """

    numbers = True
    group_limit = 120
    """Nested transactions in one: with 128 operations, etcd's limit, each of them could have none."""
    group_size = 300_000
    apart = True

    def __init__(self, client: Client, prefix: str, secrets: Sequence[bytes]) -> None:
        """Takes a seat there. Raises StoreError."""
        super().__init__("the registry's store in etcd")
        self._client = client
        self._layout = Layout(prefix, secrets)
        self._reader = Reader(client, self._layout)
        self._seat = Seat(client, self._layout)
        self._creations: dict[str, Attempt] = {}  # under way, or in doubt
        self._defined: set[bytes] = set()  # definitions that are there, for all that is known
        self._unreferred: set[bytes] = set()  # those that may have to go
        self._revision = 0  # the last that was heard of
        try:
            self._numbers = mark.opened(self._layout, self._reader, self._at_the_start)
        except BaseException:
            self._seat.close()
            client.close()
            raise
        put_back = partial(mark.put_back, self._layout, self._numbers, client)
        self.sharing = EtcdSharing(client, self._layout, self._numbers, self._seat, self._read_all, put_back)

    # ---- as in Store ---------------------------------------------------------------------------------

    def load(self) -> Contents:
        return self.sharing.load()

    def _read_all(self) -> tuple[Contents, int]:
        """What there is, and all that was done until this revision is in that."""
        layout, reader = self._layout, self._reader
        began = self._client.range(operations.range_of(layout.mark), PATIENCE).revision
        endings = {entry.key: entry for entry in reader.good(reader.below(layout.endings))}
        records = []
        for entry in reader.good(reader.below(layout.folder(RECORD))):
            ending = endings.get(layout.ending(layout.name(entry.key, RECORD).decode()))
            if (record := layout.record(entry, ending, self._numbers)) is not None:
                records.append(record)
        quarantine = {
            layout.name(entry.key, QUARANTINE): layout.content(entry)
            for entry in reader.good(reader.below(layout.folder(QUARANTINE)))
        }
        used = reader.digests(layout.uses, layout.digest_of_use)
        self._defined = reader.digests(layout.folder(DEFINITION), lambda key: layout.name(key, DEFINITION))
        self._unreferred = self._defined - used
        self._revision = max(self._revision, reader.revision)
        last_epoch = max([self._numbers.epoch(self._revision), *(record.epoch for record in records)])
        marks = {mark: until for mark, until in quarantine.items() if until}
        registries = {
            layout.id_in(entry.key, layout.registries): address
            for entry in reader.good(reader.below(layout.registries))
            if (address := layout.address(entry)) is not None
        }
        living = reader.good(reader.below(layout.workers))
        workers = frozenset(layout.id_in(entry.key, layout.workers) for entry in living)
        known_until = self._numbers.epoch(began)
        return Contents(records, last_epoch, marks, registries, workers, known_until), began

    def find_snapshot(self, name: str) -> Snapshot | None:
        content = self._reader.content(self._layout.key(SNAPSHOT + name.encode()))
        return None if content is None else Snapshot(*unpack(content))

    def find_definition(self, digest: bytes) -> Definition | None:
        content = self._reader.content(self._layout.key(DEFINITION + digest))
        return None if content is None else Definition.unpack(content)

    def close(self) -> None:
        super().close()
        self.sharing.close()
        self._client.close()

    # ---- the start -----------------------------------------------------------------------------------

    def _at_the_start(self, then: Sequence[Operation]) -> None:
        """Do what may be done twice. Raises StoreError."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._seat.renew(PATIENCE)
                self._transact(then)
                return
            except InDoubt as doubt:
                self._seat.doubt()
                if time.monotonic() >= deadline:
                    raise doubt.reason from None
            gevent.sleep(RETRY)

    # ---- writing -------------------------------------------------------------------------------------

    def _hand_in(self, change: Change) -> AsyncResult[Any]:
        size = change.size + (len(change.definition.packed) if change.definition else 0)
        if size > LARGEST:
            change.result.set_exception(StoreError(
                f"what is to be kept has {size} bytes, and etcd takes {LARGEST}"))  # fmt: skip
            return change.result
        name = name_of(change)
        creation = self._creations.get(name)
        after = creation.in_doubt if creation else None
        alive = self._layout.worker(change.worker) if change.worker in self.sharing.presence else b""
        dead = self._layout.worker(change.dead) if change.dead else b""
        change.work = Attempt(change, self._layout, self._numbers, name, after, self._seat.id, alive, dead)
        if change.draft:
            self._creations[name] = change.work
        return super()._hand_in(change)

    def _write(self, group: list[Change]) -> list[Any]:
        attempts: list[Attempt] = [change.work for change in group]
        rounds = 0
        deadline = time.monotonic() + (0.0 if self.failing else PATIENCE)
        while not all(attempt.done for attempt in attempts):
            left = [attempt for attempt in attempts if not attempt.done]
            rounds += 1
            try:
                if rounds > ROUNDS:
                    raise StoreError("etcd has something else each time, so that nothing can be changed")
                self._seat.renew(0.0)
                self._go_on(left)
            except (InDoubt, StoreUnreachable) as error:
                if isinstance(error, InDoubt):
                    self._seat.doubt()
                    for attempt in left:
                        attempt.look_again()
                if time.monotonic() >= deadline:
                    self._give_up(attempts)
                    raise error.reason if isinstance(error, InDoubt) else error from None
                gevent.sleep(RETRY)
            except StoreError as error:
                if isinstance(error, StoreFull):
                    self._do_what_takes_no_room(left)
                self._give_up(attempts)
                raise
        self._forget(attempts)
        self._drop_unreferred(attempts)
        return [attempt.made for attempt in attempts]

    def _do_what_takes_no_room(self, attempts: Sequence[Attempt]) -> None:
        """Ends need not wait until a full etcd has some."""
        try:
            self._go_on([each for each in attempts if not (each.puts or each.change.draft)])
        except InDoubt:
            self._seat.doubt()
        except StoreError as error:
            log.debug("not even ends can be written: %s", error)

    def _go_on(self, attempts: Sequence[Attempt]) -> None:
        """The next step of each. Raises StoreError, and InDoubt."""
        self._define(attempts)
        steps = [(attempt, attempt.operation(self._revision)) for attempt in attempts]
        asked = [(attempt, operation) for attempt, operation in steps if operation is not None]
        if not asked:
            return
        then = [operation for _, operation in asked]
        if any(attempt.puts for attempt, _ in asked):  # etcd counts no nested ones towards its quota
            then.append(operations.put(self._layout.quota, b""))
        outcome = self._transact(then)
        for (attempt, _), response in zip(asked, outcome.responses, strict=False):
            attempt.heard(operations.of_nested(response), outcome.revision)
            if not attempt.done and (definition := attempt.change.definition):
                self._defined.discard(definition.digest)  # perhaps that was missing

    def _define(self, attempts: Sequence[Attempt]) -> None:
        """Have the definitions there before the records that refer to them."""
        for attempt in attempts:
            definition = attempt.change.definition
            if definition is not None and definition.digest not in self._defined:
                key = self._layout.key(DEFINITION + definition.digest)
                self._transact([operations.put(key, self._layout.sealed(key, definition.packed))])
                self._defined.add(definition.digest)

    def _drop_unreferred(self, attempts: Sequence[Attempt]) -> None:
        """Take definitions away to which no record refers any more; if that fails, the next time."""
        self._unreferred.update(*(attempt.unreferred for attempt in attempts))
        digests = sorted(self._unreferred)[: self.group_limit]
        if not digests:
            return
        try:
            self._transact([self._drop_if_unused(digest) for digest in digests])
        except InDoubt:
            self._seat.doubt()
        except StoreError as error:
            log.warning("definitions that are not used any more stay in etcd for now: %s", error)
        else:
            self._unreferred.difference_update(digests)
            self._defined.difference_update(digests)  # or nobody knows

    def _drop_if_unused(self, digest: bytes) -> Operation:
        unused = operations.none_below(self._layout.uses_of(digest))
        gone = operations.delete(self._layout.key(DEFINITION + digest))
        return operations.nested(operations.transaction([unused], [gone]))

    def _transact(self, then: Sequence[Operation]) -> Outcome:
        """In this registry's seat. Raises StoreError, and InDoubt."""
        outcome = self._client.transact([self._seat.condition], then)
        self._revision = max(self._revision, outcome.revision)
        if not outcome.succeeded:
            raise self._seat.taken_for_gone()
        return outcome

    def _give_up(self, attempts: Sequence[Attempt]) -> None:
        """What is done is told; the rest may be done all the same, so the next try begins with a look."""
        for attempt in attempts:
            if attempt.done:
                attempt.change.result.set(attempt.made)
            else:
                attempt.look_again()
        self._forget([attempt for attempt in attempts if attempt.done])

    def _forget(self, attempts: Sequence[Attempt]) -> None:
        """Creations of which all is known: that were done, or after which something was."""
        for attempt in attempts:
            known = self._creations.get(attempt.name)
            if known is attempt or (known is not None and known.change.result.ready()):
                del self._creations[attempt.name]
