"""The checker of histories finds what is wrong, and only that."""

from __future__ import annotations

import pytest

from tests.support.history import (
    Copy,
    Reply,
    lost_increments,
    served_after_the_next,
    served_at_once,
    went_back,
    won_twice,
)


@pytest.mark.parametrize(
    ("copies", "wrong"),
    [
        ([], 0),
        ([Copy("a", 1, 0, 5)], 0),
        ([Copy("a", 1, 0, 5), Copy("a", 2, 5, 7)], 0),
        ([Copy("a", 1, 0, 5), Copy("b", 2, 1, 7)], 0),
        ([Copy("a", 2, 4, 7), Copy("a", 1, 0, 5)], 1),
        ([Copy("a", 1, 0), Copy("a", 2, 5, 7)], 1),
        ([Copy("a", 1, 0, 9), Copy("a", 2, 1, 2), Copy("a", 3, 3, 4), Copy("a", 4, 9, 10)], 2),
        ([Copy("a", 1, 0, 5), Copy("a", 1, 4, 7)], 1),
    ],
)
def test_copies_that_serve_at_once(copies, wrong):
    assert len(served_at_once(copies)) == wrong


def test_who_served_with_whom_is_named():
    (text,) = served_at_once([Copy("room", 1, 0, 5), Copy("room", 2, 4, 7)])
    assert text == "room: epochs 1 and 2 served at once for 1.000 s"


@pytest.mark.parametrize(
    ("served", "wrong"),
    [
        ([(1, 1.0), (1, 2.0), (2, 3.0), (4, 4.0)], 0),
        ([(2, 3.0), (1, 2.0), (1, 1.0)], 0),  # whoever heard of it first
        ([(1, 1.0), (2, 3.0), (1, 4.0)], 1),
        ([(1, 1.0), (3, 3.0), (2, 4.0), (1, 5.0), (3, 6.0)], 2),
        ([(2, 1.0), (1, 0.0)], 0),  # not told
    ],
)
def test_lives_that_serve_after_the_next(served, wrong):
    replies = [Reply("Alex", "a", epoch, 0, 9, None, when) for epoch, when in served]
    assert len(served_after_the_next(replies)) == wrong


def reply(epoch, asked, answered, count=None, client="Alex", name="a"):
    return Reply(client, name, epoch, asked, answered, count)


@pytest.mark.parametrize(
    ("replies", "wrong"),
    [
        ([reply(1, 0, 1), reply(1, 1, 2), reply(2, 2, 3)], 0),
        ([reply(2, 0, 1), reply(1, 2, 3)], 1),
        ([reply(1, 2, 3), reply(2, 0, 1)], 1),
        ([reply(2, 0, 5), reply(1, 4, 6)], 0),  # asked for at once
        ([reply(2, 0, 1), reply(1, 2, 3, client="Bob")], 0),
        ([reply(2, 0, 1), reply(1, 2, 3, name="b")], 0),
        ([reply(1, 0, 1), reply(3, 1, 2), reply(2, 3, 4), reply(2, 4, 5), reply(3, 5, 6)], 2),
    ],
)
def test_epochs_that_go_back(replies, wrong):
    assert len(went_back(replies)) == wrong


@pytest.mark.parametrize(
    ("replies", "wrong", "wrong_if_durable"),
    [
        ([reply(1, 0, 1, 1), reply(1, 1, 2, 2), reply(1, 2, 3, 4)], 0, 0),  # 3 was not acknowledged
        ([reply(1, 0, 1, 1), reply(1, 2, 3, 1)], 1, 1),
        ([reply(1, 0, 1, 5), reply(1, 2, 3, 3)], 1, 1),
        ([reply(1, 0, 5, 2), reply(1, 1, 6, 1)], 0, 0),  # asked for at once
        ([reply(1, 0, 5, 2), reply(1, 1, 6, 2)], 1, 1),  # but not both
        ([reply(1, 0, 1, 5), reply(2, 2, 3, 1), reply(2, 3, 4, 2)], 0, 2),
        ([reply(1, 0, 1, 5), reply(2, 2, 3, 6, client="Bob")], 0, 0),
        ([reply(1, 0, 1, 1), reply(1, 2, 3)], 0, 0),  # it does not count
    ],
)
def test_increments_that_are_lost(replies, wrong, wrong_if_durable):
    assert len(lost_increments(replies)) == wrong
    assert len(lost_increments(replies, durable=True)) == wrong_if_durable


def test_names_that_are_won_twice():
    assert won_twice({"a": [], "b": [2], "c": [4, 6]}) == ["c: won with the epochs [4, 6]"]
