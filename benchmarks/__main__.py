"""Measure ours beside others in one run and print one table. Run it by scripts/bench."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shlex
import sys
from pathlib import Path

import actors  # noqa: F401  # these register what they measure, in the order of the table
import calls  # noqa: F401
import echoes  # noqa: F401
import events  # noqa: F401
import in_etcd  # noqa: F401
import lasting  # noqa: F401
import proofs  # noqa: F401
import report
import scale  # noqa: F401
import shape  # noqa: F401
import starting  # noqa: F401
import streams  # noqa: F401
import watchers  # noqa: F401
from bench import Bench
from rows import Figures, Measurement, chosen
from table import as_text, lines
from targets import needed_by

ROUNDS = 5
QUICK_ROUNDS = 3
QUICK_SIZE = 0.1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help=f"in under a minute: size {QUICK_SIZE}, {QUICK_ROUNDS} rounds")
    add("--scale", action="store_true", help="the large rows and only them, one round")
    add("--rows", metavar="GLOB", help="only rows whose name fits, as 'calls.*'")
    add("--size", type=float, default=1.0, metavar="PART", help="of the full numbers (default: 1)")
    add("--rounds", type=int, metavar="N", help=f"default: {ROUNDS}")
    add("--json", type=Path, metavar="FILE", help="write all figures there too")
    add("--docs", action="store_true", help="write them into docs/performance.md and docs/performance/")
    options = parser.parse_args()
    if options.quick:
        options.size = QUICK_SIZE
    if options.rounds is None:
        options.rounds = 1 if options.scale else QUICK_ROUNDS if options.quick else ROUNDS
    if options.size <= 0 or options.rounds < 1:
        parser.error("--size and --rounds are more than 0")
    return options


def wanted(options: argparse.Namespace) -> list[Measurement]:
    """What to measure: the rows asked for, and what they are compared with."""
    asked = chosen(options.rows, scale=options.scale)
    names = {row.name for measurement in asked for row in measurement.rows}
    return chosen(options.rows, scale=options.scale, needed=needed_by(names)) if asked else []


def measure(measurements: list[Measurement], bench: Bench, figures: Figures, rounds: int) -> None:
    """Everything once a round, one after another, so that what else the machine does falls on all alike."""
    for round in range(1, rounds + 1):
        for measurement in measurements:
            told = f"round {round} of {rounds}: {measurement.rows[0].name}, {measurement.by}"
            print(f"\r{told:78}", end="", file=sys.stderr, flush=True)
            gc.collect()
            gc.freeze()  # what others left, and all that their libraries loaded, is not looked through again
            figures.take(measurement, bench)
    print(f"\r{'':78}\r", end="", file=sys.stderr)
    figures.curves = bench.curves


def main() -> None:
    options = parse()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs are compiled once, not at each start
    measurements = wanted(options)
    if not measurements:
        raise SystemExit(f"scripts/bench: no row fits {options.rows!r}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # peers need a descriptor a connection
    figures = Figures(options.size)
    with Bench(options.size) as bench:
        measure(measurements, bench, figures, options.rounds)
    table = list(lines(figures))
    print(as_text(table))
    for (row, by), why in figures.failed.items():
        print(f"{row.name}, {by}: {why}", file=sys.stderr)
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    part = report.LARGE if options.scale else report.TABLE
    run = report.Run(command, part, options.rounds, figures, table)
    if options.json:
        report.write_json(options.json, run)
    if options.docs:
        report.write_documents(run)


if __name__ == "__main__":
    main()
