"""Which worker gets a new actor. Pure: a policy picks one of the candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """A candidate."""

    @property
    def load(self) -> int:
        """How many actors it has, those on their way included."""


L = TypeVar("L", bound=Loaded)


def any_of(candidates: Sequence[L], random: Random) -> L:
    """Any worker, each as likely."""
    return random.choice(candidates)


def less_loaded_of_two(candidates: Sequence[L], random: Random) -> L:
    """The less loaded of two picked at random.

    Nearly as even as asking all of them, at the cost of two, and without the herd that a strict minimum sends
    to a worker that has just come (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
    """
    one, other = random.choice(candidates), random.choice(candidates)
    return one if one.load <= other.load else other


POLICIES: dict[str, Callable[[Sequence[Loaded], Random], Loaded]] = {
    "two-choices": less_loaded_of_two,
    "random": any_of,
}
