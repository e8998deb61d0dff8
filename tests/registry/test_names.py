from __future__ import annotations

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stractory.errors import InvalidName
from stractory.registry.names import PATTERN_LIMIT, matcher


@pytest.mark.parametrize("pattern", ["[" * (PATTERN_LIMIT + 1), 5, ["a"], b"a", None])
def test_what_is_no_pattern(pattern: object) -> None:
    with pytest.raises(InvalidName, match="at most 1024 characters"):
        matcher(pattern)


def test_the_longest_patterns() -> None:
    assert matcher("?" * 512 + "*" * 512)("a" * 512)
    assert not matcher("*a" * 511 + "*b")("a" * 512)
    assert not matcher("[" * PATTERN_LIMIT)("a")


@example("[][", "[][")
@example("[\ue000[", "[\ue000[")
@given(st.text("ab[]!*?-", max_size=12), st.text("ab[]!*?-", max_size=12))
def test_they_are_those_of_the_standard_library(pattern: str, name: str) -> None:
    assert bool(matcher(pattern)(name)) == fnmatchcase(name, pattern)


@pytest.mark.parametrize("pattern", ["[" * PATTERN_LIMIT, "]" + "[!a" * 340])
def test_no_pattern_takes_the_square_of_its_length(pattern: str) -> None:
    assert _lines_run(lambda: matcher(pattern)) < 100 * PATTERN_LIMIT


def _lines_run(function: Callable[[], object]) -> int:
    """How many lines of fnmatch."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith("fnmatch.py"):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count
