"""What is told to those who watch, to slow ones too, and what that costs the registry."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from stractory.errors import LinkClosed
from stractory.net.process import Process
from stractory.registry.changes import Changes
from stractory.registry.directory import Directory
from stractory.registry.service import Registry
from stractory.registry.settling import Settling
from stractory.registry.watching import ROWS, Watching
from stractory.wire.life import Phase, Report, Terms
from tests.registry.test_service import DEFINITION, life, outcome
from tests.support.chance import chance
from tests.support.green import green_until

PROCESS = Process("elsewhere", 1, 0)


class Registered:
    """A directory with a worker, and watching that remembers ten changes."""

    def __init__(self) -> None:
        self.directory = Directory(random=chance())
        self.settled = Event()
        self.watching = Watching(self.directory, self.settled.wait, remembered=10)
        self.worker = self.directory.register(
            b"1", address="address", process=PROCESS, runtime="any", reports=[], now=0.0
        ).worker

    def create(self, *names: str) -> None:
        for name in names:
            actor = self.directory.reserve(name, kind="stream", runtime=None, create_id=b"", wall=1.0)
            self.directory.confirm(actor, 0.0)

    def destroy(self, *names: str) -> None:
        for name in names:
            actor = self.directory.lookup(name)
            self.directory.begin_end(actor)
            self.directory.ended(actor)


@pytest.fixture
def registered() -> Registered:
    registered = Registered()
    registered.settled.set()
    return registered


def next_of(messages):
    """The next message: its phase, and of each row the name and reason."""
    with gevent.Timeout(20):
        phase, rows = next(messages)
    return phase, [(actor.name, reason) for actor, reason in rows]


def test_the_state_is_told_in_parts_and_then_each_change(registered):
    names = [f"room.{number}" for number in range(2 * ROWS + 1)]
    registered.create(*names)
    messages = registered.watching.watch("*")
    assert next_of(messages) == ("begin", [])
    parts = [next_of(messages) for _ in range(3)]
    assert [phase for phase, _ in parts] == ["state"] * 3
    assert [len(rows) for _, rows in parts] == [ROWS, ROWS, 1]
    assert [name for _, rows in parts for name, _ in rows] == names
    assert next_of(messages) == ("current", [])
    registered.destroy("room.1")
    assert next_of(messages) == ("current", [("room.1", "destroyed")])


def test_only_what_the_pattern_matches_is_told(registered):
    registered.create("room.1", "game.1")
    messages = registered.watching.watch("room.?")
    assert [next_of(messages) for _ in range(3)] == [
        ("begin", []),
        ("state", [("room.1", None)]),
        ("current", []),
    ]
    registered.create("game.2", "room.2")
    registered.destroy("game.1")
    registered.create("room.10", "room.3")
    assert next_of(messages) == ("current", [("room.2", None), ("room.3", None)])


def test_what_happens_while_the_state_is_told_belongs_to_it(registered):
    registered.create("kept", "gone")
    messages = registered.watching.watch("*")
    assert next_of(messages) == ("begin", [])
    registered.destroy("gone")
    registered.create("new")
    assert next_of(messages) == ("state", [("kept", None)])
    assert next_of(messages) == ("current", [("gone", "destroyed"), ("new", None)])


def test_nothing_is_told_until_the_registry_knows_what_there_is():
    registered = Registered()
    messages = registered.watching.watch("*")
    first = gevent.spawn(next_of, messages)
    gevent.idle()
    assert not first.ready()
    registered.create("late")
    registered.settled.set()
    assert first.get(timeout=20) == ("begin", [])
    assert next_of(messages) == ("state", [("late", None)])


def test_what_does_not_concern_a_watcher_does_not_put_it_behind(registered):
    registered.create("room")
    messages = registered.watching.watch("room")
    assert [next_of(messages)[0] for _ in range(3)] == ["begin", "state", "current"]
    waiting = gevent.spawn(next_of, messages)
    gevent.idle()
    registered.create(*(f"other.{number}" for number in range(100)))
    registered.destroy("room")
    registered.create("another")
    assert waiting.get(timeout=20) == ("current", [("room", "destroyed")])


@pytest.mark.parametrize("remembers", [True, False])
def test_a_young_registry_waits_for_its_workers_but_not_for_long(registered, remembers):
    changes = Changes()
    awaited = life(7)
    registered.directory.recall(awaited, b"2", PROCESS, making=None, ending=False, now=0.0)
    settling = Settling(registered.directory, changes, remembers=remembers, seconds=3600)
    waiting = gevent.spawn(settling.wait_for_all)
    gevent.idle()
    registered.directory.register(
        b"2",
        address="address",
        process=PROCESS,
        runtime="any",
        reports=[Report(awaited, Phase.RUNNING)],
        now=0.0,
    )
    changes.notify_all()
    gevent.idle()
    gevent.idle()
    assert waiting.ready() == remembers  # another may be anywhere
    waiting.kill()
    Settling(registered.directory, changes, remembers=False, seconds=0).wait_for_all()


def test_what_is_awaited_is_in_the_state(registered):
    registered.directory.recall(life(7), b"2", PROCESS, making=None, ending=False, now=0.0)
    messages = registered.watching.watch("*")
    assert next_of(messages) == ("begin", [])
    assert next(messages)[1][0][0].state == "awaited"


def test_a_slow_watcher_is_told_the_state_anew(registered):
    registered.create("kept", "gone")
    quick, slow = registered.watching.watch("*"), registered.watching.watch("*")
    for messages in (quick, slow):
        assert [next_of(messages)[0] for _ in range(3)] == ["begin", "state", "current"]
    registered.destroy("gone")
    assert next_of(quick) == ("current", [("gone", "destroyed")])
    for number in range(30):
        name = f"short.{number}"
        registered.create(name)
        registered.destroy(name)
        assert next_of(quick) == ("current", [(name, None), (name, "destroyed")])
    registered.create("new")
    assert [next_of(slow) for _ in range(3)] == [
        ("begin", []),
        ("state", [("kept", None), ("new", None)]),
        ("current", []),
    ]


def test_a_watcher_that_is_slow_to_take_the_state_begins_anew(registered):
    registered.create(*(f"room.{number}" for number in range(2 * ROWS)))
    messages = registered.watching.watch("*")
    assert [next_of(messages)[0] for _ in range(2)] == ["begin", "state"]
    registered.destroy(*(f"room.{number}" for number in range(2 * ROWS - 1)))
    assert next_of(messages) == ("begin", [])
    assert next_of(messages) == ("state", [(f"room.{2 * ROWS - 1}", None)])


def test_what_is_kept_for_watchers_has_a_limit_and_goes_with_the_last(registered):
    registered.create("room")
    watching = registered.watching
    idle = [watching.watch("*") for _ in range(100)]
    for messages in idle:
        assert next_of(messages) == ("begin", [])
    for number in range(100):
        registered.create(f"room.{number}")
    assert len(watching._last) == 10 and watching._moment is None
    assert watching.watchers == 100
    for messages in idle:
        messages.close()
    assert watching.watchers == 0
    assert not watching._last


def test_nothing_is_kept_when_nobody_watches(registered):
    registered.create("room")
    assert not registered.watching._last


def test_a_watcher_that_waits_can_be_ended(registered):
    waiting = gevent.spawn(list, registered.watching.watch("*"))
    green_until(lambda: registered.watching.watchers)
    gevent.idle()
    waiting.kill(timeout=20)
    assert registered.watching.watchers == 0


# ---- with orders to workers ------------------------------------------------------------------------------


class Watcher:
    """Everything that is told of one registry's actors."""

    def __init__(self, registry: Registry) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.task = gevent.spawn(self._keep, registry.watching.watch("*"))

    def _keep(self, messages) -> None:
        for _, rows in messages:
            self.told += [(f"{actor.name} {actor.epoch}", reason) for actor, reason in rows]

    def next(self) -> tuple[str, str | None]:
        green_until(lambda: self.told)
        return self.told.pop(0)


