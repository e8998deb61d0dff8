"""The environment and descriptors of all that a worker starts: no more than each needs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest

import stractory
from stractory.worker.pool import READY
from tests.support.cluster import Cluster, until

VOUCHER = "/memfd:stractory-voucher (deleted)"


class Seen(NamedTuple):
    """A process, as the system shows it."""

    pid: int
    words: list[str]

    @property
    def environment(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.pid}/environ").read_text().split("\0")
        return dict(line.split("=", 1) for line in lines if line)

    @property
    def open(self) -> dict[int, str]:
        """What each descriptor is, by the kernel's word, the same for all who share it."""
        found = {}
        for number in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found[int(number.name)] = os.readlink(number)
        return found

    @property
    def kinds(self) -> dict[int, str]:
        """What kind each is. At the beginning of a program some are just being closed: wait."""
        return {number: what.partition(":")[0] for number, what in self.open.items()}


def look_at(pid: int) -> Seen:
    return Seen(pid, Path(f"/proc/{pid}/cmdline").read_text().split("\0"))


def find(parent: int, word: str) -> Seen:
    """The child of that process with this in its command line, once there is one."""

    def found() -> list[Seen]:
        seen = map(look_at, children_of(parent))
        return [child for child in seen if word in " ".join(child.words)]

    return until(found)[0]


def children_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in threads for child in children.read_text().split()]


def hold(options):
    """Holds the interpreter when it is told to."""

    def now():
        import ctypes

        while True:
            ctypes.PyDLL(None).pause()

    return {"now": now}


@pytest.fixture(scope="module")
def started():
    """A registry, and the pid of a worker whose environment has settings."""
    with Cluster(workers=0) as cluster:
        cluster.env["STRACTORY_REGISTRY"] = cluster.address
        cluster.env["OTHER"] = "kept"
        worker = cluster.daemon("stractory-worker", "--listen=0", "--block-interrupt=0", "--block-exit=1")
        worker.wait_line(READY)
        yield cluster, worker
        if worker.process.poll() is None:
            worker.end()


def check_environment(seen: Seen) -> None:
    assert seen.environment["OTHER"] == "kept"
    assert not [name for name in seen.environment if name.startswith("STRACTORY_")]


def test_a_command_gets_its_pipes(started):
    cluster, worker = started
    with cluster.client() as strac:
        strac.create("cat", stractory.spawn("cat"))
        keeper = find(worker.pid, "keeper.py")
        cat = find(keeper.pid, "cat")
        check_environment(cat)
        until(lambda: cat.kinds == {0: "pipe", 1: "pipe", 2: "pipe"})
        check_environment(keeper)
        until(lambda: sorted(keeper.kinds.values()) == ["anon_inode", "socket"])
        assert "anon_inode:[pidfd]" in keeper.open.values()
        strac.destroy("cat")


def test_a_command_with_an_environment_of_its_own_gets_no_other(started):
    cluster, worker = started
    environment = {"ONE": "1", "LC_ALL": "C"}  # without a locale Python, the keeper's, sets one
    with cluster.client() as strac:
        strac.create("own", stractory.spawn("/bin/cat", env=environment))
        own = find(find(worker.pid, "keeper.py").pid, "cat")
        assert own.environment == environment
        strac.destroy("own")


def ignores(seen: Seen, number: int) -> bool:
    (mask,) = re.findall(r"SigIgn:\s(\w+)", Path(f"/proc/{seen.pid}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_a_signal_for_the_worker_ends_none_of_its_helpers(started):
    cluster, worker = started
    with cluster.client() as strac:
        strac.create("cat", stractory.spawn("cat"))
        keeper = find(worker.pid, "keeper.py")
        for helper in (keeper, find(worker.pid, "watchman.py")):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR2):
                until(lambda helper=helper, number=number: ignores(helper, number))
        assert not ignores(find(keeper.pid, "cat"), signal.SIGUSR2)  # what is to do with it is its own affair
        strac.destroy("cat")


def test_the_process_of_an_isolated_actor_gets_a_voucher(started):
    cluster, worker = started
    with cluster.client() as strac:
        strac.create("alone", stractory.rpc(hold), isolate=True)
        alone = find(worker.pid, "isolated")
        check_environment(alone)
        parents = look_at(worker.pid).open.values()
        shared = {what for number, what in alone.open.items() if number > 2 and what in parents}
        assert {what for what in shared if what.startswith(("socket:", "pipe:", "/memfd:"))} == {VOUCHER}
        (voucher,) = (number for number, what in alone.open.items() if what == VOUCHER)
        flags = Path(f"/proc/{alone.pid}/fdinfo/{voucher}").read_text()
        assert int(flags.split("flags:")[1].split()[0], 8) & os.O_CLOEXEC  # its own children not
        strac.destroy("alone")


def test_who_ends_a_worker_gets_its_stacks_and_who_tells_of_it_nothing(started):
    cluster, worker = started
    watchman = find(worker.pid, "watchman.py")
    check_environment(watchman)
    errors = watchman.open[2]
    until(lambda: watchman.kinds == {0: "pipe", 1: "/dev/null", 2: errors, int(watchman.words[7]): "/memfd"})
    with cluster.client() as strac:
        strac.create("holding", stractory.rpc(hold))
        strac.get("holding").now.send()
        gevent.idle()
        cluster.kill_registry()  # so that it has to go on trying
    until(lambda: "stractory.worker.accusation" in look_at(watchman.pid).words)
    accusing = look_at(watchman.pid)
    check_environment(accusing)
    until(lambda: "/memfd" not in accusing.kinds.values())
    os.kill(accusing.pid, signal.SIGKILL)
    assert worker.join() != 0
