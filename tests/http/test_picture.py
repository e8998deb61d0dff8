"""What pages are told: from the state and the ticks that follow, each has what there is."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stractory.http.answers import encode
from stractory.http.changes import LISTED
from stractory.http.loads import Loads
from stractory.http.picture import LIMIT, Picture, Step
from stractory.http.rows import kinds, short_row, total, worker_rows
from stractory.registry.records import State
from stractory.wire.life import PLAIN, Phase, Report
from tests.http.cluster import LASTING, Model, a_load

ABOUT = {"registry": "127.0.0.1:9000", "since": 1.0}


class Site(Model):
    """A picture of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = Loads(self.survey)
        self.registries: list[str] = []
        self.picture = Picture(self.directory, self.loads, ABOUT, lambda: self.registries)

    def begin(self) -> Any:
        self.picture.begin()
        return self.picture.state(1.0)

    def tick(self) -> Any:
        return self.picture.step(2.0).tick


@pytest.fixture
def site() -> Site:
    site = Site()
    site.worker(1)
    return site


def test_the_state(site: Site) -> None:
    room = site.create("room")
    assert site.begin() == {
        "now": 1.0,
        **ABOUT,
        "registries": [],
        "actors": 1,
        "limit": LIMIT,
        "workers": [*worker_rows(site.directory, {}).values()],
        "names": [["room", "stream", "127.0.0.1:1", "running", room.epoch]],
    }


def test_registries_that_come_and_go(site: Site) -> None:
    site.begin()
    assert not site.picture.step(2.0).changed
    site.registries = ["one:9000", "two:9000"]
    step = site.picture.step(2.0)
    assert step.changed and step.tick["registries"] == ["one:9000", "two:9000"]
    assert not site.picture.step(2.0).changed


def test_births_and_deaths(site: Site) -> None:
    site.begin()
    room = site.create("room")
    born = site.tick()
    assert born["born"] == [["room", "stream", "127.0.0.1:1", "running", room.epoch]]
    assert (born["births"], born["died"], born["deaths"], born["actors"]) == (1, [], 0, 1)
    assert [worker["actors"] for worker in born["workers"]] == [1]
    site.end("room")
    died = site.tick()
    assert died["died"] == [["room", room.epoch, "destroyed"]] and died["deaths"] == 1
    assert (died["actors"], died["workers"][0]["kinds"]) == (0, {})


def test_one_that_is_replaced(site: Site) -> None:
    site.begin()
    old = site.create("room")
    site.end("room")
    new = site.create("room")
    tick = site.tick()
    assert [row[4] for row in tick["born"]] == [new.epoch] and tick["died"] == [
        ["room", old.epoch, "destroyed"]
    ]


def test_one_that_changes_its_state(site: Site) -> None:
    room = site.reserve("room")
    assert site.begin()["names"][0][3] == "pending"
    for change, state in (
        (lambda: site.directory.confirm(room, 0.0), "running"),
        (lambda: site.directory.unlink(room.worker), "lost"),
        (lambda: site.worker(1, Report(room.life, Phase.RUNNING)), "running"),
        (lambda: site.directory.begin_end(room), "ending"),
    ):
        change()
        assert [row[3] for row in site.tick()["born"]] == [state]


def test_one_that_moves(site: Site) -> None:
    site.begin()
    room = site.create("room", terms=LASTING)
    site.tick()
    site.directory.bury(room.worker, proved=True, now=0.0)
    tick = site.tick()
    assert tick["born"] == [["room", "stream", "", "waiting", room.epoch]] and tick["gone"] == ["127.0.0.1:1"]
    site.worker(2)
    waiting = site.directory.find("room")
    assert waiting is not None
    site.directory.confirm(site.directory.renew(waiting, 2.0), 0.0)
    assert [row[2:4] for row in site.tick()["born"]] == [["127.0.0.1:2", "running"]]


def test_only_what_is_different_is_told(site: Site) -> None:
    site.worker(2)
    site.begin()
    assert site.picture.step(2.0) == Step(
        {
            "now": 2.0,
            "actors": 0,
            "workers": [],
            "gone": [],
            "born": [],
            "births": 0,
            "died": [],
            "deaths": 0,
            "busy": [],
            "registries": [],
        },
        changed=False,
        afresh=False,
    )
    site.create("room")
    assert len(site.tick()["workers"]) == 1
    site.loads.seen({"127.0.0.1:2": a_load()})
    assert [(row["address"], row["load"]["cpu"]) for row in site.tick()["workers"]] == [("127.0.0.1:2", 0.5)]


