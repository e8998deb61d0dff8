"""The one table: a line for each row and yardstick, with the ratio and whether the target was reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rows import OURS, Figures, Row
from targets import GEVENT_ECHO, ORIGINAL, ORIGINAL_ECHO, ORIGINAL_FIGURES, TARGETS, Target, Yardstick, peer

HEADS = ("what", "ours", "beside", "its figure", "ratio", "target", "")
LONGEST_REASON = 60
"""Characters of why there is no figure."""


@dataclass(frozen=True)
class Line:
    """Ours in a row, and one yardstick. ``part`` is that of the full size which was measured."""

    row: Row
    ours: float | None
    beside: str | None
    figure: float | None
    target: Target | None
    why: str | None
    part: float

    @property
    def ratio(self) -> float | None:
        return self.ours / self.figure if self.ours is not None and self.figure else None

    @property
    def reached(self) -> bool | None:
        """None where there is no target, or no figure for it."""
        if self.target is None or not self.wanted or not self.judged:
            return None
        if self.ours is None:
            return False  # what cannot be measured has not got there
        value = self.ratio if self.beside is not None else self.ours
        if value is None:
            return None
        if self.target.least is not None:
            return value >= self.target.least
        return self.target.most is not None and value <= self.target.most

    @property
    def judged(self) -> bool:
        """Whether what was measured is as large as the target wants it."""
        return self.target is None or not self.target.whole or self.part >= 1

    @property
    def wanted(self) -> str:
        """The target in words."""
        if self.target is None or (self.target.least, self.target.most) == (None, None):
            return ""
        limit, sign = (self.target.least, "≥") if self.target.least is not None else (self.target.most, "≤")
        return f"{sign} {limit:.3g}x" if self.beside else f"{sign} {spelled(limit, self.row.unit)}"

    def cells(self, *, first: bool) -> tuple[str, ...]:
        """As HEADS say; of several lines of a row only the first names it."""
        return (
            self.row.title(self.part) if first else "",
            (spelled(self.ours, self.row.unit) or self.why or "") if first else "",
            self.beside or "",
            (spelled(self.figure, self.row.unit) or self.why or "") if self.beside else "",
            f"{self.ratio:.2f}x" if self.ratio is not None else "",
            self.wanted,
            {True: "reached", False: "not", None: "" if self.judged else "at full size only"}[self.reached],
        )


def spelled(figure: float | None, unit: str) -> str:
    """``12,345 /s``; nothing for None."""
    if figure is None:
        return ""
    return f"{figure:,.0f} {unit}" if abs(figure) >= 100 else f"{figure:.3g} {unit}"


def lines(figures: Figures) -> Iterator[Line]:
    """Of all rows that were measured, in order."""
    for row in figures.taken:
        ours = figures.median(row, OURS)
        if ours is None and (row, OURS) not in figures.failed:
            continue  # measured as a yardstick only
        compared = list(_comparisons(row, figures)) or [(None, None)]
        for yardstick, target in compared:
            figure = None if yardstick is None else _figure(figures, row, yardstick)
            label = None if yardstick is None else yardstick.label
            why = _reason(figures, row, yardstick)
            yield Line(row, ours, label, figure, target, why, figures.part)


def _comparisons(row: Row, figures: Figures) -> Iterator[tuple[Yardstick | None, Target | None]]:
    """Those with a target, then the peers, then the original, where they had none."""
    targets = [target for target in TARGETS if target.row == row.name]
    beside = [target.beside for target in targets]
    yield from ((target.beside, target) for target in targets)
    for name in figures.taken[row]:
        if name != OURS and peer(name) not in beside:
            yield peer(name), None
    if row.name in ORIGINAL_FIGURES and ORIGINAL not in beside:
        yield ORIGINAL, None


def _figure(figures: Figures, row: Row, yardstick: Yardstick) -> float | None:
    if yardstick is ORIGINAL:
        echo = _figure(figures, row, GEVENT_ECHO)
        return None if echo is None else ORIGINAL_FIGURES[row.name] * echo / ORIGINAL_ECHO
    where = row if yardstick.row is None else figures.row(yardstick.row)
    return figures.median(where, yardstick.by)


def _reason(figures: Figures, row: Row, yardstick: Yardstick | None) -> str | None:
    """Why there is no figure, in a few words."""
    why = figures.failed.get((row, OURS))
    if why is None and yardstick is not None:
        where = row if yardstick.row is None else figures.row(yardstick.row)
        why = figures.failed.get((where, yardstick.by), "not measured") if where else "not measured"
    return why and " ".join(why.split())[:LONGEST_REASON]


def _all_cells(all: Sequence[Line]) -> list[tuple[str, ...]]:
    befores = [None, *(line.row for line in all)]
    return [line.cells(first=line.row != before) for before, line in zip(befores, all, strict=False)]


def as_text(all: Sequence[Line]) -> str:
    """For the screen."""
    rows = [HEADS, *_all_cells(all)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    numbers = {1, 3, 4, 5}

    def padded(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([padded(HEADS), "  ".join("-" * width for width in widths), *map(padded, rows[1:])])


def as_markdown(all: Sequence[Line]) -> str:
    """For the documents."""
    rows = [HEADS, ("---", "---:", "---", "---:", "---:", "---:", "---"), *_all_cells(all)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
