"""What ps shows of the daemons, with setproctitle and without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import stractory
from stractory.net.title import shown
from tests.factory.test_what_processes_get import children_of
from tests.support.cluster import Cluster, Daemon, until

ROOT = Path(__file__).resolve().parents[2]


def room(options):
    return {"hello": lambda: "hello"}


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")


def titles(parent: Daemon | None) -> set[str]:
    """Its own, and those of all that it has started."""
    assert parent is not None
    pids, found = [parent.pid], set()
    while pids:
        pid = pids.pop()
        found.add(title_of(pid))
        pids += children_of(pid)
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("room", "'room'"),
        ("a" * 40, repr("a" * 40)),
        ("a" * 41, repr("a" * 40 + "...")),
        ("\x1b\n", r"'\x1b\n'"),
    ],
)
def test_the_name_of_an_actor_is_cut_and_escaped(name: str, text: str) -> None:
    assert shown(name) == text


def test_each_process_has_one() -> None:
    pytest.importorskip("setproctitle")
    with Cluster(workers=2) as cluster, cluster.client() as strac:
        assert titles(cluster.registry) == {f"stractory: registry {cluster.address}"}
        where = {f"stractory: worker {worker.address}" for worker in strac.workers()}
        assert len(where) == 2 and titles(cluster.pool) >= {"stractory: pool of 2", *where}
        strac.create("a\nroom", stractory.rpc(room), isolate=True)
        assert r"stractory: isolated actor 'a\nroom'" in titles(cluster.pool)
        strac.destroy("a\nroom")
        until(lambda: not [title for title in titles(cluster.pool) if "isolated actor" in title])
        assert cluster.registry is not None
        environment = Path(f"/proc/{cluster.registry.pid}/environ").read_text().split("\0")
        assert f"STRACTORY_KEY_FILE={cluster.key_file}" in environment  # it was not written over


def test_without_setproctitle_they_start_all_the_same() -> None:
    cluster = Cluster(workers=1)
    cluster.env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests/support/untitled"), str(ROOT)])
    with cluster:
        (title,) = titles(cluster.registry)
        assert "bin/stractory\0--listen=" in title
