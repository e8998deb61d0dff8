"""Which names a pattern matches."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import translate
from re import compile as compile_pattern
from typing import Any

from stractory.errors import InvalidName

PATTERN_LIMIT = 1024
"""Most characters of a pattern."""


def matcher(pattern: Any) -> Callable[[str], object]:
    """Tells whether a name matches the shell-style ``pattern`` (``*``, ``?``, ``[...]``; case counts).

    Raises InvalidName for what is no str, or longer than PATTERN_LIMIT.
    """
    if not isinstance(pattern, str) or len(pattern) > PATTERN_LIMIT:
        raise InvalidName(f"a pattern of names is a str of at most {PATTERN_LIMIT} characters")
    return compile_pattern(translate(_with_closed_sets(pattern))).match


def _with_closed_sets(pattern: str) -> str:
    """The same, each ``[`` that no ``]`` follows being a set: of each other translate() looks for the end."""
    before, end, after = pattern.rpartition("]")
    return before + end + after.replace("[", "[[]")