def test_more_than_are_listed(site: Site) -> None:
    site.begin()
    for number in range(LISTED + 1):
        site.create(f"{number}")
    step = site.picture.step(2.0)
    assert step.afresh and len(step.tick["born"]) == LISTED and step.tick["births"] == LISTED + 1
    for number in range(LISTED + 1):
        site.end(f"{number}")
    step = site.picture.step(2.0)
    assert step.afresh and len(step.tick["died"]) == LISTED and step.tick["deaths"] == LISTED + 1
    assert not site.picture.step(2.0).afresh


def test_a_cluster_that_grows_large_and_small_again(site: Site) -> None:
    for number in range(LIMIT):
        site.create(f"{number}")
    assert len(site.begin()["names"]) == LIMIT
    site.create("one more")
    assert site.picture.step(2.0).afresh and site.picture.state(1.0)["names"] is None
    for number in range(LISTED + 5):
        site.create(f"and more {number}")
    assert not site.picture.step(2.0).afresh  # its page has no names
    for number in range(LISTED + 6):
        site.end(f"{number}")
    assert site.picture.step(2.0).afresh and len(site.picture.state(1.0)["names"]) == LIMIT


def test_more_changes_than_are_kept_apart_are_counted(site: Site) -> None:
    site.begin()
    for number in range(3 * LIMIT):
        site.create(f"{number}")
    tick = site.tick()
    assert len(tick["born"]) == LISTED and tick["births"] >= 3 * LIMIT and tick["actors"] == 3 * LIMIT


def test_while_nobody_looks_nothing_is_gathered(site: Site) -> None:
    site.begin()
    site.create("room")
    site.picture.end()
    site.create("other")
    site.begin()
    assert site.tick()["births"] == 0


def test_who_is_busy(site: Site) -> None:
    site.begin()
    here, there = "127.0.0.1:1", "127.0.0.1:2"
    site.loads.seen({here: a_load(("room", 7, 10), ("hall", 8, 5))})
    assert site.tick()["busy"] == []
    second = a_load(("room", 7, 11), ("hall", 8, 25), at=3.0)
    site.loads.seen({here: second, there: a_load(("new", 9, 100))})
    step = site.picture.step(2.0)
    assert step.changed and step.tick["busy"] == [["hall", 8, 10.0], ["room", 7, 0.5]]
    site.loads.seen({here: a_load(("room", 9, 1), at=4.0), there: a_load(("new", 9, 100), at=2.0)})
    assert site.tick()["busy"] == []  # another life of it, and one that was not called


def test_the_same_look_seen_twice_says_nothing_new(site: Site) -> None:
    first, second = a_load(("room", 7, 10)), a_load(("room", 7, 20), at=2.0)
    site.loads.seen({"a": first, "b": a_load(at=5.0)})
    site.loads.seen({"a": second, "b": a_load(at=6.0)})
    assert site.loads.busy == [["room", 7, 10.0]]
    site.loads.seen({"a": second, "b": a_load(at=7.0)})  # somebody else asked in between, and a was slow
    assert site.loads.busy == [["room", 7, 10.0]]


NAMES = st.sampled_from([f"name {number}" for number in range(6)])
NUMBERS = st.integers(1, 3)


