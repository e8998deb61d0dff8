"""What a database makes of a file that is not as it was written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stractory.errors import StoreError
from stractory.store import database
from stractory.store.database import Database

SECRET = b"secret"
ENTRIES = {b"r" + b"name-%d" % number: b"%d" % number * (number * 3) for number in range(200)}
LARGE = {b"s" + b"name": bytes(range(256)) * 40}


def fill(path: Path, entries: dict[bytes, bytes], secret: bytes = SECRET) -> None:
    with closing(Database(path, secret)) as made:
        made.write(dict(entries))


def read_all(path: Path, secret: bytes = SECRET) -> dict[bytes, bytes]:
    with closing(Database(path, secret)) as found:
        return dict(found.entries())


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "registry.db"
    fill(path, ENTRIES)
    return path


def test_what_was_written_is_there_again(path: Path) -> None:
    assert read_all(path) == ENTRIES
    with closing(Database(path, SECRET)) as again:
        again.write({b"rname-1": None, b"rname-2": b"another", b"rnew": b"", b"rnone": None})
        assert again.read([b"rname-1", b"rname-2", b"rnew"]) == {b"rname-2": b"another", b"rnew": b""}
    expected = {**ENTRIES, b"rname-2": b"another", b"rnew": b""}
    del expected[b"rname-1"]
    assert read_all(path) == expected
    assert [file.name for file in path.parent.iterdir()] == ["registry.db"]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with closing(Database(path, SECRET)) as made:
        made.write({b"rname": b"content"})
        files = list(tmp_path.iterdir())
        assert {file.name for file in files} == {"registry.db", "registry.db-wal"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_it_is_durable_when_it_says_so(path: Path) -> None:
    with closing(Database(path, SECRET)) as made:
        made._connection.text_factory = str
        settings = [
            made._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        assert settings == ["wal", 2]  # 2 is FULL


def test_another_secret_is_refused(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"registry\.db was made with another cluster key: start .* or use another"
    ):
        Database(path, b"another")
    assert path.read_bytes() == before
    assert read_all(path) == ENTRIES


def test_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = database.VERSION
    monkeypatch.setattr(database, "VERSION", ours + 1)
    with pytest.raises(
        StoreError,
        match=rf"registry\.db has version {ours}, and this registry reads {ours + 1}: start the one",
    ):
        Database(path, SECRET)
    monkeypatch.undo()
    assert read_all(path) == ENTRIES


@pytest.mark.parametrize(
    "alteration",
    [
        "UPDATE entries SET value = value || x'00' WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET value = substr(value, 1, 20) WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET value = 7 WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET value = CAST(value AS TEXT) WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET key = CAST('rname-7' AS TEXT) WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET key = CAST('rmoved' AS BLOB) WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET key = CAST('sname-7' AS BLOB) WHERE key = CAST('rname-7' AS BLOB)",
        "UPDATE entries SET value = (SELECT value FROM entries WHERE key = CAST('rname-8' AS BLOB)) "
        "WHERE key = CAST('rname-7' AS BLOB)",
    ],
)
def test_an_altered_entry_is_left_out(path: Path, alteration: str, caplog: pytest.LogCaptureFixture) -> None:
    edit(path, alteration)
    assert read_all(path) == {key: content for key, content in ENTRIES.items() if key != b"rname-7"}
    (message,) = caplog.messages
    assert "199 are kept, and 1 that were altered" in message
    assert message.endswith("registry.db.damaged-1")
    caplog.clear()
    assert len(read_all(path)) == 199
    assert not caplog.messages


def test_entries_of_another_secret_are_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = path.with_name("other.db")
    fill(other, {b"rforeign-%d" % number: b"" for number in range(3)}, b"another")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS other", [str(other)])
        connection.execute("INSERT INTO entries SELECT * FROM other.entries")
    assert read_all(path) == ENTRIES
    assert len(caplog.messages) == 1
    assert "200 are kept, and 3 that were altered or not ours" in caplog.text


def test_a_schema_that_does_more_is_not_kept(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(path, "CREATE TRIGGER spy AFTER DELETE ON entries BEGIN SELECT 1; END")
    assert read_all(path) == ENTRIES
    assert "its schema was altered" in caplog.text
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT * FROM sqlite_schema WHERE type = 'trigger'").fetchall()


def test_every_damaged_file_is_kept(path: Path) -> None:
    for number in (1, 2):
        path.write_bytes(b"garbage %d" % number)
        assert read_all(path) == {}
        assert path.with_name(f"registry.db.damaged-{number}").read_bytes() == b"garbage %d" % number


def test_damage_of_which_sqlite_tells_in_no_utf_8(path: Path) -> None:
    damaged = path.read_bytes().replace(b"CREATE TABLE entries", b"CREATE \xff\xff\xff\xff\xff entries")
    path.write_bytes(damaged)
    assert read_all(path) == {}


def test_all_is_read_but_what_stands_on_a_damaged_page(path: Path) -> None:
    whole = path.read_bytes()
    for page in range(3 * 4096, len(whole), 4096):  # after the heads, the mark, and the root of the entries
        path.write_bytes(whole[:page] + b"\xff" * 4096 + whole[page + 4096 :])
        found = read_all(path)
        assert found.items() < ENTRIES.items()
        assert len(found) > len(ENTRIES) * 0.5  # from both sides of it


def test_leftovers_of_another_file_are_not_taken_for_its_own(path: Path) -> None:
    with closing(Database(path, SECRET)) as made:
        made.write({b"rlate": b""})
        log = path.with_name("registry.db-wal").read_bytes()
    path.unlink()
    path.with_name("registry.db-wal").write_bytes(log)
    path.with_name("registry.db.new").write_bytes(b"half a file")
    assert read_all(path) == {}
    assert [file.name for file in path.parent.iterdir()] == ["registry.db"]


def test_a_file_that_is_in_use_is_not_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"registry\.db: database is locked"):
            Database(path, SECRET)
    assert read_all(path) == ENTRIES


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file or directory"):
        Database(tmp_path / "nowhere" / "registry.db", SECRET)
    (tmp_path / "registry.db").mkdir()
    with pytest.raises(StoreError, match=r"unable to open database file"):
        Database(tmp_path / "registry.db", SECRET)


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """Files of a registry that was killed: some in the file itself, some in its log still."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.db"
        fill(path, ENTRIES | LARGE)
        with closing(Database(path, SECRET)) as made:
            made.write({b"rlate-%d" % number: b"late" for number in range(20)})
            copy = Path(folder) / "killed"
            copy.mkdir()
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", copy / f"registry.db{suffix}")
        yield copy


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_stops_a_start_or_is_believed(original: Path, data: st.DataObject) -> None:
    written = ENTRIES | LARGE | {b"rlate-%d" % number: b"late" for number in range(20)}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "data"
        shutil.copytree(original, copy)
        victim = copy / data.draw(st.sampled_from(["registry.db", "registry.db-wal"]))
        content = bytearray(victim.read_bytes())
        # the heads of the file and of its pages count as much as all the rest
        page = data.draw(st.integers(0, len(content) // 4096 - 1)) * 4096
        place = page + data.draw(st.one_of(st.integers(0, 120), st.integers(0, 4095)))
        match data.draw(st.sampled_from(["cut", "alter", "zero"])):
            case "cut":
                del content[place:]
            case "alter":
                content[place] ^= data.draw(st.integers(1, 255))
            case "zero":
                length = min(data.draw(st.integers(1, 5000)), len(content) - place)
                content[place : place + length] = bytes(length)
        victim.write_bytes(content)
        found = read_all(copy / "registry.db")
        assert found.items() <= written.items()
        assert read_all(copy / "registry.db") == found


def test_killed_files_are_whole(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "data")
    assert len(read_all(tmp_path / "data" / "registry.db")) == len(ENTRIES) + len(LARGE) + 20
    assert os.listdir(tmp_path / "data") == ["registry.db"]


def test_a_file_of_a_former_secret_is_sealed_anew(path: Path) -> None:
    with closing(Database(path, b"new", [b"another", SECRET])) as database:
        assert dict(database.entries()) == ENTRIES
        database.write(dict(LARGE))
    with pytest.raises(StoreError, match="another cluster key"):
        read_all(path)
    assert read_all(path, b"new") == ENTRIES | LARGE


def test_a_file_of_none_of_the_secrets_is_left_as_it_is(path: Path) -> None:
    content = path.read_bytes()
    with pytest.raises(StoreError, match="another cluster key"):
        Database(path, b"new", [b"another"])
    assert path.read_bytes() == content
