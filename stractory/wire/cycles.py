"""Values that contain themselves, as a table of their containers.

A table is an array of arrays and maps, each of which stands once. Where one of them holds another, it has the
number of its row in its place, as a :class:`Container`. Row 0 is the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stractory.errors import ProtocolError

_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


@dataclass(frozen=True)
class Container:
    """Stands in a table for the container of row ``number``."""

    number: int


def is_cyclic(value: Any) -> bool:
    """Whether a value contains itself, at any depth."""
    inside: set[int] = set()  # the containers on the way down to the one looked at
    done: set[int] = set()
    todo: list[tuple[Any, bool]] = [(value, True)]
    while todo:
        item, entering = todo.pop()
        if not isinstance(item, (list, tuple, dict)):
            continue
        if not entering:
            inside.discard(id(item))
            done.add(id(item))
        elif id(item) in inside:
            return True
        elif id(item) not in done:
            inside.add(id(item))
            todo.append((item, False))
            todo += [(part, True) for part in _parts(item)]
    return False


def containers(value: Any) -> Iterator[list[Any] | tuple[Any, ...] | dict[Any, Any]]:
    """All lists, tuples and dicts in a value, itself among them, each once."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, (list, tuple, dict)) and id(item) not in seen:
            seen.add(id(item))
            yield item
            if not _SCALARS.issuperset(map(type, _parts(item))):  # most often it is, and that is soon told
                todo += [part for part in _parts(item) if isinstance(part, (list, tuple, dict))]
            if isinstance(item, dict):
                todo += [key for key in item if isinstance(key, tuple)]


def to_table(value: Any) -> list[Any]:
    """The table of a list, tuple or dict."""
    numbers: dict[int, int] = {id(value): 0}
    rows: list[Any] = [value]

    def refer(part: Any) -> Any:
        if not isinstance(part, (list, tuple, dict)):
            return part
        if id(part) not in numbers:
            numbers[id(part)] = len(rows)
            rows.append(part)
        return Container(numbers[id(part)])

    table: list[Any] = []
    while len(table) < len(rows):
        row = rows[len(table)]
        if isinstance(row, dict):
            table.append({key: refer(part) for key, part in row.items()})
        else:
            table.append([refer(part) for part in row])
    return table


def from_table(table: Any) -> Any:
    """The value; its containers are those of the table. Raises ProtocolError."""
    if type(table) is not list or not table or not all(type(row) in (list, dict) for row in table):
        raise ProtocolError("malformed table of containers")
    for row in table:
        for key, part in row.items() if type(row) is dict else enumerate(row):
            if type(part) is Container:
                if not 0 <= part.number < len(table):
                    raise ProtocolError("malformed table of containers")
                row[key] = table[part.number]
    return table[0]


def _parts(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container
