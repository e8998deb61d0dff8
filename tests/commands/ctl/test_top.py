"""top, and what it makes of two looks."""

from __future__ import annotations

import json
import re

import pytest

import stractory
from stractory.commands.ctl.rates import Rates
from stractory.commands.ctl.text import shares
from stractory.wire.facts import Busy, Load
from tests.commands.ctl.conftest import Ctl, running, steady
from tests.commands.ctl.test_tools import at_terminal


def load(cpu: float = 1.0, calls: int = 0, errors: int = 0, busiest: tuple[Busy, ...] = ()) -> Load:
    return Load(calls, errors, 3, 4, cpu, 4096, 0.25, 0, [*busiest])


UNKNOWN = {"cpu": None, "memory": None, "calls": None, "errors": None, "links": None, "lag": None}


def test_rates_need_two_looks() -> None:
    rates = Rates()
    assert rates.worker("a") == UNKNOWN
    rates.see({"a": load()}, 10.0)
    assert rates.worker("a") == {**UNKNOWN, "memory": 4096, "links": 3, "lag": 0.25}
    rates.see({"a": load(2.0, 100, 4)}, 14.0)
    assert rates.worker("a") == {
        "cpu": 25.0, "memory": 4096, "calls": 25.0, "errors": 1.0, "links": 3, "lag": 0.25
    }  # fmt: skip
    rates.see({}, 15.0)
    assert rates.worker("a") == UNKNOWN


def test_a_look_that_tells_nothing_new_changes_nothing() -> None:
    rates = Rates()
    for calls, now in ((0, 10.0), (10, 11.0), (10, 11.2)):
        rates.see({"a": load(1.0 + calls, calls)}, now)
    assert rates.worker("a")["calls"] == 10.0
    rates.see({"a": load(12.0, 40)}, 12.0)
    assert rates.worker("a")["calls"] == 30.0


def test_another_process_at_the_same_address() -> None:
    rates = Rates()
    for cpu, calls in ((5.0, 100), (0.1, 200), (0.2, 20)):
        rates.see({"a": load(cpu, calls)}, cpu + calls)
        assert rates.worker("a")["calls"] is None


def test_the_busiest_actors_of_all_workers() -> None:
    rates = Rates()
    rates.see({"a": load(1.0, 1, 0, (Busy("x", 1, 10), Busy("again", 1, 50))), "b": load()}, 0.0)
    rates.see({"b": load(2.0, 1, 0, (Busy("y", 1, 7),))}, 1.0)
    rates.see({"b": load(3.0, 2, 0, (Busy("y", 1, 8),))}, 2.0)
    assert rates.busiest(9) == [{"name": "y", "worker": "b", "epoch": 1, "calls": 1.0}]
    rates.see({"a": load(2.0, 9, 0, (Busy("x", 1, 10),)), "b": load(4.0, 3, 0, (Busy("y", 1, 9),))}, 3.0)
    busy = (Busy("x", 1, 40), Busy("again", 2, 90))  # of which the latter has begun anew
    rates.see({"a": load(3.0, 99, 0, busy), "b": load(5.0, 4, 0, (Busy("y", 1, 29),))}, 5.0)
    assert [(row["name"], row["calls"]) for row in rates.busiest(9)] == [("x", 15.0), ("y", 10.0)]
    assert [row["name"] for row in rates.busiest(1)] == ["x"]


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([2, 3], 10, [2, 3]),
        ([50, 3], 10, [7, 3]),
        ([3, 50], 10, [3, 7]),
        ([50, 50], 11, [5, 6]),
        ([50, 50], 0, [0, 0]),
        ([50, 50], -3, [0, 0]),
        ([0, 0], 10, [0, 0]),
        ([], 10, []),
    ],
)
def test_lines_are_shared(wanted: list[int], room: int, given: list[int]) -> None:
    assert shares(wanted, room) == given


# ---- the command -------------------------------------------------------------------------------------------


def test_as_text(ctl: Ctl) -> None:
    frames = ctl("top", "--count=2", "--interval=0.1").split("\n\n")
    assert len(frames) == 5 and frames[4] == ""
    title, heading, *rows = frames[0].splitlines()
    assert "2 workers, 0 actors" in title and len(rows) == 2
    assert " ".join(heading.split()) == "ADDRESS PID STATE ACTORS CPU MEMORY CALLS/S ERRORS/S LINKS LAG"
    assert re.fullmatch(
        r"127\.0\.0\.1:PPPPP +\d+ +running +0 +- +\d+\.\dM +- +- +\d+ +\d+\.\dms", steady(rows[0])
    )
    assert frames[1] == frames[3] == "CALLS/S  NAME  WORKER"


def test_the_busiest_as_json(ctl: Ctl, strac: stractory.Client) -> None:
    made = strac.create("room", stractory.rpc("play:Room"))
    room = strac.get("room")
    with running(ctl, "top", "--json", "--count=3", "--interval=1.1") as watching:
        while watching.process.poll() is None:
            room.add(1)
        told = [json.loads(watching.line()) for _ in range(3)][2]
    (row,) = told["actors"]
    assert (row["name"], row["worker"], row["epoch"]) == ("room", made.worker, made.epoch)
    assert row["calls"] > 0
    (worker,) = (worker for worker in told["workers"] if worker["address"] == made.worker)
    assert worker["calls"] >= row["calls"] and worker["cpu"] > 0 and worker["errors"] == 0
    assert told["workers"][0] == max(told["workers"], key=lambda worker: worker["cpu"])


def test_it_goes_on_until_it_is_interrupted(ctl: Ctl) -> None:
    with running(ctl, "top") as talking:
        talking.line()
        talking.interrupt()


def test_q_ends_it_and_leaves_the_terminal_as_it_was(ctl: Ctl) -> None:
    with at_terminal(ctl, "top") as terminal:
        terminal.wait_for("2 workers, 0 actors")
        terminal.press("x")  # means nothing, but that it looks again
        terminal.wait_for("2 workers, 0 actors(.|\n)*2 workers, 0 actors")
        terminal.press("q")
        assert terminal.join() == 0
        assert terminal.seen.endswith("\x1b[?25h\x1b[?1049l")


def test_what_does_not_fit_is_left_out(ctl: Ctl) -> None:
    with at_terminal(ctl, "top", "--count=1", LINES="6", COLUMNS="120") as terminal:
        assert terminal.join() == 0
        assert "ADDRESS" in terminal.seen and "NAME" in terminal.seen
        assert terminal.seen.count("running") == 1
