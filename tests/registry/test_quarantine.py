"""What has ended one worker after another is not started for a while."""

from __future__ import annotations

import pytest

from stractory.errors import ActorQuarantined
from stractory.registry.quarantine import KEPT, LENGTH, MARK, WITHIN, Quarantine
from stractory.wire.life import PLAIN, Terms
from stractory.wire.shipping import Code, Definition

BAD, GOOD = (Definition("rpc", Code.imported(f"module:{name}"), None, {}) for name in ("bad", "good"))
MARK_OF_BAD = BAD.digest[:MARK]


class Kept(dict[bytes, float]):
    """What the next registry will know."""

    def keep(self, mark: bytes, until: float) -> None:
        if until:
            self[mark] = until
        else:
            del self[mark]


def blamed(quarantine: Quarantine, *times: float) -> list[bool]:
    return [quarantine.blame(MARK_OF_BAD, time) for time in times]


def test_the_third_death_is_once_too_often() -> None:
    kept = Kept()
    quarantine = Quarantine({}, kept.keep)
    assert blamed(quarantine, 0.0, 10.0) == [False, False]
    quarantine.check("actor", BAD, PLAIN, 20.0)
    assert blamed(quarantine, 30.0) == [True]
    with pytest.raises(
        ActorQuarantined, match=rf"'actor' .* rpc definition {MARK_OF_BAD.hex()} have ended 3"
    ):
        quarantine.check("actor", BAD, PLAIN, 31.0)
    quarantine.check("actor", GOOD, PLAIN, 31.0)
    assert kept == {MARK_OF_BAD: 30.0 + LENGTH}


def test_deaths_far_apart_are_not() -> None:
    quarantine = Quarantine({}, Kept().keep)
    assert blamed(quarantine, 0.0, WITHIN / 2, WITHIN + 1, WITHIN * 2 + 2) == [False] * 4
    assert blamed(quarantine, WITHIN * 2 + 3) == [False]
    assert blamed(quarantine, WITHIN * 2 + 4) == [True]


def test_it_ends_and_begins_anew() -> None:
    kept = Kept()
    quarantine = Quarantine({}, kept.keep)
    blamed(quarantine, 0.0, 1.0, 2.0)
    assert quarantine.left(BAD, PLAIN, 3.0) == LENGTH - 1
    assert quarantine.left(BAD, PLAIN, 2.0 + LENGTH) == 0
    assert kept == {}
    assert blamed(quarantine, 700.0, 701.0, 702.0) == [False, False, True]


def test_the_next_registry_knows_of_it() -> None:
    kept = Kept()
    blamed(Quarantine({}, kept.keep), 0.0, 1.0, 2.0)
    later = Quarantine(kept, kept.keep)
    assert later.left(BAD, PLAIN, 100.0) == LENGTH - 98
    assert later.left(BAD, PLAIN, -1e9) == LENGTH  # the clock was put back by years


def test_what_has_a_process_of_its_own_is_started() -> None:
    quarantine = Quarantine({}, Kept().keep)
    blamed(quarantine, 0.0, 1.0, 2.0)
    quarantine.check("actor", BAD, Terms(isolate=True), 3.0)
    with pytest.raises(ActorQuarantined):
        quarantine.check("actor", BAD, PLAIN, 3.0)


def test_deaths_that_do_not_count_any_more_are_forgotten() -> None:
    quarantine = Quarantine({}, Kept().keep)
    for number in range(100):
        quarantine.blame(b"mark%2d" % number, number * WITHIN)
    assert len(quarantine._deaths) <= 2


def test_of_any_number_of_definitions_some_are_counted() -> None:
    quarantine = Quarantine({}, Kept().keep)
    for number in range(10 * KEPT):
        quarantine.blame(number.to_bytes(MARK, "big"), 0.0)
    assert len(quarantine._deaths) == KEPT
    assert blamed(quarantine, 1.0, 1.0, 1.0) == [False, False, True]
