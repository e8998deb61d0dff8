"""Lines in a file: written soon, all of them at the end, and what becomes of those that cannot be."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from stractory.errors import ConfigError
from stractory.store import lines as module
from stractory.store.lines import Lines
from tests.support.green import green_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def make(path: Path) -> Lines:
    return Lines("audit-log", path, "{} are missing".format)


def test_it_is_for_its_owner_alone(path: Path) -> None:
    make(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_are_appended(path: Path) -> None:
    path.write_text("before\n")
    lines = make(path)
    lines.add("a")
    lines.add("b")
    green_until(lambda: path.read_text() == "before\na\nb\n")
    lines.add("c")
    lines.close()
    assert path.read_text() == "before\na\nb\nc\n"


def test_the_file_may_be_moved_away(path: Path) -> None:
    lines = make(path)
    lines.add("a")
    green_until(lambda: path.read_text() == "a\n")
    path.rename(path.with_suffix(".1"))
    lines.add("b")
    lines.close()
    assert path.with_suffix(".1").read_text() == "a\n" and path.read_text() == "b\n"


def test_one_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    where = tmp_path / "nowhere/audit.log"
    with pytest.raises(ConfigError, match=rf"audit-log: cannot write {where}: No such file"):
        make(where)


def test_no_link_is_followed_and_no_pipe_waited_for(path: Path, tmp_path: Path) -> None:
    lines = make(path)
    other = tmp_path / "other"
    other.touch()
    path.unlink()
    path.symlink_to(other)
    with pytest.raises(
        ConfigError, match=f"cannot write {path}: it is a symbolic link; name the file itself"
    ):
        make(path)
    lines.add("a")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="No such device"):  # nobody reads it
        make(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ConfigError, match="Not a regular file"):
        make(path)
    os.close(reader)
    path.unlink()
    lines.close()
    assert (path.read_text(), other.read_text()) == ("a\n", "")


def test_what_cannot_be_written_is_told_once_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(module, "RETRY", 0.01)
    lines = make(path)
    path.unlink()
    path.mkdir()
    lines.add("a")
    tried = []
    append = module._append
    monkeypatch.setattr(module, "_append", lambda *args: tried.append(args) or append(*args))
    green_until(lambda: len(tried) > 3)
    path.rmdir()
    green_until(lambda: path.exists() and path.read_text() == "a\n")
    lines.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"audit-log {path} cannot be written: Is a directory",
        f"audit-log {path} can be written again",
    ]


def test_nothing_is_left_of_what_was_written_in_part(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("before\n")

    class Full(io.FileIO):
        """A file of which only a part is written."""

        def write(self, data: memoryview) -> int:
            if len(data) < 6:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data[:3])

    def opened(path: Path, mode: str, buffering: int, opener: Any) -> Full:
        return Full(path, mode, opener=opener)

    monkeypatch.setattr(module, "open", opened, raising=False)
    error = module._append(path, b"12345678")
    assert error is not None and error.errno == errno.ENOSPC
    assert path.read_text() == "before\n"


def test_those_beyond_the_limit_are_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    lines = make(path)
    for letter in "abcdefg":
        lines.add(letter)
    lines.close()
    assert path.read_text() == "a\nb\nc\n4 are missing\n"
    assert caplog.records[0].getMessage().startswith(f"audit-log {path}: 4 lines are missing")
    assert len(caplog.records) == 1


def test_a_disk_that_stays_full_holds_up_no_end(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = make(path)
    path.unlink()
    path.mkdir()
    lines.add("a")
    lines.close()
    assert caplog.records[-1].getMessage() == f"audit-log {path}: 1 lines were not written"
