"""What two looks tell."""

from __future__ import annotations

from stractory.wire.facts import Busy, Load
from stractory.wire.rates import Rates, WorkerRates, between


def look(
    at: float, calls: int = 0, errors: int = 0, cpu: float = 1.0, busiest: tuple[Busy, ...] = ()
) -> Load:
    return Load(at, calls, errors, 3, 4, cpu, 4096, 0.25, 0, [*busiest])


def test_they_need_two_looks() -> None:
    rates = Rates()
    assert rates.worker("a") is None
    rates.see({"a": look(10.0)})
    assert rates.worker("a") is None
    rates.see({"a": look(14.0, 100, 4, 2.0)})
    assert rates.worker("a") == WorkerRates(cpu=0.25, calls=25.0, errors=1.0, busiest=())
    rates.see({})
    assert rates.worker("a") is None


def test_a_look_that_was_seen_before_changes_nothing() -> None:
    rates = Rates()
    for at, calls in ((10.0, 0), (11.0, 10), (11.0, 10), (13.0, 70)):
        rates.see({"a": look(at, calls)})
        if calls == 10:
            assert rates.worker("a") == WorkerRates(0.0, 10.0, 0.0, ())
    assert rates.worker("a") == WorkerRates(0.0, 30.0, 0.0, ())


def test_another_process_at_the_same_address() -> None:
    rates = Rates()
    for at, cpu, calls in ((50.0, 5.0, 100), (51.0, 0.1, 200), (52.0, 0.2, 20), (0.5, 0.3, 30)):
        rates.see({"a": look(at, calls, cpu=cpu)})
        assert rates.worker("a") is None
    rates.see({"a": look(1.0, 31, cpu=0.3)})
    assert rates.worker("a") == WorkerRates(0.0, 2.0, 0.0, ())


def test_looks_in_one_moment_tell_nothing() -> None:
    assert between(look(1.0, 1), look(1.0 + 1e-9, 2**62), "a") is None


def test_the_busiest_actors_of_all_workers() -> None:
    rates = Rates()
    first = look(0.0, busiest=(Busy("x", 1, 10), Busy("again", 1, 50), Busy("idle", 1, 5)))
    rates.see({"a": first, "b": look(7.0, busiest=(Busy("y", 1, 8), Busy("w", 1, 8)))})
    assert rates.busiest(9) == []
    second = (Busy("x", 1, 40), Busy("again", 2, 90), Busy("new", 1, 99), Busy("idle", 1, 5))
    rates.see({
        "a": look(2.0, busiest=second),  # where one has begun anew, and one was not told of before
        "b": look(9.0, busiest=(Busy("y", 1, 28), Busy("w", 1, 28))),
    })  # fmt: skip
    found = rates.busiest(9)
    assert found == [(15.0, "x", 1, "a"), (10.0, "w", 1, "b"), (10.0, "y", 1, "b")]
    assert rates.busiest(1) == found[:1]
