from __future__ import annotations

import pytest

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
