"""What a directory makes of what other registries do with the names that they share. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stractory.errors import ActorNotFound
from stractory.net.process import Process
from stractory.registry.directory import Directory
from stractory.registry.epochs import Drafts
from stractory.registry.observer import Observer
from stractory.registry.records import Actor, Making, Registration, State
from stractory.wire.life import Life, Phase, Report, Terms
from stractory.wire.shipping import Code, Definition
from tests.support.chance import chance

PYTHON = "cpython-311 dill-0.4"
PROCESS = Process("machine", 1, 0)
OTHER = b"other registry"
MAKING = Making(Definition("stream", Code.imported("module:init"), None, {}), {})


def life(name: str, epoch: int) -> Life:
    return Life(name, "stream", epoch, 1.0, b"", False)


def lasting(name: str, epoch: int) -> Life:
    return life(name, epoch)._replace(terms=Terms(restart="always"))


class Watcher(Observer):
    """Notes what is to be made again, and what has to end."""

    def __init__(self) -> None:
        self.waiting: list[Actor] = []
        self.overtaken_lives: list[Actor] = []

    def set_aside(self, waiting: Actor) -> None:
        self.waiting.append(waiting)

    def overtaken(self, actor: Actor) -> None:
        self.overtaken_lives.append(actor)


class Sharing:
    """A directory with two workers."""

    def __init__(self) -> None:
        self.directory = Directory(random=chance())
        self.directory.epochs, self.directory.shared = Drafts(), True
        for id in (b"1", b"2"):
            self.register(id)

    def register(self, id: bytes, *reports: Report) -> Registration:
        return self.directory.register(
            id, address=f"127.0.0.1:{id[0]}", process=PROCESS, runtime=PYTHON, reports=reports, now=1.0
        )

    def reserve(self, name: str) -> Actor:
        return self.directory.reserve(name, kind="stream", runtime=PYTHON, create_id=b"", wall=1.0)

    def learn(self, name: str, epoch: int, worker: bytes = b"1") -> None:
        self.directory.learn(life(name, epoch), worker, PROCESS, making=None, by=OTHER, now=1.0)

    def report(
        self, name: str, epoch: int, worker: bytes = b"1", phase: Phase = Phase.RUNNING
    ) -> Actor | None:
        there = self.directory.find_worker(worker)
        assert there is not None
        return self.directory.report(there, Report(life(name, epoch), phase), 1.0)

    def ended(self, name: str, epoch: int, worker: bytes = b"1") -> None:
        there = self.directory.find_worker(worker)
        assert there is not None
        if actor := there.find(name, epoch):
            self.directory.ended(actor)

    def state(self, name: str) -> tuple[int, State] | None:
        actor = self.directory.find(name)
        return None if actor is None else (actor.epoch, actor.state)


@pytest.fixture
def sharing() -> Sharing:
    return Sharing()


def test_a_name_that_another_registry_gives_away_is_taken_here(sharing: Sharing) -> None:
    sharing.learn("room", 100)
    assert sharing.state("room") == (100, State.PENDING)
    with pytest.raises(ActorNotFound):
        sharing.directory.lookup("room")
    assert sharing.report("room", 100) is None
    assert sharing.state("room") == (100, State.RUNNING)
    sharing.directory.forget("room", 102)
    assert sharing.state("room") is None


def test_the_worker_may_tell_of_it_first(sharing: Sharing) -> None:
    sharing.report("room", 100)
    sharing.learn("room", 100)
    assert sharing.state("room") == (100, State.RUNNING)


def test_what_is_over_does_not_come_back_by_a_late_word_of_its_worker(sharing: Sharing) -> None:
    sharing.learn("room", 100)
    sharing.directory.forget("room", 102)
    assert sharing.report("room", 100) is None
    assert sharing.state("room") is None


def test_what_is_over_does_not_come_back_by_a_late_word_of_the_store(sharing: Sharing) -> None:
    sharing.report("room", 100)
    sharing.ended("room", 100)
    sharing.learn("room", 100)
    assert sharing.state("room") is None
    sharing.directory.forget("room", 102)
    sharing.learn("room", 104)
    assert sharing.state("room") == (104, State.PENDING)
    assert sharing.directory._over == {}


def test_what_is_over_does_not_come_back_with_its_worker(sharing: Sharing) -> None:
    sharing.directory.forget("room", 102)
    told = Report(life("room", 100), Phase.RUNNING)
    assert [actor.epoch for actor in sharing.register(b"1", told).doomed] == [100]
    assert sharing.state("room") is None


def test_a_promise_is_withdrawn_for_whoever_has_the_name(sharing: Sharing) -> None:
    promised = sharing.reserve("room")
    sharing.learn("room", 100)
    sharing.report("room", 100)
    assert sharing.directory.find("room") is promised
    sharing.directory.withdraw(promised)
    assert sharing.state("room") == (100, State.RUNNING)


def test_a_promise_that_is_withdrawn_before_anything_is_heard_leaves_nothing(sharing: Sharing) -> None:
    sharing.directory.withdraw(sharing.reserve("room"))
    assert sharing.state("room") is None
    sharing.learn("room", 100)
    assert sharing.state("room") == (100, State.PENDING)


def test_a_promise_that_is_kept_is_after_what_stood_behind_it(sharing: Sharing) -> None:
    promised = sharing.reserve("room")
    sharing.learn("room", 100)
    sharing.directory.keep(promised, 104)
    assert sharing.directory.find("room") is promised
    sharing.directory.forget("room", 102)
    assert sharing.state("room") == (104, State.PENDING)


def test_what_was_promised_elsewhere_is_not_gone_because_its_worker_comes_without_it(
    sharing: Sharing,
) -> None:
    sharing.learn("room", 100, b"3")
    assert sharing.state("room") == (100, State.AWAITED)
    sharing.register(b"3")
    assert sharing.state("room") == (100, State.PENDING)
    assert [actor.name for actor in sharing.directory.promised_by(OTHER)] == ["room"]
    sharing.report("room", 100, b"3")
    assert sharing.directory.promised_by(OTHER) == []
    sharing.register(b"3")
    assert sharing.state("room") is None


def test_a_later_life_elsewhere_takes_the_place_of_the_one_here(sharing: Sharing) -> None:
    actor = sharing.reserve("room")
    sharing.directory.keep(actor, 100)
    sharing.directory.confirm(actor, 1.0)
    assert sharing.report("room", 102, b"2") is actor
    assert sharing.state("room") == (102, State.RUNNING)


def test_what_is_to_end_on_a_worker_that_was_given_up_is_so_whatever_others_tell_of_it(
    sharing: Sharing,
) -> None:
    sharing.report("room", 100)
    worker = sharing.directory.find_worker(b"1")
    actor = sharing.directory.find("room")
    assert worker is not None and actor is not None
    sharing.directory.begin_end(actor)
    sharing.directory.bury(worker, proved=False, now=2.0)
    sharing.learn("hall", 102)
    registration = sharing.directory.register(
        b"1",
        address="127.0.0.1:1",
        process=PROCESS,
        runtime=PYTHON,
        reports=[Report(life("room", 100), Phase.RUNNING)],
        now=3.0,
    )
    assert [doomed.life for doomed in registration.doomed] == [life("room", 100)]
    assert sharing.state("hall") == (102, State.PENDING)


# ---- what comes back ---------------------------------------------------------------------------------------


@pytest.fixture
def promised(sharing: Sharing) -> Actor:
    """A name of which this registry does not know yet that another was first."""
    return sharing.reserve("room")


def learn_lasting(sharing: Sharing, epoch: int = 100) -> None:
    terms = lasting("room", epoch), b"1", PROCESS
    sharing.directory.learn(*terms, making=MAKING, by=OTHER, now=1.0)


def report_lasting(sharing: Sharing, epoch: int = 100) -> None:
    worker = sharing.directory.find_worker(b"1")
    assert worker is not None
    sharing.directory.report(worker, Report(lasting("room", epoch), Phase.RUNNING), 1.0)


def bury(sharing: Sharing, proved: bool = True) -> None:
    worker = sharing.directory.find_worker(b"1")
    assert worker is not None
    sharing.directory.bury(worker, proved=proved, now=2.0)


def test_what_stands_behind_a_promise_comes_back_when_its_worker_dies(
    sharing: Sharing, promised: Actor
) -> None:
    learn_lasting(sharing)
    report_lasting(sharing)
    sharing.directory.withdraw(promised)
    bury(sharing)
    assert sharing.state("room") == (100, State.WAITING)


def test_what_only_its_worker_has_told_of_waits_until_the_store_says_what_it_is_made_of(
    sharing: Sharing,
) -> None:
    watcher = Watcher()
    sharing.directory.observers.append(watcher)
    report_lasting(sharing)
    bury(sharing)
    assert sharing.state("room") == (100, State.WAITING)
    watcher.waiting.clear()
    learn_lasting(sharing)
    (waiting,) = watcher.waiting
    assert (waiting.name, waiting.making) == ("room", MAKING)


def test_what_a_life_is_made_of_is_not_what_the_one_before_was(sharing: Sharing) -> None:
    learn_lasting(sharing)
    report_lasting(sharing)
    report_lasting(sharing, 102)
    actor = sharing.directory.find("room")
    assert actor is not None and actor.making is None


def test_what_was_freed_while_it_was_made_again_is_not_waited_for(sharing: Sharing) -> None:
    learn_lasting(sharing)
    report_lasting(sharing)
    bury(sharing)
    waiting = sharing.directory.find("room")
    assert waiting is not None
    renewed = sharing.directory.renew(waiting, 1.0)
    sharing.directory.forget("room", 102)
    sharing.directory.withdraw(renewed)
    assert sharing.state("room") is None


def test_what_was_freed_before_this_registry_knew_that_it_is_kept_is_over(
    sharing: Sharing, promised: Actor
) -> None:
    sharing.directory.forget("room", 104)
    sharing.directory.keep(promised, 102)
    assert sharing.state("room") is None


def test_a_copy_behind_a_promise_that_is_kept_has_to_end(sharing: Sharing, promised: Actor) -> None:
    watcher = Watcher()
    sharing.directory.observers.append(watcher)
    sharing.report("room", 100)
    sharing.directory.keep(promised, 102)
    assert [actor.epoch for actor in watcher.overtaken_lives] == [100]


# ---- any order ---------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """``source``: "" for the store, or the id of a worker. Those of one source come in their order."""

    source: str
    what: str
    name: str
    epoch: int
    worker: bytes


@st.composite
def histories(draw: st.DrawFn) -> list[Told]:
    """What becomes of two names on two workers: lives that begin, run, and mostly end."""
    told: list[Told] = []
    epoch = 0
    for _ in range(draw(st.integers(1, 6))):
        name, worker = draw(st.sampled_from("ab")), draw(st.sampled_from([b"1", b"2"]))
        there = next((each for each in reversed(told) if each.name == name and not each.source), None)
        if there is not None and there.what == "learn":
            epoch += 2
            told.append(Told(there.worker.decode(), "ended", name, there.epoch, there.worker))
            told.append(Told("", "forget", name, epoch, there.worker))
        epoch += 2
        told.append(Told("", "learn", name, epoch, worker))
        told.append(Told(worker.decode(), "report", name, epoch, worker))
    return told


def interleaved(told: Iterable[Told], choices: list[int]) -> list[Told]:
    """In another order, but for those of one source."""
    sources: dict[str, list[Told]] = {}
    for each in told:
        sources.setdefault(each.source, []).append(each)
    left = list(sources.values())
    found = []
    while left:
        chosen = left[(choices.pop() if choices else 0) % len(left)]
        found.append(chosen.pop(0))
        left = [each for each in left if each]
    return found


def told_all(history: Iterable[Told]) -> dict[str, tuple[int, State] | None]:
    sharing = Sharing()
    for each in history:
        if each.what == "forget":
            sharing.directory.forget(each.name, each.epoch)
        else:
            getattr(sharing, each.what)(each.name, each.epoch, each.worker)
    return {name: sharing.state(name) for name in "ab"}


@settings(deadline=None)
@given(histories(), st.lists(st.integers(0, 2), max_size=40))
def test_directories_that_hear_the_same_in_any_order_agree(history: list[Told], choices: list[int]) -> None:
    assert told_all(interleaved(history, choices)) == told_all(history)
