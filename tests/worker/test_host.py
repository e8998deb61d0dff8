"""The table of a worker's actors: which life there is, and who waits for whom."""

from __future__ import annotations

import gc
import itertools
import logging
import weakref

import gevent
import pytest
from gevent.event import Event

from stractory.errors import ActorNotShippable, ActorStartFailed, PlacementError, StaleLocation
from stractory.net.answers import deadline
from stractory.wire.life import Life, Phase, Report, Terms
from stractory.wire.shipping import Code, Definition
from stractory.worker import actor as actor_module
from stractory.worker.host import Host
from stractory.worker.loading import Loader

NAME = "room"
LIMIT = 20.0


def act(options, context):
    """An init that is this process's own, so that tests can look into it."""
    return options["init"](context)


def definition(**options):
    return Definition("stream", Code.imported(f"{__name__}:act"), None, options)


def life(epoch, name=NAME):
    return Life(name, "stream", epoch, 0.0, b"", False)


class Room:
    """A handler whose destroy() is counted, and waits if it is told to."""

    def __init__(self):
        self.destroyed = 0
        self.reached = Event()
        self.gate = Event()
        self.gate.set()

    def __call__(self, stream, address):
        pass

    def destroy(self):
        self.reached.set()
        self.gate.wait()
        self.destroyed += 1


