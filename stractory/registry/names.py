"""Which names a pattern matches."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import translate
from re import compile as compile_pattern


def matcher(pattern: str) -> Callable[[str], object]:
    """Tells whether a name matches the shell-style ``pattern`` (``*``, ``?``, ``[...]``; case counts)."""
    return compile_pattern(translate(pattern)).match
