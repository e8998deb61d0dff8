"""Which registry is dialled next."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from stractory.clients.addresses import Addresses
from stractory.net.address import addresses
from tests.support.chance import chance

THREE = addresses("a:1, b:2, c:3")


def rotated(first):
    at = THREE.index(first)
    return [*THREE[at:], *THREE[:at]]


def test_a_round_has_each_once_in_their_order():
    choice = Addresses(THREE)
    first = choice.next
    assert list(choice.round()) == rotated(first)
    assert choice.next == first


def test_a_round_begins_behind_the_last_of_the_one_before():
    choice = Addresses(THREE)
    begun = rotated(choice.next)
    assert list(islice(choice.round(), 1)) == begun[:1]
    assert list(islice(choice.round(), 2)) == begun[1:]
    assert list(choice.round()) == begun


def test_clients_are_spread():
    random = chance()
    firsts = Counter(Addresses(THREE, random).next for _ in range(600))
    assert set(firsts) == set(THREE) and min(firsts.values()) > 100


def test_there_may_be_one():
    choice = Addresses(THREE[:1])
    assert [*choice.round(), *choice.round()] == [THREE[0]] * 2
    assert str(choice) == "a:1" and str(Addresses(THREE)) == "a:1, b:2, c:3"
