"""The stores that a registry may have, for tests of what it does with any of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from stractory.store.durable import DurableStore
from stractory.store.etcd.client import Client
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import Store
from tests.support.etcd import Etcd

SECRET = b"secret"

Place = Callable[[], Store]
"""Opens a store there, as often as it is called: each after the one before was closed."""


def in_a_file(request: pytest.FixtureRequest) -> Place:
    return partial(DurableStore, request.getfixturevalue("tmp_path"), SECRET)


def in_etcd(request: pytest.FixtureRequest) -> Place:
    """With a prefix of its own."""
    etcd: Etcd = request.getfixturevalue("etcd")
    prefix = etcd.new_prefix()
    return lambda: EtcdStore(Client(etcd.endpoints), prefix, [SECRET])


EVERY_STORE = [in_a_file, in_etcd]
"""As the params of a fixture."""


# ---- daemons -----------------------------------------------------------------------------------------------


def kept_in_a_file(request: pytest.FixtureRequest) -> list[str]:
    """The arguments of a registry that has its store in the folder of its cluster."""
    return []


def kept_in_etcd(request: pytest.FixtureRequest) -> list[str]:
    """Those of registries that have theirs in etcd, with a prefix of its own."""
    return settings_for(request.getfixturevalue("etcd"))


def settings_for(etcd: Etcd, prefix: str = "") -> list[str]:
    endpoints = ", ".join(etcd.endpoints)
    return ["--store=etcd", f"--etcd-endpoints={endpoints}", f"--etcd-prefix={prefix or etcd.new_prefix()}"]


KEPT_ANYWHERE = [kept_in_a_file, kept_in_etcd]
"""As the params of a fixture."""

on_every_store = pytest.mark.parametrize("cluster", KEPT_ANYWHERE, indirect=True)
"""For a test whose ``cluster`` has a store in a file as a rule."""
