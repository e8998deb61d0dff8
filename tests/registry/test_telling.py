"""What the directory tells its observer, whatever happens: from it follows who is there, and who no more."""

from __future__ import annotations

import gevent
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stractory.clients.mirror import Mirror
from stractory.net.process import Process
from stractory.registry.directory import Directory
from stractory.registry.observer import Observer
from stractory.registry.records import Actor, Making, State, Worker
from stractory.registry.watching import Watching
from stractory.wire.life import PLAIN, Phase, Report, Terms
from stractory.wire.shipping import Code, Definition
from tests.support.chance import chance

MAKING = Making(Definition("stream", Code.imported("module:init"), None, {}), {})
LASTING = Terms(restart="on-failure")
PROCESS = Process("elsewhere", 1, 0)


class Told(Observer):
    """A directory, a worker, and what its observer was told."""

    def __init__(self) -> None:
        self.directory = Directory(random=chance())
        self.worker = register(self.directory, b"1")
        self.told: list[tuple[str, int, str | None]] = []
        self.directory.observers.append(self)

    def began(self, actor: Actor) -> None:
        self.told.append((actor.name, actor.epoch, None))

    def freed(self, actor: Actor, reason: str) -> None:
        self.told.append((actor.name, actor.epoch, reason))

    def create(self, name: str = "room", terms: Terms = PLAIN) -> Actor:
        actor = reserve(self.directory, name, terms)
        assert self.directory.confirm(actor, 0.0)
        assert self.next() == (name, actor.epoch, None)
        return actor

    def next(self) -> tuple[str, int, str | None] | None:
        return self.told.pop(0) if self.told else None


def register(directory: Directory, id: bytes, *reports: Report) -> Worker:
    return directory.register(
        id, address=f"address {id!r}", process=PROCESS, runtime="any", reports=reports, now=0.0
    ).worker


def reserve(directory: Directory, name: str, terms: Terms) -> Actor:
    return directory.reserve(
        name,
        kind="stream",
        runtime=None,
        create_id=b"",
        wall=1.0,
        terms=terms,
        making=MAKING if terms.comes_back else None,
    )


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_birth_is_told_when_it_runs_and_not_before(told: Told) -> None:
    actor = reserve(told.directory, "room", PLAIN)
    assert told.next() is None
    told.directory.confirm(actor, 0.0)
    assert told.next() == ("room", actor.epoch, None) and not told.told


def test_a_death_is_told_when_the_name_is_free_and_not_before(told: Told) -> None:
    actor = told.create()
    told.directory.begin_end(actor)
    assert told.next() is None
    told.directory.ended(actor)
    assert told.next() == ("room", actor.epoch, "destroyed")
    told.directory.ended(actor)
    assert told.next() is None


def test_what_is_destroyed_while_its_worker_is_lost_is_gone_at_once(told: Told) -> None:
    actor = told.create()
    told.directory.unlink(told.worker)
    assert told.next() is None  # it is lost, not dead
    told.directory.give_up(actor)
    assert told.next() == ("room", actor.epoch, "destroyed")
    register(told.directory, b"1", Report(actor.life, Phase.RUNNING))
    told.directory.ended(actor)
    assert told.next() is None


@pytest.mark.parametrize("proved, reason", [(True, "worker lost"), (True, "drained"), (False, "worker lost")])
def test_all_of_a_worker_that_is_buried_are_gone_but_those_that_come_back(told, proved, reason) -> None:
    gone, lasting = told.create("gone"), told.create("lasting", LASTING)
    ending = told.create("ending")
    told.directory.begin_end(ending)
    told.directory.bury(told.worker, proved=proved, now=0.0, reason=reason)
    waiting = told.directory.find("lasting")
    assert waiting is not None
    assert told.next() == ("gone", gone.epoch, reason)
    assert told.next() == ("ending", ending.epoch, "destroyed")
    register(told.directory, b"2")
    again = told.directory.renew(waiting, 2.0)
    assert told.next() is None
    told.directory.confirm(again, 0.0)
    assert told.next() == ("lasting", again.epoch, None) and again.epoch > lasting.epoch


