"""A file of sealed entries: bytes by key, which nobody without the secret can alter, move or add.

An entry is a row of ``entries``, key and ``seal || content`` (see :mod:`stractory.store.seals`), where the
key is one byte for the table, and the name. ``mark`` has one row, ``version || print || check``: a byte, 16
bytes by which the secret is known again, and the first 16 of the SHA-256 of both. So a file of another secret
or version is told from one that is damaged. The form of the mark is the same in all versions.

A damaged file is moved aside, and what can be read of it is written to a new one.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from stractory.errors import StoreError
from stractory.store.seals import SEAL_SIZE, Seals

log = logging.getLogger(__name__)

VERSION = 2
"""Of the entries' form and content."""

_SCHEMA = (
    "CREATE TABLE mark (value BLOB NOT NULL)",
    "CREATE TABLE entries (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
)
_SIDE_FILES = ("-wal", "-shm", "-journal")
_NOT_DAMAGE = ("database is locked", "unable to open", "readonly database", "is full", "disk I/O error")
"""In the texts of sqlite's errors that say nothing of the content of a file."""
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Of sqlite's; the second where the text of one quotes what stands in a damaged file."""
_FROM_EITHER_END = (
    "SELECT key, value FROM entries ORDER BY key",
    "SELECT key, value FROM entries ORDER BY key DESC",
)


class _Damage(Exception):
    """The file is not as it was written."""


class _OtherSecret(StoreError):
    """The file was made with another secret."""


