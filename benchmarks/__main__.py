"""Measure ours beside others in one run and print one table. Run it by scripts/bench."""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from pathlib import Path

import actors  # noqa: F401  # these register what they measure, in the order of the table
import calls  # noqa: F401
import events  # noqa: F401
import report
import scale  # noqa: F401
import shape  # noqa: F401
import starting  # noqa: F401
import streams  # noqa: F401
from bench import Bench
from rows import Figures, Measurement, chosen
from table import as_text, lines
from targets import needed_by

ROUNDS = 5
QUICK_ROUNDS = 3


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="small numbers, in under a minute")
    add("--scale", action="store_true", help="the large rows, once each")
    add("--size", type=float, default=1.0, metavar="PART", help="how much of the large rows (default: 1)")
    add("--rows", metavar="GLOB", help="only rows whose name fits, as 'calls.*'")
    add(
        "--rounds",
        type=int,
        metavar="N",
        help=f"default: {ROUNDS}, {QUICK_ROUNDS} with --quick, 1 with --scale",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures there too")
    add("--docs", action="store_true", help="write them into docs/performance.md and docs/performance/")
    return parser.parse_args()


def wanted(options: argparse.Namespace) -> list[Measurement]:
    """What to measure: the rows asked for, and what they are compared with."""
    asked = chosen(options.rows, scale=options.scale)
    names = {row.name for measurement in asked for row in measurement.rows}
    return chosen(options.rows, scale=options.scale, needed=needed_by(names)) if asked else []


def measure(measurements: list[Measurement], bench: Bench, rounds: int) -> Figures:
    """Everything once a round, one after another, so that what else the machine does falls on all alike."""
    figures = Figures()
    for round in range(1, rounds + 1):
        for measurement in measurements:
            gc.collect()  # what others left behind
            began = time.monotonic()
            figures.take(measurement, bench)
            spent = time.monotonic() - began
            told = f"round {round} of {rounds}: {measurement.rows[0].name}, {measurement.by}, {spent:.1f} s"
            print(f"\r{told:78}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    figures.curves = bench.curves
    return figures


def main() -> None:
    options = parse()
    measurements = wanted(options)
    if not measurements:
        raise SystemExit(f"no row fits {options.rows!r}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # peers need a descriptor a connection
    rounds = options.rounds or (1 if options.scale else QUICK_ROUNDS if options.quick else ROUNDS)
    with Bench(quick=options.quick, scale=options.size) as bench:
        figures = measure(measurements, bench, rounds)
    table = list(lines(figures))
    print(as_text(table))
    for (row, by), why in figures.failed.items():
        print(f"{row.name}, {by}: {why}", file=sys.stderr)
    command = " ".join(["scripts/bench", *sys.argv[1:]])
    run = report.Run(command, "large" if options.scale else "table", rounds, figures, table)
    if options.json:
        report.write_json(options.json, run)
    if options.docs:
        report.write_documents(run)


if __name__ == "__main__":
    main()
