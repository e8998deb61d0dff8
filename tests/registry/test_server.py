"""The registry's door, and what is left of those who came through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from stractory.errors import InvalidName, ProtocolError
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.net.process import own
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.proof.handshake import Identity, prove_to_client
from stractory.registry import server as door
from stractory.registry.server import RegistryServer
from stractory.registry.service import Registry
from stractory.wire.dialling import Dial
from stractory.wire.life import Life, Phase
from tests.registry.test_service import LATE
from tests.support.green import green_until

ROOM = Life("room", "stream", LATE, 1.0, b"create", False)


def serve(link: Link, stream: Any, dial: Dial) -> None:
    """Nothing, as a worker."""
    link.accept_stream(stream)
    Calls(stream)


@pytest.fixture
def server(registry: Registry, ring: keys.KeyRing) -> Iterator[RegistryServer]:
    server = RegistryServer(registry, Address("127.0.0.1", 0), ring)
    yield server
    server.close()


@pytest.fixture
def link(server: RegistryServer, ring: keys.KeyRing) -> Iterator[Link]:
    link = dial(server.address, "registry", ring.credential(keys.CLIENT))
    yield link
    link.close()


def test_who_is_revoked_during_the_proof_gets_no_link(
    server: RegistryServer, ring: keys.KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove_and_revoke(*args: Any) -> Identity:
        proved = prove_to_client(*args)
        ring.revoked = frozenset({proved.name})
        return proved

    monkeypatch.setattr(door, "prove_to_client", prove_and_revoke)
    link = dial(server.address, "registry", ring.credential(keys.CLIENT))
    green_until(lambda: link.ended)
    assert not list(server.links)


def ask(link: Link) -> Calls:
    stream = link.open(Dial("registry"), "registry")
    stream.wait_accepted()
    return Calls(stream)


def test_streams_that_are_over_leave_nothing_behind(server: RegistryServer, link: Link) -> None:
    def asked() -> int:
        calls = ask(link)
        assert calls.call("list", "*") == []
        calls.stream.close()
        (theirs,) = server.links
        return len(theirs._at_end)

    first = asked()
    assert [asked() for _ in range(20)] == [first] * 20


def test_the_end_of_a_link_ends_what_waits_for_it(server: RegistryServer, link: Link) -> None:
    waiting = gevent.spawn(ask(link).call, "wait", "nobody", None)
    changes = server._registry._changes
    green_until(lambda: "nobody" in changes._events)
    link.close()
    green_until(lambda: "nobody" not in changes._events)
    waiting.kill()


def test_workers_are_told_of_all_registries_and_tell_what_others_have_ordered(
    registry: Registry, ring: keys.KeyRing
) -> None:
    registries = ["127.0.0.1:9000"]
    server = RegistryServer(registry, Address("127.0.0.1", 0), ring, registries=lambda: list(registries))
    link = dial(server.address, "registry", ring.credential(keys.NODE), serve=serve)
    worker = ask(link)
    assert worker.call("register", b"1", "127.0.0.1:1", own(), "any", [])[3] == registries
    registries.append("127.0.0.1:9001")
    assert worker.call("beat")[2] == registries
    worker.post("reported", (ROOM, Phase.RUNNING), {})
    green_until(lambda: registry.list_actors("room"))
    assert [info.epoch for info in registry.list_actors("room")] == [ROOM.epoch]
    for malformed in (
        [ROOM, "asleep"],
        [ROOM._replace(epoch=2**61), Phase.RUNNING],
        [ROOM._replace(name=""), Phase.ENDING],
    ):
        with pytest.raises((ProtocolError, InvalidName)):
            worker.call("reported", *malformed)
    link.close()
    server.close()