def test_a_next_life_that_fails_to_begin_is_not_told_unless_it_was_let_go(told: Told) -> None:
    told.create("lasting", LASTING)
    told.directory.bury(told.worker, proved=True, now=0.0)
    waiting = told.directory.find("lasting")
    assert waiting is not None
    register(told.directory, b"2")
    for destroyed in (False, True):
        again = told.directory.renew(waiting, 2.0)
        told.directory.begin_end(again)
        if destroyed:
            told.directory.let_go(again)
        told.directory.ended(again)
        assert told.next() == (("lasting", again.epoch, "destroyed") if destroyed else None)
        waiting = told.directory.find("lasting")
        assert (waiting is None) == destroyed


def test_what_waits_for_its_next_life_is_gone_when_it_is_destroyed(told: Told) -> None:
    told.create("lasting", LASTING)
    told.directory.bury(told.worker, proved=True, now=0.0)
    waiting = told.directory.find("lasting")
    assert waiting is not None
    told.directory.give_up(waiting)
    assert told.next() == ("lasting", waiting.epoch, "destroyed")


def test_a_worker_that_is_back_tells_nothing_new_of_what_it_had(told: Told) -> None:
    kept, missing = told.create("kept"), told.create("missing")
    starting = reserve(told.directory, "starting", PLAIN)
    told.directory.unlink(told.worker)
    reports = [Report(actor.life, Phase.RUNNING) for actor in (kept, starting)]
    register(told.directory, b"1", *reports)
    assert told.next() == ("starting", starting.epoch, None)
    assert told.next() == ("missing", missing.epoch, "unknown")
    assert told.next() is None
    register(told.directory, b"1", *reports)
    assert told.next() is None


def test_what_was_given_up_is_born_again_when_its_worker_is_back(told: Told) -> None:
    actor = told.create()
    told.directory.bury(told.worker, proved=False, now=0.0)
    assert told.next() == ("room", actor.epoch, "worker lost")
    register(told.directory, b"1", Report(actor.life, Phase.RUNNING))
    assert told.next() == ("room", actor.epoch, None)


def test_what_a_registry_before_this_one_knew_runs_when_its_worker_tells_so(told: Told) -> None:
    lives = [told.create(name).life for name in ("kept", "missing")]
    another = Told()
    for life in lives:
        another.directory.recall(life, b"2", PROCESS, making=None, ending=False, now=0.0)
    assert another.next() is None
    register(another.directory, b"2", Report(lives[0], Phase.RUNNING))
    assert another.next() == ("kept", lives[0].epoch, None)
    assert another.next() == ("missing", lives[1].epoch, "unknown")


# ---- whatever happens ------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from([b"1", b"2"])
PHASES = st.sampled_from([None, *Phase])


class Watcher:
    """As a client and its user: who is there, by name and epoch."""

    def __init__(self, watching: Watching) -> None:
        self.known: dict[str, int] = {}
        self.before: dict[str, int] = {}
        self._watching = watching
        self._mirror = Mirror()
        self._task = gevent.spawn(self._keep)

    def _keep(self) -> None:
        for message in self._watching.watch("*"):
            for change in self._mirror.take(*message):
                if change.kind == "died":
                    assert self.known.pop(change.name) == change.actor.epoch
                else:
                    assert (change.kind == "moved") == (change.name in self.known)
                    self.known[change.name] = change.actor.epoch

    def break_link(self, watching: Watching) -> None:
        """It watches anew, and knows what it knew."""
        self.close()
        self._watching = watching
        self._task = gevent.spawn(self._keep)

    def close(self) -> None:
        if self._task.ready():
            self._task.get()  # raises what went wrong
        self._task.kill()

    def check(self, directory: Directory) -> None:
        """It knows who is there, and keeps those that may be there again or are still to end."""
        assert not self._task.ready(), self._task.exception
        for name in "abc":
            actor = directory.find(name)
            if actor is None:
                assert name not in self.known
            elif actor.state in (State.RUNNING, State.LOST):
                assert self.known.get(name) == actor.epoch
            elif name in self.before and (actor.state is not State.PENDING or actor.to_be_made_again):
                assert self.known.get(name) == self.before[name]
        self.before = self.known.copy()