@pytest.fixture
def watcher(registry, worker):
    watcher = Watcher(registry)
    green_until(lambda: registry.watching.watchers)
    yield watcher
    watcher.task.kill()


def created(registry, worker, restart="never"):
    terms = Terms(restart=restart)
    creating = outcome(registry.create, "room", DEFINITION.digest, {}, "error", b"", terms, 20.0)
    worker.told("create").answer.set()
    return creating.get(timeout=20)


def test_a_replaced_actor_is_destroyed_and_the_next_is_born(registry, worker, watcher):
    old = created(registry, worker)
    assert watcher.next() == (f"room {old.epoch}", None)
    replacing = outcome(registry.create, "room", DEFINITION.digest, {}, "replace", b"2", Terms(), 20.0)
    worker.told("destroy").answer.set()
    assert watcher.next() == (f"room {old.epoch}", "destroyed")
    worker.told("create").answer.set()
    assert watcher.next() == (f"room {replacing.get(timeout=20).epoch}", None)


@pytest.mark.parametrize("status, reason", [(0, "exited"), (3, "crashed"), (-9, "crashed")])
def test_a_child_that_ends(registry, worker, watcher, status, reason):
    room = created(registry, worker)
    assert watcher.next() == (f"room {room.epoch}", None)
    registry.members.exited(worker.worker, "room", room.epoch, status)
    assert watcher.next() == (f"room {room.epoch}", reason)


