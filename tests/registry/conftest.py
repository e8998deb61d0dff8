"""What all tests of the registry share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import gevent
import pytest
from gevent.pool import Group

from stractory.registry import renewals
from stractory.registry.directory import Directory
from stractory.registry.service import Registry
from tests.registry.test_service import DEFINITION, FakeWorker
from tests.support.chance import chance


@pytest.fixture(autouse=True)
def no_renewals_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of a test's registries end with it: later they would log among the lines of other tests."""
    group = Group()
    monkeypatch.setattr(renewals, "gevent", SimpleNamespace(spawn=group.spawn, sleep=gevent.sleep))
    yield
    group.kill()


@pytest.fixture
def registry() -> Registry:
    """One that keeps nothing, and knows a definition."""
    registry = Registry(Directory(random=chance()), settling=0)
    registry.define(DEFINITION.packed)
    return registry


@pytest.fixture
def worker(registry: Registry) -> FakeWorker:
    """Its first."""
    return FakeWorker(registry, b"1")
