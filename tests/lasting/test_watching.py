"""Who watches hears of births, moves and deaths of actors on real workers, though the registry is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import gevent
import pytest

import stractory
from tests.support.actors import echo
from tests.support.cluster import Cluster, alive, until
from tests.support.green import green_until
from tests.support.stores import on_every_store

WAIT = 30.0


def process(options):
    """Tells which its process is."""
    import os

    return {"pid": os.getpid}


class Watcher:
    """Watches in a green thread, with a client of its own."""

    def __init__(self, cluster: Cluster, pattern: str) -> None:
        self.changes: list[stractory.Change] = []
        self.there: dict[str, stractory.ActorInfo] = {}
        self._strac = cluster.client()
        self._watch = self._strac.watch(pattern)
        self._task = gevent.spawn(self._keep)

    def _keep(self) -> None:
        for change in self._watch:
            self.changes.append(change)
            if change.kind == "died":
                del self.there[change.name]
            else:
                self.there[change.name] = change.actor

    def next(self) -> stractory.Change:
        green_until(lambda: self.changes, WAIT)
        return self.changes.pop(0)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error) -> None:
        self._watch.close()
        self._task.get(timeout=WAIT)
        self._strac.close()


def short(change):
    return change.kind, change.name, change.reason


def pid_of(strac, name):
    with contextlib.closing(strac.connect(name)) as client:
        return client.pid()


def hear(strac, name):
    """Until the child has ended, and longer."""
    with contextlib.suppress(stractory.ActorExited), strac.connect(name) as child:
        while child.recv(4096):
            pass


@on_every_store
def test_births_and_deaths_with_their_reasons(cluster, strac):
    strac.create("room.first", echo)
    with Watcher(cluster, "room.*") as watcher:
        first = watcher.next()
        assert short(first) == ("present", "room.first", None)
        assert first.actor == strac.list("room.first")[0]

        strac.create("other", echo)
        born = strac.create("room.second", echo)
        assert watcher.next() == ("born", born, None)

        strac.destroy("room.first")
        assert short(watcher.next()) == ("died", "room.first", "destroyed")
        replaced = strac.create("room.second", echo, if_exists="replace")
        assert watcher.next() == ("died", born, "destroyed")
        assert watcher.next() == ("born", replaced, None)

        for status, reason in ((0, "exited"), (1, "crashed")):
            strac.create("room.child", stractory.spawn("sh", ["-c", f"exit {status}"]))
            hear(strac, "room.child")
            assert short(watcher.next()) == ("born", "room.child", None)
            assert short(watcher.next()) == ("died", "room.child", reason)
        strac.create("room.child", stractory.spawn("cat"))
        strac.destroy("room.child")
        assert short(watcher.next()) == ("born", "room.child", None)
        assert short(watcher.next()) == ("died", "room.child", "destroyed")

        with pytest.raises(stractory.ActorStartFailed):
            strac.create("room.failing", stractory.rpc(lambda options: 1 / 0))
        strac.create("room.last", echo)
        assert short(watcher.next()) == ("born", "room.last", None)


@on_every_store
@pytest.mark.parametrize("number, reason", [(signal.SIGKILL, "worker lost"), (signal.SIGTERM, "drained")])
def test_a_worker_that_ends(cluster, strac, number, reason):
    with Watcher(cluster, "*") as watcher:
        for index in range(8):
            strac.create(f"plain.{index}", stractory.rpc(process))
            strac.create(f"child.{index}", stractory.spawn("cat"))
            strac.create(f"lasting.{index}", stractory.rpc(process), restart="on-failure")
        green_until(lambda: len(watcher.there) == 24)
        before = watcher.there.copy()
        worker = before["plain.0"].worker
        touched = {name for name, actor in before.items() if actor.worker == worker}
        moving = {name for name in touched if name.startswith("lasting")}
        watcher.changes.clear()
        os.kill(pid_of(strac, "plain.0"), number)
        green_until(lambda: len(watcher.changes) >= len(touched), WAIT)
        assert {short(change) for change in watcher.changes} == {
            *(("died", name, reason) for name in touched - moving),
            *(("moved", name, None) for name in moving),
        }
        assert all(watcher.there[name].epoch > before[name].epoch for name in moving)


@on_every_store
def test_what_comes_back_has_moved(cluster, strac):
    with Watcher(cluster, "*") as watcher:
        first = strac.create("lasting", stractory.rpc(process), restart="on-failure")
        assert watcher.next() == ("born", first, None)
        os.kill(pid_of(strac, "lasting"), signal.SIGKILL)
        moved = watcher.next()
        assert short(moved) == ("moved", "lasting", None)
        assert moved.actor.epoch > first.epoch
        assert moved.actor == strac.list("lasting")[0]
        strac.destroy("lasting")
        assert watcher.next() == ("died", moved.actor, "destroyed")


def test_a_registry_that_is_killed_and_started_again(store_arguments):
    with (
        Cluster(workers=2, respawn_delay=600, registry_arguments=store_arguments) as cluster,
        cluster.client() as strac,
        Watcher(cluster, "*") as watcher,
    ):
        for number in range(20):
            strac.create(f"room.{number}", stractory.rpc(process))
            strac.create(f"lasting.{number}", stractory.rpc(process), restart="on-failure")
        green_until(lambda: len(watcher.there) == 40)
        pid = pid_of(strac, "room.0")
        watcher.changes.clear()

        strac.create("child", stractory.spawn("sh", ["-c", "read line; exit 3"]))
        assert short(watcher.next()) == ("born", "child", None)
        with strac.connect("child") as child:
            cluster.kill_registry()
            child.sendall(b"go\n")
            with pytest.raises(stractory.ActorExited):
                child.recv(1)
        cluster.restart_registry()
        kind, name, reason = short(watcher.next())
        # Whoever is back after the worker has told of it cannot hear the reason any more.
        assert (kind, name) == ("died", "child") and reason in ("crashed", "unknown")

        cluster.restart_registry()
        born = strac.create("new", echo)
        assert watcher.next() == ("born", born, None)  # and before it nothing of the others

        cluster.kill_registry()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        cluster.restart_registry()
        worker = watcher.there["room.0"].worker
        touched = {name for name, actor in watcher.there.items() if actor.worker == worker}
        moving = {name for name in touched if name.startswith("lasting")}
        green_until(lambda: len(watcher.changes) >= len(touched), WAIT)
        assert {short(change) for change in watcher.changes} == {
            *(("died", name, "unknown") for name in touched - moving),
            *(("moved", name, None) for name in moving),
        }
        assert {(actor.name, actor.epoch, actor.worker) for actor in watcher.there.values()} == {
            (info.name, info.epoch, info.worker) for info in strac.list()
        }


def test_a_hundred_watchers_and_some_that_do_not_read(cluster, strac):
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(cluster, f"room.{number % 10}.*")) for number in range(100)]
        other = stack.enter_context(cluster.client())
        idle = [other.watch() for _ in range(10)]
        names = [f"room.{number % 10}.{number}" for number in range(50)]
        for name in names:
            strac.create(name, echo)
        green_until(lambda: all(len(watcher.there) == 5 for watcher in watchers), WAIT)
        for name in names:
            strac.destroy(name)
        green_until(lambda: all(not watcher.there for watcher in watchers), WAIT)
        assert {len(watcher.changes) for watcher in watchers} == {10}
        for watch in idle:
            seen = [next(watch) for _ in range(100)]
            assert [change.name for change in seen if change.kind == "died"] == names


def test_a_client_with_a_loop_of_its_own(cluster, strac):
    with cluster.client(background=True) as background:
        watch = background.watch("room.*", timeout=WAIT)
        assert isinstance(watch, stractory.Watch)
        seen = []

        def keep():
            for change in watch:
                seen.append(short(change))

        thread = threading.Thread(target=keep)
        thread.start()
        strac.create("room.1", echo)
        strac.destroy("room.1")
        until(lambda: len(seen) == 2)
        assert seen == [("born", "room.1", None), ("died", "room.1", "destroyed")]
        watch.close()
        thread.join(WAIT)
        assert not thread.is_alive()
        with pytest.raises(stractory.CallTimeout):
            next(background.watch("room.*", timeout=0.05))
        left = background.watch("room.*")
    with pytest.raises(stractory.RegistryUnavailable, match="was closed"):
        next(left)
