"""What outlives a registry, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from stractory.errors import StoreError
from stractory.net.process import Process
from stractory.store import grouped
from stractory.store.data_directory import DataDirectory, default_directory
from stractory.store.durable import DurableStore
from stractory.store.interface import Contents, Record, Snapshot
from tests.store.test_store import ECHO, ROOM, record
from tests.support.green import green_until
from tests.support.programs import start_program

ROOT = Path(__file__).parent.parent.parent
SECRET = b"secret"


class Run:
    """A registry's store, opened again as often as the test likes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = DurableStore(directory, SECRET)
        self.contents = self.store.load()

    def again(self) -> Contents:
        self.store.close()
        self.store = DurableStore(self.directory, SECRET)
        self.contents = self.store.load()
        return self.contents

    def fill_disk(self) -> None:
        self._limit(1)  # sqlite takes as many as there are

    def empty_disk(self) -> None:
        self._limit(1_000_000)

    def _limit(self, pages: int) -> None:
        self.store._thread.apply(
            self.store._database._connection.execute, (f"PRAGMA max_page_count = {pages}",)
        )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(grouped, "RETRY", 0.01)
    run = Run(tmp_path / "data")
    yield run
    run.store.close()


def large(name: str, epoch: int) -> Record:
    """One that fits into no page that there is."""
    return record(name, epoch)._replace(options={"filling": "x" * 20_000})


def test_all_is_there_after_a_restart(run: Run) -> None:
    assert run.contents == Contents([], 0, {})
    run.store.create(record("one", 5), ECHO)
    run.store.create(record("two", 7, ROOM), ROOM)
    run.store.create(record("gone", 9, None), None)
    run.store.update(record("two", 7, ROOM)._replace(ending=True, worker=b"v" * 16))
    run.store.delete("gone", 9)
    run.store.save_snapshot(Snapshot("one", 5, 3, b"state"))
    run.store.quarantine(ECHO.digest, 123.5)
    run.store.quarantine(ROOM.digest, 99.0)
    run.store.quarantine(ROOM.digest, 0)
    records, last_epoch, quarantine, *_ = run.again()
    running = record("two", 7, ROOM)._replace(ending=True, worker=b"v" * 16)
    assert sorted(records) == [record("one", 5), running]
    assert all(type(found.process) is Process for found in records)
    assert last_epoch == 9
    assert quarantine == {ECHO.digest: 123.5}
    assert run.store.find_snapshot("one") == Snapshot("one", 5, 3, b"state")
    assert run.store.find_definition(ECHO.digest) == ECHO
    assert not run.store.create(record("one", 6), ECHO).get()
    assert not run.store.save_snapshot(Snapshot("one", 5, 3, b"older")).get()


def test_definitions_are_counted_across_restarts(run: Run) -> None:
    run.store.create(record("one", 5), ECHO)
    run.store.create(record("two", 6), ECHO)
    run.again()
    run.store.delete("one", 5).get()
    run.again()
    assert run.store.find_definition(ECHO.digest) == ECHO
    run.store.delete("two", 6).get()
    assert run.store.find_definition(ECHO.digest) is None
    run.again()
    assert run.store.find_definition(ECHO.digest) is None


def test_a_damaged_definition_is_written_again(run: Run) -> None:
    run.store.create(record("one", 5), ECHO).get()
    run.store._database.write({b"d" + ECHO.digest: None})
    assert run.again().records == [record("one", 5)]
    assert run.store.find_definition(ECHO.digest) is None
    run.store.create(record("two", 6), ECHO).get()
    assert run.store.find_definition(ECHO.digest) == ECHO
    run.store.delete("two", 6).get()
    assert run.store.find_definition(ECHO.digest) == ECHO  # the first one's, too


def test_what_damage_has_left_behind_is_dropped(run: Run) -> None:
    run.store.create(record("one", 5), ECHO)
    run.store.save_snapshot(Snapshot("one", 5, 3, b"state")).get()
    run.store._database.write({b"rone": None})
    assert run.again() == Contents([], 5, {})
    run.store.create(record("one", 6, ROOM), ROOM).get()
    assert run.store.find_snapshot("one") is None
    assert run.store.find_definition(ECHO.digest) is None
    assert run.store.save_snapshot(Snapshot("one", 6, 1, b"")).get()