class Client:
    closed = False

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What does not stop is not waited for."""
    monkeypatch.setattr("stractory.worker.host.STOP_LIMIT", 0.1)
    monkeypatch.setattr(actor_module, "STOP_LIMIT", 0.1)


@pytest.fixture
def host():
    return Host(Client)


def create(host, epoch, init, name=NAME):
    host.define(definition().packed)
    return host.create(life(epoch, name), definition().digest, {"init": init})


def error_of(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error
    return None


def gated(room, gate, reached):
    def init(context):
        reached.set()
        gate.wait()
        return room

    return init


def test_one_that_only_imports_refuses_code_that_travels_unopened(monkeypatch):
    monkeypatch.setattr("stractory.worker.loading.load", lambda code: pytest.fail("it was opened"))
    host = Host(Client, imports_only=True)
    shipped = Definition("stream", Code.shipped(b"no pickle", "cpython-311", "0.4"), None, {})
    host.define(shipped.packed)
    with pytest.raises(ActorNotShippable, match="give init as"):
        host.create(life(1), shipped.digest, {})
    assert host.reports() == []


# ---- ending ----------------------------------------------------------------------------------------------


def test_what_is_ended_before_it_begins_does_not_begin(host):
    host.destroy(NAME, 2)
    assert isinstance(error_of(create, host, 2, lambda context: Room()), StaleLocation)
    create(host, 3, lambda context: Room())
    assert [report.life.epoch for report in host.reports()] == [3]


def test_a_second_destroy_waits_for_the_first(host):
    room = Room()
    room.gate.clear()
    create(host, 1, lambda context: room)
    first = gevent.spawn(host.destroy, NAME, 1)
    room.reached.wait()
    second = gevent.spawn(host.destroy, NAME, 1)
    gevent.idle()
    assert not second.ready()
    room.gate.set()
    gevent.joinall([first, second], timeout=LIMIT)
    assert second.ready() and room.destroyed == 1
    assert host.destroy(NAME, 1) is None  # it has ended already


def test_a_destroy_that_comes_as_init_returns(host):
    room = Room()

    def init(context):
        gevent.spawn(host.destroy, NAME, 1)
        return room

    assert create(host, 1, init).server._handler is room
    gevent.idle()
    assert room.destroyed == 1 and host.reports() == []


def test_destroy_while_it_starts(host):
    room, gate, reached = Room(), Event(), Event()
    creating = gevent.spawn(error_of, create, host, 1, gated(room, gate, reached))
    reached.wait()
    waiting = gevent.spawn(error_of, create, host, 1, gated(room, gate, reached))
    host.destroy(NAME, 1)
    assert isinstance(creating.get(timeout=LIMIT), gevent.GreenletExit)
    assert isinstance(waiting.get(timeout=LIMIT), StaleLocation)
    assert host.reports() == [] and room.destroyed == 0


def test_an_init_that_does_not_stop_is_ended_when_it_returns(host, caplog):
    room, gate, reached = Room(), Event(), Event()

    def stubborn(context):
        reached.set()
        while not gate.is_set():
            try:
                gate.wait()
            except gevent.GreenletExit:
                continue
        return room

    creating = gevent.spawn(error_of, create, host, 1, stubborn)
    reached.wait()
    host.destroy(NAME, 1)
    assert "init catches GreenletExit" in caplog.text
    gate.set()
    assert isinstance(creating.get(timeout=LIMIT), gevent.GreenletExit)
    assert room.reached.wait(LIMIT) and host.reports() == []


def test_close_ends_what_runs_and_what_starts(host):
    running, starting, reached = Room(), Room(), Event()

    def finishes_when_killed(context):
        reached.set()
        try:
            Event().wait()
        except gevent.GreenletExit:
            return starting

    create(host, 1, lambda context: running, "running")
    creating = gevent.spawn(error_of, create, host, 2, finishes_when_killed, "starting")
    reached.wait()
    host.close(LIMIT)
    assert (running.destroyed, starting.destroyed) == (1, 1)
    assert isinstance(creating.get(timeout=LIMIT), gevent.GreenletExit)
    assert isinstance(error_of(create, host, 3, lambda context: Room(), "late"), PlacementError)


def test_close_does_not_wait_for_ever(host, caplog):
    room = Room()
    room.gate.clear()
    create(host, 1, lambda context: room)
    host.close(0.1)
    assert "did not end within 0.1 s" in caplog.text
    room.gate.set()


def test_a_destroy_that_catches_everything_is_left_alone(host, monkeypatch, caplog):
    monkeypatch.setattr(actor_module, "DESTROY_LIMIT", 0.1)
    over = Event()

    class Stubborn(Room):
        def destroy(self):
            while not over.is_set():
                try:
                    over.wait()
                except BaseException:  # noqa: S112  # that it does is the case
                    continue

    create(host, 1, lambda context: Stubborn())
    host.destroy(NAME, 1)
    assert f"destroy() of actor {NAME!r} did not return" in caplog.text
    over.set()


def test_what_ends_with_its_worker_counts_as_running_until_that_has_gone(host):
    """A registry that was started meanwhile is to make it again: with its destroy() under way, and after."""
    host.define(definition().packed)
    slow, quick = Room(), Room()
    slow.gate.clear()
    lives = [life(1, "slow"), life(2, "quick"), life(3, "ended")]
    lives = [each._replace(terms=Terms(restart="always")) for each in lives]
    for each, room in zip(lives, [slow, quick, Room()], strict=True):
        host.create(each, definition().digest, {"init": lambda context, room=room: room})
    create(host, 4, lambda context: Room(), "never")
    closing = gevent.spawn(host.close, LIMIT)
    assert slow.reached.wait(LIMIT)
    host.destroy("ended", 3)
    assert quick.destroyed == 1
    assert host.reports() == [Report(each, Phase.RUNNING) for each in lives[:2]]
    slow.gate.set()
    closing.join(LIMIT)
    assert host.reports() == [Report(each, Phase.RUNNING) for each in lives[:2]]


# ---- what the registry is told -----------------------------------------------------------------------------


def phases(host):
    return [report.phase for report in host.reports()]


def test_a_life_is_reported_from_its_start_to_its_end(host):
    room, gate, reached = Room(), Event(), Event()
    room.gate.clear()
    creating = gevent.spawn(create, host, 1, gated(room, gate, reached))
    reached.wait()
    assert phases(host) == [Phase.STARTING]
    started = gevent.spawn(host.outcome, life(1))
    gevent.idle()
    assert not started.ready()
    gate.set()
    assert started.get(timeout=LIMIT) is True
    creating.get(timeout=LIMIT)
    assert phases(host) == [Phase.RUNNING]
    gevent.spawn(host.destroy, NAME, 1)
    room.reached.wait()
    assert phases(host) == [Phase.ENDING]
    ended = gevent.spawn(host.outcome, life(1))
    gevent.idle()
    assert not ended.ready()
    room.gate.set()
    assert ended.get(timeout=LIMIT) is False
    assert phases(host) == [] and host.outcome(life(1)) is False


def test_the_outcome_of_a_start_that_fails(host):
    gate, reached = Event(), Event()

    def init(context):
        reached.set()
        gate.wait()
        raise ValueError("no")

    creating = gevent.spawn(error_of, create, host, 1, init)
    reached.wait()
    outcome = gevent.spawn(host.outcome, life(1))
    gevent.idle()
    gate.set()
    assert outcome.get(timeout=LIMIT) is False
    assert isinstance(creating.get(timeout=LIMIT), ActorStartFailed)


def test_the_outcome_of_a_start_that_turns_into_an_end(host):
    room, reached = Room(), Event()
    room.gate.clear()

    def finishes_when_killed(context):
        reached.set()
        try:
            Event().wait()
        except gevent.GreenletExit:
            return room

    gevent.spawn(error_of, create, host, 1, finishes_when_killed)
    reached.wait()
    outcome = gevent.spawn(host.outcome, life(1))
    gevent.idle()
    gevent.spawn(host.destroy, NAME, 1)
    room.reached.wait()
    gevent.idle()
    assert not outcome.ready()  # it is not there, but it has not ended
    room.gate.set()
    assert outcome.get(timeout=LIMIT) is False


# ---- several lives of a name -----------------------------------------------------------------------------


def test_an_older_life_ends_before_the_newer_begins(host):
    old, new = Room(), Room()
    old.gate.clear()
    create(host, 1, lambda context: old)
    begun = Event()
    creating = gevent.spawn(create, host, 2, lambda context: begun.set() or new)
    old.reached.wait()
    ending = gevent.spawn(host.destroy, NAME, 1)
    gevent.idle()
    assert not begun.is_set() and not ending.ready()
    old.gate.set()
    assert creating.get(timeout=LIMIT).life.epoch == 2
    ending.get(timeout=LIMIT)
    assert (old.destroyed, new.destroyed) == (1, 0)
    assert [report.life.epoch for report in host.reports()] == [2]


def test_a_newer_life_stays(host):
    room = Room()
    create(host, 2, lambda context: room)
    assert isinstance(error_of(create, host, 1, lambda context: Room()), StaleLocation)
    assert host.find(NAME, 2).server._handler is room and room.destroyed == 0


def test_a_newer_life_that_starts_stays(host):
    room, gate, reached = Room(), Event(), Event()
    creating = gevent.spawn(create, host, 2, gated(room, gate, reached))
    reached.wait()
    assert isinstance(error_of(create, host, 1, lambda context: Room()), StaleLocation)
    gate.set()
    assert creating.get(timeout=LIMIT).server._handler is room


def test_a_life_that_waits_for_an_older_one_can_be_destroyed(host):
    old = Room()
    old.gate.clear()
    create(host, 1, lambda context: old)
    creating = gevent.spawn(error_of, create, host, 2, lambda context: Room())
    old.reached.wait()
    ending = gevent.spawn(host.destroy, NAME, 2)
    assert isinstance(creating.get(timeout=LIMIT), gevent.GreenletExit)
    assert not ending.ready()  # the name is not free yet
    old.gate.set()
    ending.get(timeout=LIMIT)
    assert create(host, 3, lambda context: Room()).life.epoch == 3


def test_what_an_init_begins_has_no_deadline_of_its_creation(host):
    seen = []

    def init(context):
        seen.append(deadline.get())
        return Room()

    def ordered():
        deadline.set(1.0)
        create(host, 1, init)
        seen.append(deadline.get())

    gevent.spawn(ordered).get(timeout=LIMIT)
    assert seen == [None, 1.0]


def test_the_same_life_told_twice_starts_once(host):
    room, gate, reached, count = Room(), Event(), Event(), itertools.count()

    def init(context):
        next(count)
        return gated(room, gate, reached)(context)

    tasks = [gevent.spawn(create, host, 1, init) for _ in range(2)]
    reached.wait()
    gate.set()
    assert [task.get(timeout=LIMIT).server._handler for task in tasks] == [room, room]
    assert create(host, 1, init).server._handler is room
    assert next(count) == 1


# ---- what can go wrong in an init ------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize(
    "raised", [gevent.GreenletExit(), Mute(), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_whatever_an_init_raises_is_its_failure(host, raised):
    def init(context):
        raise raised

    failure = error_of(create, host, 1, init)
    assert isinstance(failure, ActorStartFailed)
    assert type(raised).__name__ in str(failure) and __file__ in failure.remote_traceback
    assert create(host, 1, lambda context: Room())  # the name is free


# ---- what an actor holds ---------------------------------------------------------------------------------


def test_each_actor_has_a_client_of_its_own_until_it_ends(host):
    contexts = []

    def init(context):
        contexts.append(context)
        return Room()

    for name in "ab":
        create(host, 1, init, name)
    one, other = (context.client for context in contexts)
    assert one is not other and contexts[0].client is one
    host.destroy("a", 1)
    assert one.closed and not other.closed


def test_an_init_that_fails_leaves_no_client_open(host):
    clients = []

    def init(context):
        clients.append(context.client)
        raise ValueError("no")

    assert isinstance(error_of(create, host, 1, init), ActorStartFailed)
    assert clients[0].closed


def test_a_definition_is_held_by_its_actors_only(host):
    for epoch, name in enumerate("ab"):
        create(host, epoch, lambda context: Room(), name)
    loaded = weakref.ref(host.find("a", 0).loaded)
    assert loaded() is host.find("b", 1).loaded
    host.destroy("a", 0)
    assert loaded() is not None
    host.destroy("b", 1)
    gc.collect()
    assert loaded() is None


def test_a_definition_is_loaded_once_at_a_time(monkeypatch):
    gate, reached, outcomes = Event(), Event(), iter([ImportError("not yet"), None])
    loading = 0

    def load(code):
        nonlocal loading
        loading += 1
        assert loading == 1
        reached.set()
        gate.wait()
        loading -= 1
        if failure := next(outcomes):
            raise failure
        return act

    monkeypatch.setattr("stractory.worker.loading.load", load)
    loader = Loader()
    tasks = [gevent.spawn(_outcome, loader, definition()) for _ in range(3)]
    reached.wait()
    gate.set()
    first, second, third = [task.get(timeout=LIMIT) for task in tasks]
    assert isinstance(first, ImportError) and second is third


def _outcome(loader, content):
    try:
        return loader.load(content)
    except ImportError as error:
        return error


def test_a_line_is_logged_for_each_start_and_end(host, caplog):
    caplog.set_level(logging.INFO)
    create(host, 1, lambda context: Room())
    host.destroy(NAME, 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"actor {NAME!r} started",
        f"actor {NAME!r} ended",
    ]