class Events(RuleBasedStateMachine):
    """Any series of what may happen to a few names on two workers, while some watch."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory(random=chance())
        self.watching = Watching(self.directory, lambda: None, remembered=1)
        for id in (b"1", b"2"):
            register(self.directory, id)
        for name, terms in {"a": PLAIN, "b": LASTING, "c": LASTING}.items():
            self.directory.confirm(reserve(self.directory, name, terms), 1.0)
        self.watchers = [Watcher(self.watching) for _ in range(2)]

    def teardown(self) -> None:
        for watcher in self.watchers:
            watcher.close()
        assert self.watching.watchers == 0

    @rule(break_link=st.booleans())
    def watch(self, break_link: bool) -> None:
        if break_link:
            self.watchers[0].break_link(self.watching)
        else:
            self.watchers.pop().close()
            self.watchers.append(Watcher(self.watching))

    @rule(id=IDS, phases=st.dictionaries(NAMES, PHASES))
    def register(self, id: bytes, phases: dict[str, Phase | None]) -> None:
        """A worker comes, or comes back, with what it had, as far as that has got."""
        known = self.worker(id)
        reports = [
            Report(actor.life, phase)
            for actor in (known.actors.values() if known else ())
            if (phase := phases.get(actor.name, Phase.RUNNING)) is not None
        ]
        if away := self.directory.away._workers.get(id):
            reports += [Report(life, Phase.RUNNING) for life in away.abandoned.values()]
        register(self.directory, id, *reports)

    @rule(name=NAMES, lasting=st.booleans())
    def make(self, name: str, lasting: bool) -> None:
        """Whatever is to be done next to have it run."""
        actor = self.directory.find(name)
        workers = any(worker.state is State.RUNNING for worker in self.directory.workers())
        if actor is None and workers:
            reserve(self.directory, name, LASTING if lasting else PLAIN)
        elif actor is not None and actor.state is State.WAITING and workers:
            self.directory.renew(actor, 1.0)
        elif actor is not None and actor.state is State.PENDING:
            self.directory.confirm(actor, 1.0)

    @rule(name=NAMES)
    def fail(self, name: str) -> None:
        """It does not start, or its child process fails."""
        actor = self.directory.find(name)
        if actor is None or actor.state not in (State.PENDING, State.RUNNING):
            return
        if actor.state is State.RUNNING and actor.making:
            self.directory.set_aside(actor, 1.0)
        else:
            self.directory.ended(actor, "crashed")

    @rule(name=NAMES)
    def destroy(self, name: str) -> None:
        if actor := self.directory.find(name):
            self.directory.let_go(actor)
            lost = actor.state is State.LOST and not actor.life.terms.comes_back
            if lost or actor.state is State.WAITING:
                self.directory.give_up(actor)
            elif not self.directory.begin_end(actor):
                self.directory.ended(actor)

    @rule(id=IDS)
    def unlink(self, id: bytes) -> None:
        if worker := self.worker(id):
            self.directory.unlink(worker)

    @rule(id=IDS, proved=st.booleans())
    def bury(self, id: bytes, proved: bool) -> None:
        if worker := self.worker(id):
            self.directory.bury(worker, proved=proved, now=1.0)

    @rule(remembers=st.booleans())
    def restart(self, remembers: bool) -> None:
        """Another registry, which remembers all or hears from the workers what there is."""
        old, self.directory = self.directory, Directory(random=chance())
        self.directory.epochs.given(old.epochs.last)
        self.watching = Watching(self.directory, lambda: None, remembered=1)
        for actor in old.actors() if remembers else ():
            self.directory.recall(
                actor.life,
                actor.worker.id or b"1",
                PROCESS,
                making=actor.making,
                ending=actor.is_ending,
                now=0.0,
            )
        for worker in () if remembers else old.workers():
            lives = [actor.life for actor in worker.actors.values() if actor.state is not State.AWAITED]
            register(self.directory, worker.id, *(Report(life, Phase.RUNNING) for life in lives))
        for watcher in self.watchers:
            watcher.break_link(self.watching)

    def worker(self, id: bytes) -> Worker | None:
        return next((worker for worker in self.directory.workers() if worker.id == id), None)

    @invariant()
    def watchers_know_who_is_there(self) -> None:
        for _ in range(3):
            gevent.idle()
        for watcher in self.watchers:
            watcher.check(self.directory)


TestEvents = Events.TestCase
TestEvents.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