def test_the_changes_of_one_turn_make_one_transaction(run: Run) -> None:
    statements: list[str] = []
    run.store._database._connection.set_trace_callback(statements.append)
    results = [run.store.create(record(f"room-{number}", number + 1), ECHO) for number in range(100)]
    results += [run.store.delete(f"room-{number}", number + 1) for number in range(50)]
    assert all(result.get() for result in results)
    run.store._database._connection.set_trace_callback(None)
    assert statements.count("COMMIT") == 1
    assert len(run.again().records) == 50


def test_nobody_is_told_before_it_is_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    written, told = threading.Event(), threading.Event()
    write = run.store._database.write

    def held_up(changes: dict[bytes, bytes | None]) -> None:
        write(changes)
        written.set()
        assert told.wait(30)

    monkeypatch.setattr(run.store._database, "write", held_up)
    first = run.store.create(record("first", 5), ECHO)
    waiter = gevent.spawn(first.get)
    green_until(written.is_set)  # the loop goes on meanwhile
    second = run.store.create(record("second", 6), ECHO)
    gevent.idle()
    assert not waiter.ready() and not first.ready() and not second.ready()
    told.set()
    assert (waiter.get(), second.get()) == (5, 6)


def test_many_large_changes_are_more_than_one_transaction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.store, "group_limit", 7)
    monkeypatch.setattr(run.store, "group_size", 100)
    groups: list[int] = []
    write = run.store._write

    def counted(group: list[Any]) -> list[bool]:
        groups.append(len(group))
        return write(group)

    monkeypatch.setattr(run.store, "_write", counted)
    for number in range(1, 11):
        run.store.create(record(f"room-{number}", number), ECHO)
    for number in range(1, 5):
        run.store.save_snapshot(Snapshot(f"room-{number}", number, 1, bytes(60)))
    run.again()
    assert groups == [7, 5, 2]
    assert run.store.find_snapshot("room-4") is not None


def test_a_full_disk_refuses_creations_and_nothing_else(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.store.create(record("old", 5), ECHO)
    run.store.save_snapshot(Snapshot("old", 5, 1, b"state")).get()
    run.fill_disk()
    for number in range(3):
        with pytest.raises(StoreError, match=r"registry\.db cannot be written: database or disk is full"):
            run.store.create(large("new", 6 + number), ECHO).get()
    with pytest.raises(StoreError, match="is full"):
        run.store.save_snapshot(Snapshot("old", 5, 2, bytes(20_000))).get()
    assert [message for message in caplog.messages if "no actor can be created" in message] == caplog.messages
    assert len(caplog.messages) == 1
    assert run.store.find_snapshot("old") == Snapshot("old", 5, 1, b"state")
    assert run.store.find_definition(ECHO.digest) == ECHO
    run.empty_disk()
    assert run.store.create(large("new", 9), ECHO).get()
    assert run.store.save_snapshot(Snapshot("old", 5, 2, b"later")).get()
    assert sorted(found.epoch for found in run.again().records) == [5, 9]


def test_what_has_happened_is_written_when_there_is_room_again(run: Run) -> None:
    run.store.create(record("ended", 5), ECHO)
    run.store.create(record("grown", 6), ECHO).get()
    run.fill_disk()
    grown = run.store.update(large("grown", 6))
    ended = run.store.delete("ended", 5)
    for result in (grown, ended):
        with pytest.raises(StoreError, match="is full"):
            result.get()
    refused = run.store.create(record("ended", 7), ECHO)
    with pytest.raises(StoreError, match="is full"):
        refused.get()
    run.empty_disk()
    assert run.store.create(record("ended", 8), ECHO).get()  # the older life is gone before
    assert grown.get() and ended.get()
    assert sorted(run.again().records) == [record("ended", 8), large("grown", 6)]


def test_what_is_tried_again_keeps_its_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped, "RETRY", 0.5)  # so that it is tried again but once
    run.store.create(record("grown", 4), ECHO)
    run.store.create(record("room", 5), ECHO).get()
    run.fill_disk()
    results = [
        run.store.update(large("room", 5)),
        run.store.delete("room", 5),
        run.store.update(large("grown", 4)),
    ]
    with pytest.raises(StoreError, match="is full"):
        results[-1].get()
    run.empty_disk()
    run.store.create(record("room", 6), ECHO).get()
    assert [result.get() for result in results] == [True, True, True]


