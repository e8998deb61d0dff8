"""Chance that can be repeated."""

from __future__ import annotations

from random import Random


def chance(seed: object = 1) -> Random:
    """The same whenever it is made of the same seed."""
    return Random(str(seed))  # noqa: S311  # nothing here is a secret
