"""top, and what it shows of a worker."""

from __future__ import annotations

import json
import re

import pytest

import stractory
from stractory.commands.ctl.text import shares
from stractory.commands.ctl.top import worker_row
from stractory.wire.facts import Load
from stractory.wire.info import WorkerInfo
from stractory.wire.rates import WorkerRates
from tests.commands.ctl.conftest import Ctl, running, steady
from tests.commands.ctl.test_tools import at_terminal


def test_the_row_of_a_worker() -> None:
    worker = WorkerInfo("a", 7, "running", 2, "cpython-311", False)
    unknown = dict.fromkeys(("cpu", "memory", "calls", "errors", "links", "lag"))
    assert worker_row(worker, None, None) == {**worker._asdict(), **unknown}
    load = Load(10.0, 100, 4, 3, 4, 2.0, 4096, 0.25, 0, [])
    known = {**unknown, "memory": 4096, "links": 3, "lag": 0.25}
    assert worker_row(worker, load, None) == {**worker._asdict(), **known}
    row = worker_row(worker, load, WorkerRates(0.0, 25.0, 1.0, ()))
    assert row == {**worker._asdict(), **known, "cpu": 0.0, "calls": 25.0, "errors": 1.0}


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