def test_a_store_can_be_closed_while_the_disk_is_full(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.store.create(record("room", 6), ECHO).get()
    run.fill_disk()
    run.store.update(large("room", 6))
    run.again()
    assert "1 changes of what is in the registry's store were not written" in caplog.text
    assert run.contents.records == [record("room", 6)]


def test_after_the_end_nothing_is_taken(run: Run) -> None:
    store = run.store
    run.again()
    with pytest.raises(StoreError, match="is closed"):
        store.create(record("room", 6), ECHO).get()


def test_options_that_cannot_be_kept_are_the_callers_mistake(run: Run) -> None:
    with pytest.raises(TypeError, match=r"options\['what'\] cannot travel"):
        run.store.create(record("room", 6)._replace(options={"what": object()}), ECHO)


# ---- other processes -----------------------------------------------------------------------------------

COMMITS = """
import os, sys, gevent
from pathlib import Path
from tests.store.test_store import *
store = DurableStore(Path(sys.argv[1]), b"secret")
store.load()
def make(writer):
    for number in range(1_000_000):
        name = f"{writer}-{number}"
        assert store.create(record(name, number + 1), ECHO).get()
        assert store.save_snapshot(Snapshot(name, number + 1, 1, name.encode())).get()
        os.write(1, name.encode() + b"\\n")
gevent.joinall([gevent.spawn(make, writer) for writer in range(20)], raise_error=True)
"""

FULL = """
import resource, sys
from pathlib import Path
from stractory.errors import StoreError
from tests.store.test_store import *
store = DurableStore(Path(sys.argv[1]), b"secret")
store.load()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
assert store.create(record("old", 1), ECHO).get()
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
made = []
for epoch in range(2, 1000):
    try:
        assert store.create(record(f"room-{epoch}", epoch), ECHO).get()
        made.append(epoch)
    except StoreError as error:
        told = error
        break
ended = store.delete("old", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert store.create(record("old", 2000), ECHO).get()
store.close()
store = DurableStore(Path(sys.argv[1]), b"secret")
assert sorted(found.epoch for found in store.load().records) == [*made, 2000]
store.close()
print(len(made), told)
"""


def start(program: str, directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(directory)]
    return start_program(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    with start(COMMITS, tmp_path) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(500)]
        child.send_signal(signal.SIGKILL)
        told += child.stdout.readlines()
    names = {line.strip() for line in told if line.endswith("\n")}
    assert len(names) >= 500
    store = DurableStore(tmp_path, SECRET)
    found = {record.name for record in store.load().records}
    assert names <= found
    assert len(found - names) <= 20  # each writer had one under way
    for name in list(names)[:50]:
        snapshot = store.find_snapshot(name)
        assert snapshot is not None and snapshot.state == name.encode()
    store.close()


def test_a_disk_that_really_takes_no_more(tmp_path: Path) -> None:
    with start(FULL, tmp_path) as child:
        told, _ = child.communicate(timeout=50)
    assert child.returncode == 0
    made, error = told.split(" ", 1)
    assert 0 < int(made) < 900
    assert "cannot be written" in error


# ---- the directory -------------------------------------------------------------------------------------


def test_a_directory_belongs_to_one_registry(run: Run) -> None:
    expected = (
        rf"{run.directory} is in use by the registry with pid {os.getpid()}: stop that, or give this one"
    )
    with pytest.raises(StoreError, match=expected):
        DurableStore(run.directory, SECRET)
    run.again()


def test_a_store_that_does_not_open_leaves_the_directory(tmp_path: Path) -> None:
    DurableStore(tmp_path, SECRET).close()
    with pytest.raises(StoreError, match="another cluster key"):
        DurableStore(tmp_path, b"another")
    DurableStore(tmp_path, SECRET).close()


def test_a_directory_is_made_for_its_owner(tmp_path: Path) -> None:
    DataDirectory(tmp_path / "state" / "stractory").close()
    assert (tmp_path / "state" / "stractory").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "stractory" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=rf"cannot use the data directory {tmp_path}/file: File exists"):
        DataDirectory(tmp_path / "file")


def test_the_default_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_directory(9000) == tmp_path / ".local/state/stractory/registry-9000"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_directory(9000) == tmp_path / ".local/state/stractory/registry-9000"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert default_directory(9000) == Path("/var/state/stractory/registry-9000")


def test_what_was_handed_in_before_is_durable_when_it_is_settled(run: Run) -> None:
    run.store.create(record("one", 5), ECHO)
    deleted = run.store.delete("one", 5)
    assert run.store.settle().get()
    assert deleted.ready()


def test_on_a_full_disk_it_is_not_settled(run: Run) -> None:
    run.store.create(record("one", 5), ECHO).get()
    run.fill_disk()
    run.store.update(large("one", 5))
    with pytest.raises(StoreError, match="cannot be written"):
        run.store.settle().get()
    run.empty_disk()
