from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.net.test_link import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()