class Database:
    """The entries in the file ``path``, sealed with ``secret``. Made if missing, mended if damaged.

    One that was made with a ``former`` secret is sealed anew.

    All of it is checked at the start, and not again: the file is locked then. For any thread, one at a time.
    """

    def __init__(self, path: Path, secret: bytes, former: Sequence[bytes] = ()) -> None:
        """Raises StoreError."""
        self.path = path
        self._seals = Seals(secret)
        with self.plain_errors():
            if not path.exists():
                self._put_in_place(self._write_new(()))
            try:
                self._open()
            except _Damage as damage:
                self._mend(damage)
                self._open()
            except _OtherSecret:
                if not self._seal_anew(former):
                    raise
                self._open()

    # ---- use -----------------------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and contents."""
        for key, value in self._connection.execute("SELECT key, value FROM entries"):
            yield key, value[SEAL_SIZE:]

    def read(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The contents there are of these keys. Raises sqlite3.Error."""
        wanted = list(keys)
        places = ", ".join("?" * len(wanted))
        query = f"SELECT key, value FROM entries WHERE key IN ({places})"  # noqa: S608  # question marks
        rows = self._connection.execute(query, wanted)
        return {key: value[SEAL_SIZE:] for key, value in rows.fetchall()}

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make all changes or none, None taking an entry away; durable when it returns.

        Raises sqlite3.Error. Few statements for many changes: each lets another thread have the interpreter,
        and may wait long to get it back.
        """
        gone = [key for key, content in changes.items() if content is None]
        kept = [
            (key, self._seals.sealed(key, content)) for key, content in changes.items() if content is not None
        ]
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            if gone:
                places = ", ".join("?" * len(gone))
                execute(f"DELETE FROM entries WHERE key IN ({places})", gone)  # noqa: S608  # question marks
            if kept:
                places = ", ".join(["(?, ?)"] * len(kept))
                execute(
                    f"INSERT INTO entries VALUES {places} "  # noqa: S608  # question marks
                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [part for row in kept for part in row],
                )
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Raise StoreError for what sqlite or the system has against the file."""
        try:
            yield
        except (*_ERRORS, OSError, _Damage) as error:
            raise StoreError(f"the registry's store {self.path}: {error}") from None

    # ---- seals ---------------------------------------------------------------------------------------

    def _is_sealed(self, key: object, value: object) -> bool:
        if not (isinstance(key, bytes) and isinstance(value, bytes)):  # None for any text, see _connect()
            return False
        return self._seals.open(key, value) is not None

    def _mark(self) -> bytes:
        known_by = bytes([VERSION]) + self._seals.sealed(b"", b"")[:16]  # no entry has this key
        return known_by + hashlib.sha256(known_by).digest()[:16]

    # ---- the start -----------------------------------------------------------------------------------

    def _open(self) -> None:
        """Raises _Damage, and StoreError for what was not made by this version and with this secret."""
        self._connection = _connect(self.path)
        try:
            self._check()
        except _ERRORS as error:
            self._connection.close()
            if any(text in str(error) for text in _NOT_DAMAGE):
                raise
            raise _Damage(str(error)) from None
        except BaseException:
            self._connection.close()
            raise

    def _check(self) -> None:
        execute = self._connection.execute
        _set_up(self._connection)
        self._check_mark(execute("SELECT value FROM mark").fetchall())
        schema = execute("SELECT CAST(sql AS BLOB) FROM sqlite_schema ORDER BY rowid")
        if [sql for (sql,) in schema] != [sql.encode() for sql in _SCHEMA]:
            raise _Damage("its schema was altered")
        execute("PRAGMA journal_mode = WAL")
        (told,) = execute("SELECT CAST(quick_check AS BLOB) FROM pragma_quick_check(1)").fetchone()
        if told != b"ok":
            raise _Damage(told.decode(errors="replace").splitlines()[-1])
        if not all(self._is_sealed(*row) for row in execute("SELECT key, value FROM entries")):
            raise _Damage("an entry was altered")

    def _check_mark(self, rows: list[tuple[object]]) -> None:
        match rows:
            case [(bytes() as mark,)] if hashlib.sha256(mark[:17]).digest()[:16] == mark[17:]:
                pass
            case _:
                raise _Damage("it has no mark")
        if mark[0] != VERSION:
            raise StoreError(
                f"the registry's store {self.path} has version {mark[0]}, and this registry reads {VERSION}: "
                "start the one that made it, or use another data directory"
            )
        if mark != self._mark():
            raise _OtherSecret(
                f"the registry's store {self.path} was made with another cluster key: "
                "start the registry with that, or use another data directory"
            )

    def _seal_anew(self, former: Sequence[bytes]) -> bool:
        """Whether it was made with one of these secrets; it is not any more."""
        for secret in former:
            with suppress(_OtherSecret), closing(Database(self.path, secret)) as before:
                rows = ((key, self._seals.sealed(key, content)) for key, content in before.entries())
                new = self._write_new(rows)
                before.close()
                self._put_in_place(new)
                return True
        return False

    def _mend(self, damage: _Damage) -> None:
        """Put a new file in its place with what can be read of it."""
        counted: Counter[bool] = Counter()
        with closing(_connect(self.path)) as damaged:
            new = self._write_new(self._readable(damaged, counted))
        aside = self._set_aside()
        self._put_in_place(new)
        log.warning(
            "the registry's store %s was damaged (%s): of its entries %d are kept, and %d that were altered "
            "or not ours are left out, as is what cannot be read; the damaged file is kept as %s",
            self.path,
            damage,
            counted[True],
            counted[False],
            aside.name,
        )

    def _readable(self, damaged: sqlite3.Connection, counted: Counter[bool]) -> Iterator[tuple[bytes, bytes]]:
        """The rows with a good seal; counts them, and the others."""
        for rows in _FROM_EITHER_END:  # to where it cannot be read
            with suppress(*_ERRORS):
                for row in damaged.execute(rows):
                    good = self._is_sealed(*row)
                    counted[good] += 1
                    if good:
                        yield row
                return

    def _set_aside(self) -> Path:
        """Give the file another name, without taking its own: at no time is there none."""
        for number in itertools.count(1):
            aside = self.path.with_name(f"{self.path.name}.damaged-{number}")
            with suppress(FileExistsError):
                os.link(self.path, aside)
                break
        with suppress(FileNotFoundError):
            _beside(self.path, "-wal").rename(_beside(aside, "-wal"))
        return aside

    def _write_new(self, rows: Iterable[tuple[bytes, bytes]]) -> Path:
        """A new file beside it."""
        new = _beside(self.path, ".new")
        for suffix in ("", *_SIDE_FILES):
            _beside(new, suffix).unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # sqlite's are 0644
        with closing(_connect(new)) as connection:
            _set_up(connection)
            connection.execute("BEGIN")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO mark VALUES (?)", [self._mark()])
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        return new

    def _put_in_place(self, new: Path) -> None:
        for suffix in _SIDE_FILES:  # they would be taken for those of the new one
            _beside(self.path, suffix).unlink(missing_ok=True)
        new.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(folder)
        os.close(folder)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=8)
    connection.text_factory = lambda text: None  # there is none in what we write
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    """Locked while open: so sqlite needs no file for shared memory, for which a full disk has no room."""
    for setting in ("locking_mode = EXCLUSIVE", "synchronous = FULL", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {setting}")
