"""The same in TLS, where whoever is in the middle may end it himself. Much is in tests/net/test_tls.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import stractory
from stractory.net.address import address
from stractory.proof import keys
from stractory.proof.dial import dial
from tests.factory.test_factory import exchange, host_port
from tests.net.test_tls import relay
from tests.security.conftest import Door
from tests.security.guarded import Guarded
from tests.security.peers import Impostor, relaying
from tests.support.actors import echo


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """A registry and two workers that use it; the fixtures ``strac`` and ``door`` are of these."""
    with Guarded(tls=True) as started:
        yield started


@pytest.mark.parametrize("tls_here", [True, False], ids=["another certificate", "taken away"])
def test_who_ends_it_in_the_middle_fails_the_proof(door: Door, tls_here: bool) -> None:
    middle = relay(host_port(door.where), tls_there=True, tls_here=tls_here)
    with (
        Impostor(lambda sock, heard: middle(sock)) as impostor,
        pytest.raises(stractory.AuthError, match="it refuses"),
    ):
        dial(address(impostor.address), door.purpose, door.credential)


def test_who_passes_it_on_as_it_is_is_no_one_in_the_middle(
    guarded: Guarded, strac: stractory.Client, name: str
) -> None:
    """A forwarded port: he sees nothing, and can alter nothing."""
    strac.create(name, echo)
    with (
        Impostor(relaying(guarded.address)) as forwarding,
        stractory.client(forwarding.address, key_file=guarded.key_file(keys.CLIENT, "bob")) as bob,
    ):
        assert exchange(bob.get(name)) == b"hello"


def test_without_the_key_tls_is_worth_nothing(guarded: Guarded, tmp_path) -> None:
    keys.write_new(tmp_path / "other.key")
    with (
        guarded.client(key_file=tmp_path / "other.key") as client,
        pytest.raises(stractory.AuthError, match="it refuses the key"),
    ):
        client.list(timeout=10)
