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
    return compile_pattern(_translated(pattern)).match


def _translated(pattern: str) -> str:
    """As translate() does, which looks for the end of each ``[`` to the pattern's: of those that no ``]``
    follows it is not told, but of a character that stands for them and is not in the pattern."""
    before, end, after = pattern.rpartition("]")
    standing_in = next(character for character in map(chr, range(0xE000, 0xF900)) if character not in pattern)
    return translate(before + end + after.replace("[", standing_in)).replace(standing_in, r"\[")