@pytest.mark.parametrize("status, restart", [(1, "on-failure"), (0, "always")])
def test_a_child_that_ends_and_comes_back_is_told_of_when_it_runs(registry, worker, watcher, status, restart):
    room = created(registry, worker, restart)
    assert watcher.next() == (f"room {room.epoch}", None)
    registry.members.exited(worker.worker, "room", room.epoch, status)
    again = worker.told("create")
    gevent.idle()
    assert not watcher.told
    again.answer.set()
    name, reason = watcher.next()
    assert name != f"room {room.epoch}" and reason is None


def test_a_child_that_ends_well_does_not_come_back_on_failure(registry, worker, watcher):
    room = created(registry, worker, "on-failure")
    assert watcher.next() == (f"room {room.epoch}", None)
    registry.members.exited(worker.worker, "room", room.epoch, 0)
    assert watcher.next() == (f"room {room.epoch}", "exited")
    gevent.idle()
    assert worker.orders.empty() and registry.list_actors("*") == []


def test_a_worker_that_says_goodbye_was_drained(registry, worker, watcher):
    room = created(registry, worker)
    registry.members.leaving(worker.worker)
    registry.members.goodbye(worker.worker)
    assert [watcher.next(), watcher.next()] == [
        (f"room {room.epoch}", None),
        (f"room {room.epoch}", "drained"),
    ]


def test_a_child_that_ended_while_the_link_was_cut(registry, worker, watcher):
    room = created(registry, worker)
    assert watcher.next() == (f"room {room.epoch}", None)
    worker.register(Report(life(room.epoch), Phase.ENDING))
    registry.members.exited(worker.worker, "room", room.epoch, 3)
    assert watcher.next() == (f"room {room.epoch}", "crashed")


def test_a_link_that_is_cut_is_no_death(registry, worker, watcher):
    room = created(registry, worker)
    assert watcher.next() == (f"room {room.epoch}", None)
    registry._directory.unlink(worker.worker)
    worker.register(Report(life(room.epoch), Phase.RUNNING))
    gevent.idle()
    assert not watcher.told


def test_a_destroy_whose_link_was_cut_is_told_when_it_is_known(registry, worker, watcher):
    room = created(registry, worker)
    assert watcher.next() == (f"room {room.epoch}", None)
    outcome(registry.destroy, "room", 20.0)
    worker.told("destroy").answer.set_exception(LinkClosed("cut"))
    gevent.idle()
    assert not watcher.told
    worker.register()
    assert watcher.next() == (f"room {room.epoch}", "destroyed")
