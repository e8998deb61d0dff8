from __future__ import annotations

import gc
from typing import Any

import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import RECEIVERS, SENDERS
from stractory.wire.references import References


class Remote:
    def __init__(self, number: int) -> None:
        self.number = number
        self.received = 0

    def __call__(self) -> None: ...


@pytest.fixture
def references() -> References:
    return References(Remote)


def function() -> None: ...


def other() -> None: ...


def test_a_function_has_one_number_for_as_long_as_it_is_held(references: References) -> None:
    assert references.refer(function) == references.refer(function) == (SENDERS, 1)
    assert references.refer(other) == (SENDERS, 2)
    assert references.find(1) is function and references.given == 2
    references.release(1, 1)
    assert references.find(1) is function
    references.release(1, 1)
    with pytest.raises(ProtocolError):
        references.find(1)
    assert references.refer(function) == (SENDERS, 3)  # a number is never used again


def test_a_release_that_crosses_another_sending_on_the_way(references: References) -> None:
    references.refer(function)
    references.refer(function)  # sent again, before the release of the first is here
    references.release(1, 1)
    assert references.find(1) is function


@pytest.mark.parametrize(("number", "count"), [(7, 1), (1, 2), (0, 1)])
def test_more_given_back_than_was_held(references: References, number: int, count: int) -> None:
    references.refer(function)
    with pytest.raises(ProtocolError):
        references.release(number, count)


def test_what_was_not_sent_after_all(references: References) -> None:
    references.withdraw(*references.refer(function))
    assert references.given == 0


def test_the_other_sides_functions(references: References) -> None:
    remote = references.resolve(SENDERS, 5)
    assert references.resolve(SENDERS, 5) is remote and remote.received == 2
    assert references.refer(remote) == (RECEIVERS, 5)
    assert references.given == 0 and references.held == 1
    references.withdraw(RECEIVERS, 5)
    del remote
    gc.collect()
    assert references.held == 0
    again = references.resolve(SENDERS, 5)
    references.forget(5)  # of the one that was collected
    assert references.resolve(SENDERS, 5) is again and again.received == 2
    references.forget(5, again)
    assert references.resolve(SENDERS, 5) is not again


def test_what_comes_home(references: References) -> None:
    _, number = references.refer(function)
    assert references.resolve(RECEIVERS, number) is function
    with pytest.raises(ProtocolError):
        references.resolve(RECEIVERS, 99)


def test_methods_are_told_apart_by_whose_they_are(references: References) -> None:
    class Thing:
        def method(self) -> None: ...

        __hash__ = None  # type: ignore[assignment]

    one, two, people = Thing(), Thing(), [set(), set()]
    functions: list[Any] = [one.method, two.method, people[0].add, people[1].add, people[0].clear]
    numbers = [references.refer(each)[1] for each in functions]
    assert len(set(numbers)) == 5
    assert references.refer(one.method)[1] == numbers[0]
    assert references.refer(people[0].add)[1] == numbers[2]


def test_the_end(references: References) -> None:
    references.refer(function)
    remote = references.resolve(SENDERS, 1)
    assert references.clear() == [remote]
    assert references.given == references.held == 0
