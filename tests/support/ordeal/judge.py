"""An ordeal: a factory is used and harmed for a while, and then it is asked what became of all that."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import gevent

from stractory.registry.back_off import DELAYS
from tests.support.chance import chance
from tests.support.green import green_until
from tests.support.history import (
    Reply,
    lost_increments,
    served_after_the_next,
    served_at_once,
    went_back,
    won_twice,
)
from tests.support.ordeal.counters import create_kept
from tests.support.ordeal.harms import GENTLE, HarmsOfOne
from tests.support.ordeal.harms_of_several import HarmsOfSeveral
from tests.support.ordeal.holders import ECHO, Holders
from tests.support.ordeal.nemesis import RECOVERY, Harms, Nemesis
from tests.support.ordeal.people import KEPT, PLAIN, People
from tests.support.ordeal.racers import Racers
from tests.support.ordeal.several import SeveralRegistries
from tests.support.ordeal.site import OneRegistry, Site

LAST_DELAY = DELAYS[-1] + RECOVERY
"""Seconds in which everything is back that is to come back, however often it was killed."""


class Outcome(NamedTuple):
    """What was done, what clients met, and what must not have happened, in words."""

    harms: Counter[str]
    clients: Counter[str]
    wrong: list[str]

    @property
    def calls(self) -> int:
        """How many there were, whatever came of them."""
        return sum(self.clients.values())


def ordeal(site: OneRegistry, seed: str, seconds: float, chosen: Sequence[str]) -> Outcome:
    """Have people use the factory for so long while it is harmed; in the end it is empty."""
    site.log.write_text("")
    people = People(site, seed, 6)
    harms = _harm(site, HarmsOfOne(site, chance(f"{seed} how")), seed, seconds, chosen)
    people.end()
    wrong = _wrong(site, people, people.replies)
    if chosen is GENTLE:
        wrong += served_at_once(copy for copy in site.copies() if copy.name in PLAIN)
    _empty(site)
    return Outcome(harms, people.outcomes, wrong)


def ordeal_of_several(site: SeveralRegistries, seed: str, seconds: float, chosen: Sequence[str]) -> Outcome:
    """The same where there are several registries; others race for names, or hold what they have."""
    site.log.write_text("")
    holders = Holders(site)
    people, racers = People(site, seed, 6), Racers(site, 4)
    harms = _harm(site, HarmsOfSeveral(site, chance(f"{seed} how")), seed, seconds, chosen)
    for users in (people, racers, holders):
        users.end()
    wrong = holders.wrong + won_twice(racers.won) + _wrong(site, people, people.replies)
    wrong += _lost_prizes(site, racers)
    outcomes = people.outcomes + Counter({"held": holders.calls, "won": sum(map(len, racers.won.values()))})
    _empty(site)
    return Outcome(harms, outcomes, wrong)


def _harm(site: Site, harms: Harms[Any], seed: str, seconds: float, chosen: Sequence[str]) -> Counter[str]:
    """Returns when it is over: what was done. Raises what the site did not recover from."""
    nemesis = Nemesis(site, harms, chosen, chance(seed), seconds)
    nemesis.start()
    green_until(lambda: not nemesis.is_alive(), seconds + 4 * RECOVERY)
    if nemesis.error is not None:
        raise nemesis.error
    return nemesis.done


def _wrong(site: Site, people: People, replies: list[Reply]) -> list[str]:
    with site.client() as strac:
        last = [_count_once_more(strac, name, site) for name in KEPT]
    kept = [reply for reply in replies + last if reply.name in KEPT]
    wrong = went_back(replies + last)
    wrong += lost_increments(reply for reply in replies if reply.name in PLAIN)
    wrong += lost_increments(kept, durable=True) + served_after_the_next(kept)
    for reply in last:
        if (reply.count or 0) > people.tried[reply.name] + 1:
            wrong.append(f"{reply.name}: {reply.count} of {people.tried[reply.name] + 1} increments")
    return wrong + _wrong_with_lists(site)


def _count_once_more(strac: Any, name: str, site: Site) -> Reply:
    """Whoever it was: the nemesis is done, and all must be there again."""
    create_kept(strac, name, site, limit=LAST_DELAY)
    asked = time.monotonic()
    epoch, count, served = strac.get(name, timeout=LAST_DELAY).increment()
    return Reply("the judge", name, epoch, asked, time.monotonic(), count, served)


def _wrong_with_lists(site: Site) -> list[str]:
    """What registries have is what there is, at the latest when all have told each other."""
    end = time.monotonic() + LAST_DELAY
    while (wrong := _differences(site)) and time.monotonic() < end:
        gevent.sleep(0.1)
    return wrong


def _differences(site: Site) -> list[str]:
    there = Counter((copy.name, copy.epoch) for copy in site.copies() if copy.stop == math.inf)
    wrong = [f"{name}: {number} copies of the epoch {epoch}"
             for (name, epoch), number in there.items() if number > 1]  # fmt: skip
    for address, listed in site.lists().items():
        counters = {(name, epoch) for name, epoch in listed if name != ECHO}
        wrong += [f"{name}: the registry {address} lists the epoch {epoch}, and it is not there"
                  for name, epoch in counters - there.keys()]  # fmt: skip
        wrong += [f"{name}: the epoch {epoch} is there, and the registry {address} does not list it"
                  for name, epoch in there.keys() - counters]  # fmt: skip
    return wrong


def _lost_prizes(site: Site, racers: Racers) -> list[str]:
    """What was won has not gone, as it comes back."""
    wrong = []
    for address, listed in site.lists().items():
        last = dict(listed)
        for name, epochs in racers.won.items():
            if epochs and last.get(name, 0) < max(epochs):
                wrong.append(
                    f"{name}: won with the epoch {epochs}, the registry {address} lists {last.get(name)}"
                )
    return wrong


def _empty(site: Site) -> None:
    with site.client() as strac:
        for info in strac.list():
            strac.destroy(info.name)
