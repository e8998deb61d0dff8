"""What is left of a run: JSON, and the measured part of docs/performance.md with its drawings."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import plots
from rows import Figures
from table import Line, as_markdown

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCUMENTS / "performance.md"
DRAWINGS = DOCUMENTS / "performance"

TITLES = {
    "creates": "Creating actors",
    "connects": "Connecting to actors",
    "calls": "Calls",
    "callbacks": "Functions of the client's",
    "events": "Events",
    "echoes": "Echoes",
    "bulk": "Bulk",
    "stalled": "While a stream stalls",
    "proofs": "Proving who is there",
    "start": "Starting",
    "lasting": "Actors that come back",
    "original": "The original's own benchmark",
}
CURVES = {
    "creates": ("actors there", "creates a second"),
    "memory": ("actors there", "the worker's memory, MB"),
}
"""What lies across, and what goes up."""


TABLE, LARGE = "table", "large"
"""The parts of the page."""


@dataclass(frozen=True)
class Run:
    """How it was measured. ``part`` is the part of the page for it; ``command`` repeats it."""

    command: str
    part: str
    rounds: int
    figures: Figures
    lines: Sequence[Line]

    @property
    def machine(self) -> str:
        return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def write_json(path: Path, run: Run) -> None:
    """All figures of all rounds, and the table. Raises OSError."""
    figures = run.figures
    told: dict[str, Any] = {
        "command": run.command,
        "date": time.strftime("%Y-%m-%d"),
        "machine": run.machine,
        "rounds": run.rounds,
        "size": figures.part,
        "rows": [
            {
                "name": row.name,
                "what": row.title(figures.part),
                "unit": row.unit,
                "figures": taken,
                "failed": {by: figures.failed[row, by] for by in taken if (row, by) in figures.failed},
            }
            for row, taken in figures.taken.items()
        ],
        "table": [
            {
                "row": line.row.name,
                "ours": line.ours,
                "beside": line.beside,
                "figure": line.figure,
                "ratio": line.ratio,
                "target": line.wanted or None,
                "reached": line.reached,
            }
            for line in run.lines
        ],
        "curves": figures.curves,
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_documents(run: Run) -> None:
    """Draw, and put the table into its part of the page. Raises OSError, and ValueError without the marks."""
    DRAWINGS.mkdir(exist_ok=True)
    drawn = [
        f"{run.machine}; {time.strftime('%Y-%m-%d')}; `{run.command}`; rounds: {run.rounds}.",
        as_markdown(run.lines),
    ]
    if run.part == TABLE:  # the large rows have few peers and are drawn as curves
        for group, lines in groupby(run.lines, key=lambda line: line.row.group):
            drawn.append(_drawing(group, TITLES[group], plots.bars(list(lines))))
    for name, points in run.figures.curves.items():
        across, up = CURVES[name]
        drawn.append(_drawing(f"growth-{name}", up, plots.curve(points, across, up)))
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {run.part}: measured -->\n", f"\n<!-- {run.part}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"{PAGE.name} has no marks {begin.strip()} and {end.strip()}")
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text(before + begin + "\n\n".join(drawn) + end + after, encoding="utf-8")


def _drawing(name: str, title: str, svg: str) -> str:
    """Write it; the reference to it."""
    path = DRAWINGS / f"{name}.svg"
    path.write_text(svg, encoding="utf-8")
    return f"![{title}]({path.relative_to(DOCUMENTS)})"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