class Following(RuleBasedStateMachine):
    """A page that was told of the state once and of each tick, as the page's own program would keep it."""

    def __init__(self) -> None:
        super().__init__()
        self.site = Site()
        for number in (1, 2, 3):
            self.site.worker(number)
        self.site.create("name 0")
        self.rows: dict[str, list[Any]] = {}
        self.workers: dict[str, Any] = {}
        self.load(self.site.begin())

    def load(self, state: Any) -> None:
        state = json.loads(encode(state))
        self.rows = {row[0]: row for row in state["names"]}
        self.workers = {row["address"]: row for row in state["workers"]}

    @rule(name=NAMES, kind=st.sampled_from(["stream", "rpc"]), terms=st.sampled_from([PLAIN, LASTING]))
    def reserve(self, name: str, kind: str, terms: Any) -> None:
        there = any(worker.takes_actors for worker in self.site.directory.workers())
        if there and self.site.directory.find(name) is None:
            self.site.reserve(name, kind, terms)

    @rule(name=NAMES)
    def confirm(self, name: str) -> None:
        if (actor := self.site.directory.find(name)) and actor.state is State.PENDING:
            self.site.directory.confirm(actor, 1.0)

    @rule(name=NAMES)
    def begin_end(self, name: str) -> None:
        if actor := self.site.directory.find(name):
            self.site.directory.begin_end(actor)

    @rule(name=NAMES)
    def ended(self, name: str) -> None:
        if actor := self.site.directory.find(name):
            self.site.directory.ended(actor)

    @rule(name=NAMES)
    def set_aside(self, name: str) -> None:
        if (actor := self.site.directory.find(name)) and actor.making and actor.state is not State.WAITING:
            self.site.directory.set_aside(actor, 1.0)

    @rule(name=NAMES)
    def renew(self, name: str) -> None:
        there = any(worker.takes_actors for worker in self.site.directory.workers())
        if there and (actor := self.site.directory.find(name)) and actor.state is State.WAITING:
            self.site.directory.renew(actor, 1.0)

    @rule(name=NAMES)
    def give_up(self, name: str) -> None:
        if actor := self.site.directory.find(name):
            self.site.directory.give_up(actor)

    @rule(name=NAMES, number=NUMBERS)
    def move(self, name: str, number: int) -> None:
        """To the process of an isolated actor, which then starts it."""
        actor, child = self.site.directory.find(name), self.site.directory.find_worker(b"%d" % number)
        if actor and child and actor.state is State.PENDING and child is not actor.worker:
            actor.move_to(child)
            self.site.directory.confirm(actor, 1.0)

    @rule(number=NUMBERS)
    def unlink(self, number: int) -> None:
        if worker := self.site.directory.find_worker(b"%d" % number):
            self.site.directory.unlink(worker)

    @rule(number=NUMBERS, proved=st.booleans())
    def bury(self, number: int, proved: bool) -> None:
        if worker := self.site.directory.find_worker(b"%d" % number):
            self.site.directory.bury(worker, proved=proved, now=1.0)

    @rule(number=NUMBERS, names=st.sets(NAMES), phase=st.sampled_from(Phase))
    def register(self, number: int, names: set[str], phase: Phase) -> None:
        """It brings what it had, lives that others have, and some that nobody knows."""
        lives = [actor.life for actor in self.site.directory.actors() if actor.name in names]
        self.site.worker(number, *(Report(life, phase) for life in lives))

    @rule(number=NUMBERS)
    def leave(self, number: int) -> None:
        if worker := self.site.directory.find_worker(b"%d" % number):
            self.site.directory.leave(worker)

    @rule(afresh=st.booleans())
    def step(self, afresh: bool) -> None:
        step = self.site.picture.step(2.0)
        assert not step.afresh
        tick = json.loads(encode(step.tick))
        self.rows.update((row[0], row) for row in tick["born"])
        for name, epoch, _ in tick["died"]:
            if name in self.rows and self.rows[name][4] == epoch:
                del self.rows[name]
        self.workers = {at: row for at, row in self.workers.items() if at not in tick["gone"]}
        self.workers |= {row["address"]: row for row in tick["workers"]}
        self.compare()
        if afresh:
            self.load(self.site.picture.state(2.0))
            self.compare()

    def compare(self) -> None:
        directory = self.site.directory
        assert self.rows == {actor.name: short_row(actor) for actor in directory.actors()}
        assert self.workers == worker_rows(directory, {})

    @invariant()
    def counts_are_right(self) -> None:
        directory = self.site.directory
        actors = [*directory.actors()]
        assert total(directory) == len(actors)
        assert kinds(directory) == Counter(actor.life.kind for actor in actors)
        for worker in (*directory.workers(), directory.nowhere):
            assert worker.kinds == Counter(actor.life.kind for actor in worker.actors.values())
            assert all(actor.worker is worker for actor in worker.actors.values())


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
