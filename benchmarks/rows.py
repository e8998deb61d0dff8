"""The rows of the table, who measures each, and the figures that come of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

OURS = "ours"

SCALE = "scale"
"""The group of the rows that are measured with --scale only."""

Function = Callable[[Any], Any]
"""Takes the Bench; returns a figure, or a tuple of them where it measures several rows."""


@dataclass(frozen=True)
class Row:
    """One thing that is measured. ``name`` is ``group.which``; ``unit`` is that of all its figures.

    Where ``what`` has a ``{count}``, that is how many there are; ``count`` at full size.
    """

    name: str
    what: str
    unit: str = "/s"
    count: int = 0

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]

    @property
    def more_is_better(self) -> bool:
        return self.unit in ("/s", "MB/s")

    def title(self, part: float) -> str:
        """What it is, when only a part of the full size was measured."""
        return self.what.format(count=f"{sized(self.count, part):,}")


def sized(full: int, part: float) -> int:
    """How many that is, at least one."""
    return max(1, round(full * part))


@dataclass(frozen=True)
class Measurement:
    """How ``by`` (ours, or a peer's name) does in some rows."""

    rows: tuple[Row, ...]
    by: str
    function: Function

    def take(self, bench: Any) -> dict[Row, float]:
        """A figure for each of its rows."""
        figures = self.function(bench)
        several = figures if isinstance(figures, tuple) else (figures,)
        return dict(zip(self.rows, several, strict=True))


MEASUREMENTS: list[Measurement] = []
"""All there are, in the order of the table."""


def measures(*rows: Row, by: str = OURS) -> Callable[[Function], Function]:
    """Register a function that measures these rows."""

    def register(function: Function) -> Function:
        MEASUREMENTS.append(Measurement(rows, by, function))
        return function

    return register


def chosen(pattern: str | None, *, scale: bool, needed: Iterable[str] = ()) -> list[Measurement]:
    """Those of the ordinary or of the large rows that fit the shell-style pattern, or are needed anyway."""
    always = set(needed)
    return [
        measurement
        for measurement in MEASUREMENTS
        if any(
            row.name in always
            or ((row.group == SCALE) == scale and (pattern is None or fnmatchcase(row.name, pattern)))
            for row in measurement.rows
        )
    ]


class Figures:
    """What was measured: for each row and each who measured it a figure a round, or why there is none.

    ``part`` is that of the full size. ``curves`` are more figures of a row, by how many there were.
    """

    def __init__(self, part: float = 1.0) -> None:
        self.part = part
        self.taken: dict[Row, dict[str, list[float]]] = {}
        self.failed: dict[tuple[Row, str], str] = {}
        self.curves: dict[str, list[tuple[float, float]]] = {}

    def take(self, measurement: Measurement, bench: Any) -> None:
        """Measure once. What fails is noted and not tried again: no peer ends the bench."""
        by = measurement.by
        if any((row, by) in self.failed for row in measurement.rows):
            return
        try:
            taken = measurement.take(bench)
        except Exception as error:
            for row in measurement.rows:
                self.taken.setdefault(row, {}).setdefault(by, [])
                self.failed[row, by] = f"{type(error).__name__}: {error}".strip(": ")
            return
        for row, figure in taken.items():
            self.taken.setdefault(row, {}).setdefault(by, []).append(figure)

    def row(self, name: str) -> Row | None:
        """The row of this name, if it was measured."""
        return next((row for row in self.taken if row.name == name), None)

    def median(self, row: Row | None, by: str) -> float | None:
        """None where there is no figure."""
        taken = self.taken[row].get(by) if row is not None else None
        return statistics.median(taken) if taken else None
