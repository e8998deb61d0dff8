"""Key files that are not as they have to be, and the modes of all that daemons write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import stractory
from stractory.proof import keys
from tests.security.guarded import Guarded
from tests.support.actors import echo
from tests.support.cluster import Cluster
from tests.support.green import green_until

Spoil = Callable[[Path], None]


def link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


MISTAKES: dict[str, tuple[Spoil, str]] = {
    "symbolic link": (link, "cannot use the key file FILE: it is a symbolic link; name the file itself"),
    "others can read": (lambda path: path.chmod(0o604), "can be used by others (mode 604): chmod 600 FILE"),
    "group can write": (lambda path: path.chmod(0o620), "can be used by others (mode 620): chmod 600 FILE"),
    "another's": (lambda path: os.chown(path, 4711, -1), "the key file FILE is owned by uid 4711, not by"),
    "folder": (folder, "cannot use the key file FILE: Is a directory"),
    "fifo": (fifo, "the key file FILE is no regular file"),
    "empty": (lambda path: path.write_text(""), "the key file FILE has no key"),
    "no text": (lambda path: path.write_bytes(b"\xff" * 99), "cannot use the key file FILE: "),
    "short": (lambda path: path.write_text(path.read_text()[:-9]), "FILE:1: not a key line"),
}


@pytest.fixture(params=MISTAKES.values(), ids=MISTAKES.keys())
def spoiled(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A key file, and what is said of it."""
    spoil, text = request.param
    path = tmp_path / "spoiled.key"
    keys.write_new(path)
    try:
        spoil(path)
    except PermissionError:
        pytest.skip("only root gives files away")
    return path, text.replace("FILE", str(path))


@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_a_daemon_does_not_start_with_it(guarded: Guarded, spoiled: tuple[Path, str], program: str) -> None:
    path, text = spoiled
    daemon = guarded.cluster.daemon(program, "--listen=127.0.0.1:0", f"--key-file={path}")
    assert daemon.join() == 1
    assert guarded.told(f"{program.removesuffix('s')}: ", text) or guarded.told(f"{program}: ", text)
    assert not guarded.told("Traceback")


def test_a_client_does_not_use_it(guarded: Guarded, spoiled: tuple[Path, str]) -> None:
    path, text = spoiled
    with (
        guarded.client(key_file=path) as client,
        pytest.raises(stractory.AuthError) as raised,
    ):
        client.list(timeout=10)
    assert text in str(raised.value)
    assert str(raised.value).count(str(path)) <= 2 and str(raised.value).count("the key file") <= 1


def test_what_daemons_write_is_for_their_user_alone(name: str) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        cluster = Cluster(workers=1)
        with cluster, cluster.client() as strac:
            strac.create(name, echo, restart="on-failure")
            strac.destroy(name)
            green_until((cluster.folder / "registry/audit.log").exists)
            written = [cluster.key_file, *(cluster.folder / "registry").rglob("*")]
            modes = {path: path.stat().st_mode & 0o777 for path in [*written, cluster.folder / "registry"]}
    finally:
        os.umask(before)
    assert len(modes) >= 4
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
