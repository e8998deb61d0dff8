"""What the registry keeps, on its disk or in etcd: it is enough, is lost, damaged, or cannot be written."""

from __future__ import annotations

import contextlib
import os
import resource
import signal

import pytest

import stractory
from stractory.errors import StoreError
from tests.lasting.test_coming_back import counter
from tests.support.actors import echo
from tests.support.cluster import until
from tests.support.green import green_until
from tests.support.stores import kept_in_etcd, on_every_store


def store_of(cluster):
    return cluster.folder / "registry" / "registry.db"


def start_again(cluster, harm):
    """kill -9, the harm, and another registry on the same port."""
    cluster.kill_registry()
    harm()
    cluster.restart_registry()


@on_every_store
def test_an_actor_is_made_again_though_worker_and_registry_died(breakable, strac):
    """Row 1, and more: only the store knows what the actor was made of."""
    before = strac.create("counter", stractory.rpc(counter), restart="on-failure")
    pid = strac.get("counter").pid()
    strac.create("other", echo)
    start_again(breakable, lambda: os.kill(pid, signal.SIGKILL))
    handle = green_until(lambda: _served(strac, "counter"))
    assert handle.add() == 1 and handle.pid() != pid
    (now,) = strac.list("counter")
    assert now.epoch > before.epoch and now.restart == "on-failure"


def _served(strac, name):
    with contextlib.suppress(stractory.StractoryError):
        handle = strac.get(name)
        handle.pid()
        return handle


@on_every_store
def test_what_was_destroyed_stays_so(breakable, strac):
    strac.create("counter", stractory.rpc(counter), restart="always")
    pid = strac.get("counter").pid()
    strac.destroy("counter")
    start_again(breakable, lambda: os.kill(pid, signal.SIGKILL))
    until(lambda: len(strac.workers()) == 2)
    assert strac.list("counter") == []


def test_a_store_that_was_deleted(breakable, strac):
    """Row 3."""
    before = [strac.create(f"a{number}", echo) for number in range(4)]
    start_again(breakable, store_of(breakable).unlink)
    until(lambda: len(strac.list("a?")) == 4)
    assert sorted(strac.list("a?")) == sorted(before)
    strac.destroy("a0")
    assert strac.create("a0", echo).epoch > max(info.epoch for info in before)


@pytest.mark.parametrize("cluster", [kept_in_etcd], indirect=True)
def test_an_etcd_that_was_emptied(breakable, strac, etcd):
    """Row 3."""
    before = [strac.create(f"a{number}", echo) for number in range(4)]
    start_again(breakable, etcd.empty)
    until(lambda: len(strac.list("a?")) == 4)
    assert sorted(strac.list("a?")) == sorted(before)
    strac.destroy("a0")
    assert strac.create("a0", echo).epoch > max(info.epoch for info in before)


def shorten(path):
    os.truncate(path, path.stat().st_size - 3000)


def alter(path):
    with open(path, "r+b") as file:
        content = file.read()
        place = content.rindex(b"a2")
        file.seek(place - 40)  # in the seal before it
        file.write(b"\0" * 8)


@pytest.mark.parametrize("harm", [shorten, alter])
def test_a_store_that_was_damaged(breakable, strac, harm):
    """Row 4: what is not as it was is left out, with a warning; the workers bring what they have."""
    before = [strac.create(f"a{number}", echo) for number in range(4)]
    breakable.registry.end()
    breakable.registry = None
    harm(store_of(breakable))
    breakable.restart_registry()
    assert "registry.db was damaged" in breakable.errors()
    until(lambda: len(strac.list("a?")) == 4)
    assert sorted(strac.list("a?")) == sorted(before)


@contextlib.contextmanager
def no_file_grows(pid):
    """Not beyond a size that all its files have already, or nearly: for what is large the disk is full."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def test_a_full_disk(breakable, strac, tmp_path):
    """Row 5: what cannot be kept is not started."""
    strac.create("before", echo)

    def noted(options):
        with open(options["note"], "a") as file:
            file.write("begun\n")
        return echo(options)

    def create():
        options = {"note": str(tmp_path / "note"), "filling": "x" * 300_000}
        return strac.create("large", noted, options=options, restart="on-failure")

    with no_file_grows(breakable.registry.pid):
        with pytest.raises(StoreError, match=r"registry\.db cannot be written"):
            create()
        assert not (tmp_path / "note").exists()
        assert strac.list("large") == []
        assert strac.get("before") is not None
    assert green_until(lambda: _made(create)).state == "running"
    assert (tmp_path / "note").read_text() == "begun\n"


def _made(create):
    with contextlib.suppress(StoreError):
        return create()
