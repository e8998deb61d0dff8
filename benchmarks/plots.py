"""The figures as SVG: bars of ours beside those of the peers, and curves of what grows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from rows import OURS
from table import Line, spelled

WIDTH = 760
LABELS = 170
"""Where bars begin, after their names."""
NUMBERS = 110
"""What is left for the number behind the longest bar."""
LINE = 20
COLOURS = {True: "#2a6f97", False: "#b0b7bf"}
STYLE = (
    "<style>text{font:12px sans-serif;fill:#444}.what{font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>"
)

Curve = Sequence[tuple[float, float]]


def bars(lines: Sequence[Line]) -> str:
    """For each row its bars, each row on a scale of its own; yardsticks of other rows stand there too."""
    parts: list[str] = []
    top = 0
    for row, of_row in groupby(lines, key=lambda line: line.row):
        some = list(of_row)
        found = [(OURS, some[0].ours), *((line.beside, line.figure) for line in some)]
        figures = [(by, figure) for by, figure in found if by and figure is not None]
        longest = max((figure for _, figure in figures), default=0.0)
        better = "" if row.more_is_better else " (less is better)"
        parts.append(_text(0, top + 15, row.title(some[0].part) + better, "what"))
        top += LINE
        for by, figure in figures:
            length = (WIDTH - LABELS - NUMBERS) * figure / longest
            parts.append(_text(10, top + 14, by))
            parts.append(
                f'<rect x="{LABELS}" y="{top + 3}" width="{length:.1f}" height="14"'
                f' fill="{COLOURS[by == OURS]}"/>'
            )
            parts.append(_text(LABELS + length + 6, top + 14, spelled(figure, row.unit)))
            top += LINE
        top += LINE // 2
    return _document(top, parts)


def curve(points: Curve, across: str, up: str) -> str:
    """One line through the points, from 0 on both axes."""
    left, right, top, bottom = 70.0, WIDTH - 30.0, 30.0, 270.0
    far, high = max(x for x, _ in points), max(y for _, y in points) * 1.1 or 1.0

    def place(x: float, y: float) -> str:
        return f"{left + (right - left) * x / far:.1f},{bottom - (bottom - top) * y / high:.1f}"

    line = " ".join(place(x, y) for x, y in points)
    parts = [
        _text(left, 18, up, "what"),
        _text(right - 7 * len(across), bottom + 36, across, "what"),
        f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<polyline points="{line}" fill="none" stroke="{COLOURS[True]}" stroke-width="2"/>',
    ]
    for part in (0.5, 1.0):
        parts.append(_text(left + (right - left) * part - 25, bottom + 18, f"{far * part:,.0f}"))
        parts.append(_text(4, bottom - (bottom - top) * part / 1.1 + 4, f"{high / 1.1 * part:,.0f}"))
    parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{COLOURS[True]}"/>' for x, y in _pairs(line)]
    return _document(320, parts)


def _pairs(line: str) -> list[list[str]]:
    return [point.split(",") for point in line.split()]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    known = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{known}>{escape(text)}</text>'


def _document(height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])
