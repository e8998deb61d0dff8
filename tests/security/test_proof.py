"""Nobody gets in without a key, at any port; and a proof is of no use but once, there, to who made it."""

from __future__ import annotations

import os

import pytest

import stractory
from stractory.net.address import address
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.proof.handshake import holders
from tests.security.conftest import Door
from tests.security.guarded import DENIED, ByHand, Guarded, prove_by_hand
from tests.security.peers import Impostor, posing, reflect, relaying


def test_who_has_read_the_protocol_and_has_a_key_gets_in(door: Door) -> None:
    assert set(prove_by_hand(door.where, door.credential.claim, door.credential.secret)) == {"m"}


def test_without_its_secret_a_claim_is_worth_nothing(door: Door) -> None:
    """The name of a key and the whole of a ticket can be seen by others."""
    for guess in (os.urandom(32), bytes(32), b"", door.credential.secret[:-1]):
        assert prove_by_hand(door.where, door.credential.claim, guess) == DENIED


def test_a_recorded_proof_is_of_no_use_again(door: Door) -> None:
    with ByHand(door.where) as first, ByHand(door.where) as again:
        said = first.proof(door.credential.claim, door.credential.secret)
        assert set(first.ask(said)) == {"m"}
        assert again.ask(said) == DENIED


def test_a_man_in_the_middle_cannot_pass_a_proof_on(door: Door) -> None:
    with Impostor(relaying(door.where)) as middle:
        assert middle.address != door.where
        with pytest.raises(stractory.AuthError, match="it refuses"):
            dial(address(middle.address), door.purpose, door.credential)
        # It passes on well what was meant for the other address:
        claim, secret = door.credential.claim, door.credential.secret
        assert set(prove_by_hand(door.where, claim, secret, through=middle.address)) == {"m"}


def test_a_client_that_is_sent_through_a_man_in_the_middle_says_so(guarded: Guarded) -> None:
    with (
        Impostor(relaying(guarded.address)) as middle,
        stractory.client(middle.address, key_file=guarded.key_file(keys.CLIENT, "bob")) as client,
        pytest.raises(stractory.AuthError, match=f"registry {middle.address}: it refuses the key"),
    ):
        client.list(timeout=10)


@pytest.mark.parametrize("door", ["worker", "actor"], indirect=True)
def test_a_key_opens_no_port_but_the_registrys(guarded: Guarded, door: Door) -> None:
    """Workers, and actors' own ports, take tickets. Not even the worker's own key opens them."""
    holders = [(keys.CLIENT, "bob"), (keys.OPERATOR, "bob"), *((keys.NODE, node) for node in guarded.workers)]
    for holder in holders:
        key = guarded.key(*holder)
        assert prove_by_hand(door.where, key.claim, key.secret) == DENIED


@pytest.mark.parametrize("door", ["worker"], indirect=True)
def test_a_ticket_opens_no_registry(guarded: Guarded, door: Door) -> None:
    assert prove_by_hand(guarded.address, door.credential.claim, door.credential.secret) == DENIED


@pytest.mark.parametrize("claimed", [keys.OPERATOR, keys.NODE, keys.MASTER])
def test_a_derived_key_stands_for_no_other_role_or_name(guarded: Guarded, claimed: str) -> None:
    bob = guarded.key(keys.CLIENT, "bob")
    for role, name in ((claimed, "bob"), (claimed, "alice"), (keys.CLIENT, "alice"), (keys.CLIENT, "*")):
        assert prove_by_hand(guarded.address, {"k": bob.id, "r": role, "i": name}, bob.secret) == DENIED


def test_nobody_proves_the_role_master(guarded: Guarded) -> None:
    """Not even who has that key: it is for making others."""
    master = guarded.master
    assert prove_by_hand(guarded.address, master.claim, master.secret) == DENIED


def test_all_that_is_refused_is_told_the_same(guarded: Guarded) -> None:
    """An unknown key, a wrong role, a failed proof and no claim at all: the answers are the same bytes."""
    bob = guarded.key(keys.CLIENT, "bob")
    claims = [{**bob.claim, "k": "00000000"}, {**bob.claim, "r": "king"}, {**bob.claim, "i": "x"}, {}]
    assert [prove_by_hand(guarded.address, claim, bob.secret) for claim in claims] == [DENIED] * 4


def test_who_reflects_a_proof_has_given_none(door: Door) -> None:
    with (
        Impostor(posing(door.purpose, reflect)) as impostor,
        pytest.raises(stractory.AuthError, match="it does not know"),
    ):
        dial(address(impostor.address), door.purpose, door.credential)


def test_a_client_does_not_prove_to_another_kind_of_port(guarded: Guarded) -> None:
    """It sees that this is not what it looks for before it has said anything."""
    with pytest.raises(stractory.AuthError, match="port of a stractory registry, not of a worker"):
        dial(address(guarded.address), "worker", guarded.key(keys.CLIENT, "bob"))


def test_a_stranger_writes_no_lines_of_his_own_into_a_log(guarded: Guarded) -> None:
    said = "\n2026-01-01 00:00:00 ERROR "
    ring = keys.load(guarded.cluster.key_file)
    with pytest.raises(stractory.AuthError) as raised:
        holders(ring, keys.ROLES)({"k": said, "r": said, "i": said + "\x1b[2J"})
    assert str(raised.value).isprintable()
