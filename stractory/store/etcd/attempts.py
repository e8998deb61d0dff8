"""A change as a transaction that is done as long as what it was decided on is still so. Pure.

What a change does is decided by the rules that all stores have, on what was read; a transaction then writes
it, if nobody has written any of that meanwhile. So an attempt goes through looks and tries until one is done.
The creation of a name begins with the guess that there is nothing of it, and mostly that is all.

Where a member went away it may be unknown whether a try was done. Once it is certain that it will not be done
any more, if it was not, a look tells: what was to be written is there.
"""

from __future__ import annotations

from typing import Any

from stractory.store.etcd import operations
from stractory.store.etcd.layout import Layout, Numbers
from stractory.store.etcd.operations import Entry, Operation, Outcome
from stractory.store.etcd.view import Seen, View
from stractory.store.grouped import Change
from stractory.store.rules import DEFINITION, RECORD


class Attempt:
    """To make one change of what is called ``name``. ``made``: what it gives, once it is ``done``.

    ``by``: the id of the registry. ``alive``: the key of its worker that has to be there, if any; ``dead``:
    that of another which has not.
    ``after``: the creation of that name that was under way, or of which nobody knew whether it was done, when
    this was handed in: then whoever makes this change knows the life by the draft alone. ``unreferred``: as
    the view has it.
    """

    def __init__(
        self,
        change: Change,
        layout: Layout,
        numbers: Numbers,
        name: str,
        after: Attempt | None,
        by: bytes,
        alive: bytes,
        dead: bytes,
    ) -> None:
        self.change = change
        self.name = name
        self.done = False
        self.made: Any = None
        self.unreferred: set[bytes] = set()
        self._layout = layout
        self._numbers = numbers
        self._after = after
        self._by = by
        self._alive = alive
        self._dead = dead
        self._key = layout.key(RECORD + name.encode())
        self._seen: Seen | None = None
        if change.fresh and after is None:
            self._seen = {self._key: None}  # where there is no name, there is nothing beside it
        elif not name:
            self._seen = {}  # nothing depends on what was there
        self._tries: dict[bytes, bytes | None] = {}
        self._in_doubt = False

    @property
    def _keys(self) -> list[bytes]:
        """What has to be known."""
        keys = [self._layout.key(entry) for entry in self.change.touches]
        keys.append(self._layout.ending(self.name))
        return [*keys, *filter(None, (self._alive, self._dead))]

    @property
    def in_doubt(self) -> Attempt | None:
        """This creation, where it may have written its name or yet may, else the one before it."""
        return self._after if self.change.result.ready() and not self._tries else self

    @property
    def puts(self) -> bool:
        """Whether it is to write more than that something is gone."""
        return self._seen is not None and any(value is not None for value in self._tries.values())

    def operation(self, revision: int) -> Operation | None:
        """The next step, None where none is needed. At ``revision``, or later."""
        if self._seen is None:
            return operations.nested(operations.transaction([], map(operations.look, self._keys)))
        if self._alive and self._seen.get(self._alive, ...) is None:
            self.done, self.made = True, 0
            return None
        if self._seen.get(self._dead) is not None:
            self.done, self.made = True, None
            return None
        next = self._numbers.epoch(revision + 1)
        known_as = self._known_as(self._seen.get(self._key))
        view = View(self._layout, self._numbers, self._seen, self.name, next, known_as, self._by)
        self.made = self.change.make(view)
        self._tries = view.writes() if self.made else {}
        if self.change.ends and not self.made:
            self._tries = view.litter()
        self.unreferred = view.unreferred
        if not self._tries:
            self.done = True
            return None
        guards = [
            operations.unchanged(key, entry.revision if entry else 0)
            for key, entry in self._seen.items()
            if key != self._alive
        ]
        if self._alive:
            guards.append(operations.present(self._alive))
        if self.change.definition is not None:
            key = self._layout.key(DEFINITION + self.change.definition.digest)
            guards.append(operations.present(key))
        writes = [
            operations.delete(key) if value is None else operations.put(key, value)
            for key, value in self._tries.items()
        ]
        return operations.nested(operations.transaction(guards, writes))

    def heard(self, outcome: Outcome, revision: int) -> None:
        """What became of that, at this revision."""
        if self._seen is not None and outcome.succeeded:
            self._is_done(revision)
            return
        if self._seen is not None:  # somebody has written there
            self._seen = None
            return
        found = [operations.looked(response) for response in outcome.responses]
        self._seen = dict(zip(self._keys, found, strict=True))
        tried = self._tries.keys() & self._seen.keys() if self._in_doubt else set()
        self._in_doubt = False
        if tried and all(_value(self._seen[key]) == self._tries[key] for key in tried):
            name = self._seen.get(self._key)
            self._is_done(name.revision if name else revision)

    def look_again(self) -> None:
        """Nobody knows whether it was done, but it is certain that it will not be done any more."""
        if self.name:
            self._seen = None
            self._in_doubt = True

    def _is_done(self, revision: int) -> None:
        self.done = True
        if self.change.draft:
            self.made = self._numbers.epoch(revision)

    def _known_as(self, there: Entry | None) -> int | None:
        """The draft by which the life that is there is known to whoever makes this change.

        0 where that is another registry's, and not the one of the draft that this is about.
        """
        creation = self._after
        while there is not None and creation is not None:
            if creation._tries.get(self._key) == there.value:
                return creation.change.draft
            creation = creation._after
        return 0 if self._numbers.is_draft(self.change.about) else None


def name_of(change: Change) -> str:
    """Whose it is; "" where it is of no name."""
    return next((entry[1:].decode() for entry in change.touches if entry[:1] == RECORD), "")


def _value(entry: Entry | None) -> bytes | None:
    return None if entry is None else entry.value
