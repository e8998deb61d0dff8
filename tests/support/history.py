"""What happened in a factory, and what of that must not have happened. Pure: it is told, and answers.

All times are of one monotonic clock. Each question is answered by sentences, one for each thing that is
wrong.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T", bound=tuple[Any, ...])


class Copy(NamedTuple):
    """One life of an actor in one process, and when that served."""

    name: str
    epoch: int
    start: float
    stop: float = math.inf


class Reply(NamedTuple):
    """An answer that a client got: from which life of the name, and what its counter was at, if it counts.

    ``served``: when the actor gave it, where that is told.
    """

    client: str
    name: str
    epoch: int
    asked: float
    answered: float
    count: int | None = None
    served: float = 0.0


def served_at_once(copies: Iterable[Copy]) -> list[str]:
    """Two copies of a name that served at the same time: of an actor with restart= there are never two."""
    wrong = []
    for name, theirs in _grouped(copies, lambda copy: copy.name):
        last = theirs[0]
        for copy in sorted(theirs, key=lambda copy: copy.start)[1:]:
            if copy.start < last.stop:
                both = min(copy.stop, last.stop) - copy.start
                wrong.append(f"{name}: epochs {last.epoch} and {copy.epoch} served at once for {both:.3f} s")
            last = max(last, copy, key=lambda copy: copy.stop)
    return wrong


def went_back(replies: Iterable[Reply]) -> list[str]:
    """Epochs of a name that were lower than one that the same client had seen before it asked."""
    wrong = []
    for (client, name), theirs in _grouped(replies, lambda reply: (reply.client, reply.name)):
        for reply, before in _with_highest_before(theirs, lambda reply: reply.epoch):
            if reply.epoch < before:
                wrong.append(f"{name}: {client} saw the epoch {before}, and after it {reply.epoch}")
    return wrong


def served_after_the_next(replies: Iterable[Reply]) -> list[str]:
    """Lives that served after a later one had: of an actor with restart= the one is over before the other."""
    wrong = []
    for name, theirs in _grouped((reply for reply in replies if reply.served), lambda reply: reply.name):
        ordered = sorted(theirs, key=lambda reply: reply.served)
        last = ordered[0]
        for reply in ordered:
            if reply.epoch < last.epoch:
                since = reply.served - last.served
                wrong.append(f"{name}: epoch {reply.epoch} served {since:.3f} s after {last.epoch} had")
            last = max(last, reply, key=lambda reply: reply.epoch)
    return wrong


def won_twice(won: Mapping[str, Sequence[int]]) -> list[str]:
    """Names that more than one of those who raced for it were told to have; their epochs."""
    return [f"{name}: won with the epochs {epochs}" for name, epochs in won.items() if len(epochs) > 1]


def lost_increments(replies: Iterable[Reply], *, durable: bool = False) -> list[str]:
    """Increments of a counter that were acknowledged and have not counted.

    A counter lives as long as its actor; a ``durable`` one goes on in the next life of the name.
    """
    wrong = []
    counted = (reply for reply in replies if reply.count is not None)
    for key, theirs in _grouped(counted, lambda reply: reply.name if durable else (reply.name, reply.epoch)):
        seen: set[int | None] = set()
        for reply, before in _with_highest_before(theirs, lambda reply: reply.count or 0):
            if reply.count in seen:
                wrong.append(f"{key}: two increments to {reply.count}")
            elif (reply.count or 0) <= before:
                wrong.append(f"{key}: {reply.count} after {before} was acknowledged")
            seen.add(reply.count)
    return wrong


def _grouped(things: Iterable[_T], key: Callable[[_T], Hashable]) -> Iterable[tuple[Hashable, list[_T]]]:
    groups: dict[Hashable, list[_T]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups.items()


def _with_highest_before(replies: list[Reply], value: Callable[[Reply], int]) -> Iterable[tuple[Reply, int]]:
    """Each reply, and the highest value of those that were answered before it was asked for, or 0."""
    ordered = sorted(replies, key=lambda reply: reply.answered)
    highest = [0]
    for reply in ordered:
        highest.append(max(highest[-1], value(reply)))
    answered = [reply.answered for reply in ordered]
    return [(reply, highest[bisect_left(answered, reply.asked)]) for reply in ordered]
