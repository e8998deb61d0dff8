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
from stractory.store.interface import Store
from tests.registry.test_service import DEFINITION, FakeWorker
from tests.support.chance import chance
from tests.support.stores import EVERY_STORE


@pytest.fixture(autouse=True)
def no_renewals_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of a test's registries end with it: later they would log among the lines of other tests."""
    group = Group()
    monkeypatch.setattr(renewals, "gevent", SimpleNamespace(spawn=group.spawn, sleep=gevent.sleep))
    yield
    group.kill()


@pytest.fixture(params=EVERY_STORE)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """In which nothing is yet."""
    store = request.param(request)()
    yield store
    store.close()


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    """One that knows a definition."""
    registry = Registry(Directory(random=chance()), store, settling=0)
    registry.define(DEFINITION.packed)
    yield registry
    registry.close()


@pytest.fixture
def worker(registry: Registry) -> FakeWorker:
    """Its first."""
    return FakeWorker(registry, b"1")
