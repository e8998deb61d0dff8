"""Where results go: as JSON, as coloured tables on a terminal, or as plain aligned text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from stractory.commands.ctl.arguments import PROGRAM
from stractory.commands.ctl.text import Column, Row, aligned, aligned_cells, as_json, as_text, shares

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

STYLED = ("state", "reachable")
"""Columns whose words say how something is, in these colours:"""

STYLES = {
    **dict.fromkeys(("running", "yes"), "green"),
    **dict.fromkeys(("waiting", "awaited", "pending", "ending", "leaving"), "yellow"),
    **dict.fromkeys(("lost", "ended", "no"), "red"),
}

Tables = Mapping[str, tuple[Sequence[Column], Sequence[Row]]]
"""Some that are shown one below another, by what JSON calls them."""

Show = Callable[[str, Tables], None]
"""Shows tables below a title."""


class Output:
    """``json``: one JSON value for a result, and a line each for what goes on.

    Raises BrokenPipeError when nobody reads any more.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json

    # ---- results ---------------------------------------------------------------------------------------

    def table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """All there is of a sort."""
        if self.json:
            self.line(as_json(rows))
        elif (console := _console(sys.stdout)) is not None:
            console.print(_table(columns, rows))
        else:
            for line in aligned(columns, rows):
                self.line(line)

    def row(self, columns: Sequence[Column], row: Row) -> None:
        """One thing, as a table of one."""
        if self.json:
            self.line(as_json(row))
        else:
            self.table(columns, [row])

    def record(self, columns: Sequence[Column], row: Row) -> None:
        """One thing, with a line for each of ``columns``."""
        if self.json:
            self.line(as_json(row))
        else:
            for line in aligned_cells([[column.key, column.cell(row)] for column in columns]):
                self.line(line)

    def happened(self, columns: Sequence[Column], row: Row) -> None:
        """One of what goes on, at once."""
        self.line(as_json(row) if self.json else aligned(columns, [row], heading=False)[0], flush=True)

    def value(self, value: Any, *, flush: bool = False) -> None:
        """What a method returned."""
        self.line(as_json(value) if self.json else as_text(value), flush=flush)

    def line(self, text: str, *, flush: bool = False) -> None:
        """As it is."""
        print(text, flush=flush)

    def data(self, data: bytes) -> None:
        """Bytes of a stream: they are the user's, and go out as they are."""
        if self.json:
            self.line(as_json({"data": data}), flush=True)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    # ---- what moves ------------------------------------------------------------------------------------

    @contextmanager
    def frames(self) -> Iterator[Show]:
        """Tables, in the place of those before them on a terminal; else one after another."""
        console = None if self.json else _console(sys.stdout)
        if console is None:
            yield self._frame
            return
        from rich.live import Live

        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda title, tables: live.update(_screen(console, title, tables), refresh=True)

    def _frame(self, title: str, tables: Tables) -> None:
        if self.json:
            self.line(as_json({name: rows for name, (_, rows) in tables.items()}), flush=True)
            return
        self.line(title)
        for columns, rows in tables.values():
            self.table(columns, rows)
            self.line("")
        sys.stdout.flush()

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None] | None]:
        """A bar on standard error, told how much is done; None where that is no terminal."""
        console = _console(sys.stderr) if total > 1 else None
        if console is None:
            yield None
            return
        from rich.progress import Progress

        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)


def complain(text: str) -> None:
    """Say what went wrong."""
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def _console(stream: TextIO) -> Console | None:
    """Of a terminal, if rich is installed: it also knows NO_COLOR."""
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def _screen(console: Console, title: str, tables: Tables) -> Group:
    """As much of it as there is room for: a title, and each table with its heading below an empty line."""
    from rich.console import Group

    room = console.height - 1 - 2 * len(tables)
    parts: list[Any] = [title]
    given = shares([len(rows) for _, rows in tables.values()], room)
    for (columns, rows), lines in zip(tables.values(), given, strict=True):
        parts += ["", _table(columns, rows[:lines])]
    return Group(*parts)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.heading, overflow="fold")
    for row in rows:
        cells = [(column.key, column.cell(row)) for column in columns]
        table.add_row(*(Text(text, STYLES.get(text, "") if key in STYLED else "") for key, text in cells))
    return table
