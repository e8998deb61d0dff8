"""How values become text: for people, for other programs, and never as orders to the terminal. Pure."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stractory.errors import StractoryError

NOTHING = "-"
"""What stands for nothing, so that each line of a table has as many words as the first."""

Row = Mapping[str, Any]


def printable(text: str) -> str:
    """``text`` with escapes for what does not print: names are others' choice, and terminals obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_json(value: Any, *, ascii: bool = True) -> str:
    """One line. Bytes are base64; what JSON cannot say at all is its repr()."""
    try:
        return json.dumps(value, ensure_ascii=ascii, allow_nan=False, default=_without_json)
    except (TypeError, ValueError, RecursionError):  # NaN; keys that are no text; what contains itself
        return json.dumps(repr(value), ensure_ascii=ascii)


def _without_json(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return repr(value)


def as_text(value: Any) -> str:
    """What a person reads of a value that a method returned."""
    return printable(value if isinstance(value, str) else as_json(value, ascii=False))


def event_text(event: str, data: Iterable[Any]) -> str:
    """What a person reads of an event."""
    return printable(" ".join([event, *(as_json(value, ascii=False) for value in data)]))


def clock(seconds: float) -> str:
    """The local time of ``seconds`` since 1970."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))


def moment(seconds: float | None) -> str:
    """As clock(), of what may never have happened, which is 0, or is not known."""
    return clock(seconds) if seconds else NOTHING


def milliseconds(seconds: float | None) -> str:
    """A span of time, if there is one."""
    return NOTHING if seconds is None else f"{seconds * 1000:.1f}ms"


def percent(value: float | None) -> str:
    """A share, if it is known."""
    return NOTHING if value is None else f"{value:.1f}%"


def per_second(value: float | None) -> str:
    """How often something happens, if that is known."""
    return NOTHING if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def size(value: float | None) -> str:
    """So many bytes, if that is known."""
    if value is None:
        return NOTHING
    for unit in ("B", "K", "M"):
        if value < 1024:
            return f"{value:.0f}{unit}" if unit == "B" or value >= 100 else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}G"


def span(seconds: float | None) -> str:
    """A time, in its two largest units, if it is known."""
    if seconds is None:
        return NOTHING
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def known(value: Any) -> str:
    """Whatever it is, if it is known."""
    return NOTHING if value is None else str(value)


def yes(value: bool) -> str:
    """A flag."""
    return "yes" if value else "no"


class Column(NamedTuple):
    """One of a table: the key of its values in each row, how they are shown, and its name, if not that."""

    key: str
    show: Callable[[Any], str] = str
    name: str = ""

    @property
    def heading(self) -> str:
        """What stands above it."""
        return (self.name or self.key).upper()

    def cell(self, row: Row) -> str:
        """What stands there."""
        return printable(self.show(row[self.key])) or NOTHING


def aligned(columns: Sequence[Column], rows: Sequence[Row], *, heading: bool = True) -> list[str]:
    """The lines of a table."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    if heading:
        cells.insert(0, [column.heading for column in columns])
    return aligned_cells(cells)


def aligned_cells(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many lines each gets where there are so many: who wants few has them, others share the rest."""
    given = dict.fromkeys(range(len(wanted)), 0)
    for done, which in enumerate(sorted(given, key=wanted.__getitem__)):
        given[which] = min(wanted[which], max(0, room) // (len(wanted) - done))
        room -= given[which]
    return [*given.values()]


def explanation(error: StractoryError, *, verbose: bool) -> str:
    """What went wrong, in one line; with ``verbose`` also the traceback that came from the other side."""
    sentence, _, remote = str(error).partition("\n\n")
    sentence = " ".join(printable(line.strip()) for line in sentence.splitlines())
    if not remote:
        return sentence
    if not verbose:
        return f"{sentence} (--verbose shows where)"
    return "\n".join([sentence, "", *map(printable, remote.splitlines())])
