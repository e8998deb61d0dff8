"""Ways to cut a byte stream into pieces: every parser must give the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

Cut = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


def in_sevens(data: bytes) -> list[bytes]:
    """Never a divisor of a header's twelve bytes."""
    return [data[position : position + 7] for position in range(0, len(data), 7)]


every_cut = pytest.mark.parametrize("cut", [whole, byte_by_byte, in_sevens])
