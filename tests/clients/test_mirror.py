"""What the user is told, by what the registry tells."""

from __future__ import annotations

import pytest

from stractory.clients.mirror import Mirror
from stractory.wire.changes import BEGIN, CURRENT, STATE
from stractory.wire.info import ActorInfo


def actor(name, epoch=1, state="running", restart="never"):
    return ActorInfo(name, "stream", f"worker of {epoch}", epoch, state, 1.0, False, False, restart)


def runs(*args, **kwargs):
    return [list(actor(*args, **kwargs)), None]


def gone(name, reason, epoch=1):
    return [list(actor(name, epoch, "ending")), reason]


def told(changes):
    return [(change.kind, change.name, change.actor.epoch, change.reason) for change in changes]


@pytest.fixture
def mirror():
    """One that knows of a and b."""
    mirror = Mirror()
    assert mirror.take(BEGIN, []) == []
    assert mirror.take(STATE, [runs("a")]) == []
    assert told(mirror.take(CURRENT, [runs("b")])) == [("present", "a", 1, None), ("present", "b", 1, None)]
    return mirror


def test_changes_are_told_as_they_come(mirror):
    rows = [runs("c", 2), gone("a", "crashed"), runs("a", 3)]
    assert told(mirror.take(CURRENT, rows)) == [
        ("born", "c", 2, None),
        ("died", "a", 1, "crashed"),
        ("born", "a", 3, None),
    ]


def test_one_that_died_is_told_as_it_was_last_known(mirror):
    (change,) = mirror.take(CURRENT, [gone("a", "crashed")])
    assert (change.actor, change.name) == (actor("a"), "a")


def test_what_is_told_twice_is_news_once(mirror):
    assert mirror.take(CURRENT, [runs("a"), gone("unknown", "destroyed")]) == []


def test_another_state_tells_what_differs(mirror):
    mirror.take(BEGIN, [])
    assert mirror.take(STATE, [runs("b", 2)]) == []
    assert told(mirror.take(CURRENT, [runs("c", 3)])) == [
        ("died", "a", 1, "unknown"),
        ("died", "b", 1, "unknown"),
        ("born", "b", 2, None),
        ("born", "c", 3, None),
    ]


def test_a_state_that_breaks_off_counts_for_nothing(mirror):
    mirror.take(BEGIN, [])
    mirror.take(STATE, [runs("c"), gone("a", "crashed")])
    mirror.take(BEGIN, [])
    mirror.take(STATE, [runs("a")])
    assert mirror.take(CURRENT, [runs("b")]) == []


def test_a_death_while_the_state_is_told_has_its_reason(mirror):
    mirror.take(BEGIN, [])
    mirror.take(STATE, [runs("a"), runs("b")])
    assert told(mirror.take(CURRENT, [gone("a", "drained"), gone("b", "destroyed"), runs("b", 2)])) == [
        ("died", "a", 1, "drained"),
        ("died", "b", 1, "destroyed"),
        ("born", "b", 2, None),
    ]


@pytest.mark.parametrize("state", ["awaited", "waiting", "pending", "ending"])
def test_what_is_not_there_yet_or_no_more_is_neither_told_nor_dead(mirror, state):
    mirror.take(BEGIN, [])
    rows = [runs("a", state=state), runs("b"), runs("c", state=state)]
    assert mirror.take(CURRENT, rows) == []
    assert told(mirror.take(CURRENT, [gone("a", "destroyed"), runs("c")])) == [
        ("died", "a", 1, "destroyed"),
        ("born", "c", 1, None),
    ]


def test_a_lost_actor_is_there():
    mirror = Mirror()
    assert told(mirror.take(CURRENT, [runs("a", state="lost")])) == [("present", "a", 1, None)]


@pytest.mark.parametrize("again", [False, True])
def test_the_next_life_of_one_that_comes_back_is_a_move(again):
    mirror = Mirror()
    mirror.take(CURRENT, [runs("a", restart="always")])
    if again:
        mirror.take(BEGIN, [])
    (change,) = mirror.take(CURRENT, [runs("a", 2, restart="always")])
    assert (change.kind, change.actor.worker, change.reason) == ("moved", "worker of 2", None)
