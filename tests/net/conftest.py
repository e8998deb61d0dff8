"""What tests of connections share."""

from __future__ import annotations

from pathlib import Path

import pytest

from stractory.net import keys


@pytest.fixture
def ring(tmp_path: Path) -> keys.KeyRing:
    """A cluster's keys."""
    return keys.load(tmp_path / "cluster.key", create=True)
