"""How entries lie in etcd: their keys below a prefix, and what is written there. Pure.

::

    PREFIX/mark               the version of all this, and what epochs are counted from
    PREFIX/quota              nothing, written beside much
    PREFIX/names/NAME         the record of a life
    PREFIX/endings/NAME       the epoch of one that is to end for good, and whether it was given up
    PREFIX/latest/NAME        epoch and sequence number of the snapshot
    PREFIX/snapshots/NAME     the snapshot
    PREFIX/definitions/DIGEST
    PREFIX/uses/DIGEST/NAME   for each record that refers to a definition
    PREFIX/quarantine/DIGEST  until when
    PREFIX/registries/ID      leased: where that registry is, as long as it is there
    PREFIX/workers/ID         leased: there as long as the worker lives

All values but that of ``quota`` are sealed under their whole key, see
:mod:`stractory.store.seals`.

A name is written when a life of it begins, and for nothing else: the revision of that says which life it is.
So its **epoch** is ``began + 2 * revision``. ``began`` is the time when the prefix was first used, in
microseconds since 1970, so that these epochs are above all that any store has given before. They are even:
the odd ones are for lives that have no number yet. What came with an epoch from elsewhere has that in its
record, which else holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stractory.net.process import Process
from stractory.store.etcd.operations import Entry
from stractory.store.interface import Record
from stractory.store.rules import DEFINITION, LATEST, QUARANTINE, RECORD, SNAPSHOT
from stractory.store.seals import Seals
from stractory.wire.codec import pack, unpack
from stractory.wire.life import Life

VERSION = 1
"""Of all that stands here."""

NONCE = 8
"""Bytes before the address of a registry, other ones each time."""

DEAD = b"dead"
"""What stands in the key of a worker before it is taken away, where that is certain; else nothing does."""

_FOLDERS = {
    RECORD: b"names/",
    LATEST: b"latest/",
    SNAPSHOT: b"snapshots/",
    DEFINITION: b"definitions/",
    QUARANTINE: b"quarantine/",
}
_BY_DIGEST = frozenset({DEFINITION, QUARANTINE})


class Numbers(NamedTuple):
    """The epochs of a prefix."""

    began: int

    def epoch(self, revision: int) -> int:
        """Of the life whose name was written at this revision."""
        return self.began + 2 * revision

    def is_draft(self, epoch: int) -> bool:
        """Whether it stands for one that etcd has not given yet, or never gave."""
        return epoch > self.began and (epoch - self.began) % 2 == 1


class Ending(NamedTuple):
    """A life that is to end for good."""

    epoch: int
    given_up: bool


class Place(NamedTuple):
    """Where a registry is, "" where it does not say yet; and for how many seconds silent workers live."""

    address: str = ""
    lease: float = 0.0


def _from_hex(text: bytes) -> bytes:
    """What hex() has made this of, and nothing else that means the same. Raises ValueError."""
    found = bytes.fromhex(text.decode())
    if found.hex().encode() != text:
        raise ValueError("not as hex() writes it")
    return found


class Layout:
    """Below ``prefix``. The first of the ``secrets`` makes seals; those made with any of them are good."""

    def __init__(self, prefix: str, secrets: Sequence[bytes]) -> None:
        self.prefix = prefix.rstrip("/").encode() + b"/"
        self._seals = [Seals(secret) for secret in secrets]
        self.mark, self.quota = self.prefix + b"mark", self.prefix + b"quota"
        self.registries, self.workers = self.prefix + b"registries/", self.prefix + b"workers/"

    @property
    def title(self) -> str:
        """How errors speak of the prefix."""
        return self.prefix.decode().rstrip("/")

    # ---- keys ----------------------------------------------------------------------------------------

    def folder(self, table: bytes) -> bytes:
        """What the keys of a table of the rules begin with."""
        return self.prefix + _FOLDERS[table]

    def key(self, entry: bytes) -> bytes:
        """That of an entry of the rules."""
        table, name = entry[:1], entry[1:]
        return self.folder(table) + (name.hex().encode() if table in _BY_DIGEST else name)

    def name(self, key: bytes, table: bytes) -> bytes:
        """The name, or the digest, of a key in a table of the rules. Raises ValueError for any other."""
        name = key.removeprefix(self.folder(table))
        return _from_hex(name) if table in _BY_DIGEST else name

    def ending(self, name: str) -> bytes:
        """Where it stands that a life is to end."""
        return self.endings + name.encode()

    def registry(self, id: bytes) -> bytes:
        """Where it stands that a registry is there."""
        return self.registries + id.hex().encode()

    def worker(self, id: bytes) -> bytes:
        """Where it stands that a worker lives."""
        return self.workers + id.hex().encode()

    def id_in(self, key: bytes, folder: bytes) -> bytes:
        """That of which it is the key. Raises ValueError for any other."""
        return _from_hex(key.removeprefix(folder))

    @property
    def folders(self) -> list[bytes]:
        """What all keys begin with that last and whose values are sealed, but the mark."""
        return [*(self.folder(table) for table in _FOLDERS), self.endings, self.uses]

    def is_heard(self, key: bytes) -> bool:
        """Whether registries hear what others write there; the rest is looked at when somebody reads it."""
        folders = self.folder(RECORD), self.folder(QUARANTINE), self.endings, self.registries, self.workers
        return key.startswith(folders)

    @property
    def endings(self) -> bytes:
        """What those keys begin with."""
        return self.prefix + b"endings/"

    @property
    def uses(self) -> bytes:
        """What those of all definitions begin with."""
        return self.prefix + b"uses/"

    def uses_of(self, digest: bytes) -> bytes:
        """What those of a definition begin with."""
        return self.uses + digest.hex().encode() + b"/"

    def digest_of_use(self, key: bytes) -> bytes:
        """Of which definition it is one. Raises ValueError for any other."""
        digest, _, _ = key.removeprefix(self.uses).partition(b"/")
        return _from_hex(digest)

    # ---- values --------------------------------------------------------------------------------------

    def sealed(self, key: bytes, content: bytes) -> bytes:
        """A value."""
        return self._seals[0].sealed(key, content)

    def open(self, entry: Entry) -> bytes | None:
        """The content; None where it was altered, or is not ours."""
        for seals in self._seals:
            if (content := seals.open(entry.key, entry.value)) is not None:
                return content
        return None

    def is_former(self, entry: Entry) -> bool:
        """Whether its seal is good, but of a secret that was changed."""
        return self._seals[0].open(entry.key, entry.value) is None and self.open(entry) is not None

    def content(self, entry: Entry | None) -> Any:
        """What was packed there; None where there is nothing, or nothing of ours."""
        content = None if entry is None else self.open(entry)
        return None if content is None else unpack(content)

    def record(self, entry: Entry | None, ending: Entry | None, numbers: Numbers) -> Record | None:
        """Of a name, and what lies beside it."""
        match self.content(entry):
            case [life, bytes() as worker, process, definition, dict() as options, bytes() as by]:
                assert entry is not None  # noqa: S101  # for the type checker
            case _:
                return None
        found = Life.from_wire(life)
        if not found.epoch:
            found = found._replace(epoch=numbers.epoch(entry.revision))
        to_end = self.ending_of(ending)
        ends = to_end is not None and to_end.epoch == found.epoch
        given_up = to_end is not None and ends and to_end.given_up
        return Record(found, worker, Process(*process), ends, definition, options, by, given_up)

    def record_value(self, record: Record, *, numbered: bool) -> bytes:
        """A record as it is kept. ``numbered``: with its epoch, else the revision tells."""
        key = self.key(RECORD + record.name.encode())
        life = record.life if numbered else record.life._replace(epoch=0)
        made_of = record.definition, record.options
        return self.sealed(key, pack([life, record.worker, record.process, *made_of, record.by]))

    def ending_value(self, record: Record) -> bytes:
        """What lies beside a record that is to end."""
        return self.sealed(self.ending(record.name), pack([record.epoch, record.given_up]))

    def ending_of(self, entry: Entry | None) -> Ending | None:
        """What is to end there."""
        content = self.content(entry)
        return None if content is None else Ending(*content)

    def place_value(self, key: bytes, place: Place, nonce: bytes) -> bytes:
        """What a registry says of itself, never the same."""
        return self.sealed(key, pack([nonce, *place]))

    def place(self, entry: Entry) -> Place | None:
        """Of a registry."""
        match self.content(entry):
            case [bytes(), str() as address, float() as lease]:
                return Place(address, lease)
        return None

    def address(self, entry: Entry) -> str | None:
        """Where a registry is; "" where it does not say yet."""
        place = self.place(entry)
        return None if place is None else place.address

    # ---- the mark ------------------------------------------------------------------------------------

    def mark_value(self, began: int) -> bytes:
        """Its version is told to whoever cannot read the rest."""
        return bytes([VERSION]) + self.sealed(self.mark, pack([VERSION, began]))

    def version(self, mark: Entry) -> int:
        """Of what made it."""
        return mark.value[0] if mark.value else 0

    def sealed_part(self, mark: Entry) -> Entry:
        """All but its version."""
        return mark._replace(value=mark.value[1:])

    def began(self, mark: Entry) -> int | None:
        """What epochs are counted from; None where it was made with another secret."""
        match self.content(self.sealed_part(mark)):
            case [int(), int() as began]:
                return began
        return None
