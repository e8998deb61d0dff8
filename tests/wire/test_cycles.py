from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stractory.errors import ProtocolError
from stractory.wire.cycles import Container, from_table, is_cyclic, to_table


def ring() -> list[Any]:
    first: list[Any] = [1]
    second = {"first": first, "n": None}
    first.append(second)
    return first


def test_what_is_cyclic() -> None:
    shared = [1]
    assert not is_cyclic([shared, shared, {"a": shared, "b": (shared,)}])
    assert not is_cyclic(7)
    assert is_cyclic(ring()) and is_cyclic({"deep": [(0, ring())]})


def test_a_deep_value_is_looked_at_without_recursion() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert not is_cyclic(deep)


def test_there_and_back() -> None:
    back = from_table(to_table(ring()))
    assert back[0] == 1 and back[1]["first"] is back and back[1]["n"] is None


def test_everybody_knows_everybody() -> None:
    people: list[dict[str, Any]] = [{"name": number, "knows": []} for number in range(100)]
    for person in people:
        person["knows"] += people
    table = to_table(people)
    assert len(table) == 201  # not the factorial of it
    back = from_table(copy.deepcopy(table))
    assert all(person["knows"][3] is back[3] for person in back)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_in_a_list(value: Any) -> None:
    assert not is_cyclic([value])
    assert from_table(to_table([value])) == [value]


@pytest.mark.parametrize(
    "table",
    [None, [], {}, [1], [[Container(1)]], [[Container(-1)]], [[], 7], ["text"], [{"a": Container(9)}]],
    ids=repr,
)
def test_malformed_tables(table: Any) -> None:
    with pytest.raises(ProtocolError):
        from_table(table)
