"""Several registries in TLS that listen everywhere: workers are told of one, and by it of the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import stractory
from stractory.clients.direct import DirectTlsStream
from stractory.proof import keys
from tests.factory.test_factory import exchange
from tests.factory.test_tls import announced, asker
from tests.support.actors import echo
from tests.support.cluster import REGISTRY_READY
from tests.support.etcd import Etcd, free_ports
from tests.support.registries import WORKERS, Registries


class Advertised(Registries):
    """Each is at an address of its own, and knows it only because it was told."""

    def __init__(self, etcd: Etcd) -> None:
        super().__init__(etcd, tls=True)
        keys.load(self.key_file, create=True)  # nobody makes one that listens beyond loopback

    def _start_registry(self, listen: str) -> None:
        (port,) = free_ports(1)
        self.address = f"127.0.0.{2 + len(self.addresses)}:{port}"
        where = f"--listen=0.0.0.0:{port}", f"--advertise={self.address}"
        daemon = self.running[self.address] = self.daemon("stractory", *where, *self._arguments["stractory"])
        daemon.wait_line(f"{REGISTRY_READY}0.0.0.0:{port}")


@pytest.fixture
def registries(etcd: Etcd) -> Iterator[Registries]:
    with Advertised(etcd) as started:
        yield started


def test_workers_and_clients_reach_them_there(registries: Registries) -> None:
    first, second, third = registries.addresses
    assert [announced(where) for where in registries.addresses] == [b"STRT\0\0"] * 3
    for where in (second, third):  # each worker was told of the first alone
        assert registries.errors().count(f"registered with registry {where}") == WORKERS
    with registries.client() as strac:
        strac.create("lister", stractory.rpc(asker), options={"name": "*"})
        strac.create("alone", echo, isolate=True)
        registries.kill(first)
        strac.create("room", echo)
        assert sorted(strac.get("lister").ask()) == ["alone", "lister", "room"]
        for name in ("alone", "room"):
            with strac.connect(name) as stream, strac.connect(name, direct=True) as direct:
                assert exchange(stream) == exchange(direct) == b"hello"
                assert isinstance(direct, DirectTlsStream)
