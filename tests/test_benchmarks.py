"""That the benchmarks run, and that their targets are for rows there are; not what they measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.programs import run_program

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def run(*arguments: str) -> str:
    """What the program prints, run in the folder of the benchmarks."""
    program = run_program(
        [sys.executable, *arguments], cwd=BENCHMARKS, capture_output=True, text=True, timeout=50
    )
    assert program.returncode == 0, program.stderr
    return program.stdout


def test_a_row_is_measured_beside_its_yardstick(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    table = run(".", "--quick", "--rounds=1", "--rows=start.help", f"--json={told}")
    assert "stractory --help" in table and "bare Python" in table
    [row] = [row for row in json.loads(told.read_text())["rows"] if row["name"] == "start.help"]
    assert row["failed"] == {}
    assert [len(figures) for figures in row["figures"].values()] == [1, 1]


def test_targets_are_for_rows_there_are() -> None:
    run(
        "-c",
        "import runpy; runpy.run_path('__main__.py', run_name='benchmarks')\n"
        "from report import TITLES\n"
        "from rows import MEASUREMENTS, SCALE\n"
        "from targets import GEVENT_ECHO, ORIGINAL_FIGURES, TARGETS\n"
        "measured = {(row.name, each.by) for each in MEASUREMENTS for row in each.rows}\n"
        "names = {name for name, by in measured}\n"
        "assert names >= {target.row for target in TARGETS} | set(ORIGINAL_FIGURES)\n"
        "beside = [target.beside for target in TARGETS if target.beside and target.beside.row]\n"
        "assert measured >= {(yardstick.row, yardstick.by) for yardstick in [*beside, GEVENT_ECHO]}\n"
        "groups = {row.group for each in MEASUREMENTS for row in each.rows}\n"
        "assert set(TITLES) == groups - {SCALE}\n",
    )


def test_what_fails_is_told_in_its_cell() -> None:
    run(
        "-c",
        "from rows import OURS, Figures, Measurement, Row\n"
        "from table import as_text, lines\n"
        "def fail(bench): raise RuntimeError('it does not start')\n"
        "row, figures = Row('calls.in-turn', 'calls'), Figures()\n"
        "by_all = {OURS: lambda bench: 2.0, 'RPyC': fail, 'gevent echo': lambda bench: 4.0}\n"
        "for by, function in by_all.items():\n"
        "    figures.take(Measurement((row,), by, function), None)\n"
        "found = {line.beside: line for line in lines(figures)}\n"
        "assert found['RPyC'].figure is None and 'it does not start' in as_text(list(found.values()))\n"
        "assert found['gevent echo'].ratio == 0.5 and found['gevent echo'].reached is False\n",
    )
