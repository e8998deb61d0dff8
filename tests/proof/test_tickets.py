"""Tickets: who is let in by one, and by nothing that only looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stractory.errors import AuthError, StaleTicket
from stractory.proof import keys
from stractory.proof.handshake import Identity
from stractory.proof.tickets import LIFETIME, Issuer, Tickets
from tests.support.tickets import located

ALICE = Identity(keys.CLIENT, "alice", b"")
MASTER = keys.Key("1a2b3c4d", keys.MASTER, "*", b"m" * 32, Path("cluster.key"))


@pytest.fixture
def ring() -> keys.KeyRing:
    return keys.KeyRing([MASTER], MASTER.path)


def test_it_tells_whose_it_is_and_shares_a_secret_with_them(ring: keys.KeyRing) -> None:
    place = located(ring, "room", 7)
    claim = Tickets(ring).admit(place.claim)
    assert claim == (keys.CLIENT, "alice", place.secret, None) and len(place.secret) == 32
    Tickets(ring).check(place.ticket, "room", 7, ALICE)
    assert Tickets(ring).admit_to("room", 7)(place.claim) == claim


def test_a_worker_needs_its_own_key_and_no_other(ring: keys.KeyRing) -> None:
    node = MASTER.derive(keys.NODE, "node7")
    place = located(keys.KeyRing([node], node.path), "room", 7)
    Tickets(keys.KeyRing([node], node.path)).check(place.ticket, "room", 7, ALICE)
    other = MASTER.derive(keys.NODE, "node8")
    with pytest.raises(AuthError, match="not made for this worker"):
        Tickets(keys.KeyRing([other], other.path)).admit(place.claim)


def test_another_life_is_stale(ring: keys.KeyRing) -> None:
    place = located(ring, "room", 7)
    for name, epoch in (("room", 8), ("hall", 7)):
        with pytest.raises(StaleTicket, match="'room' with the epoch 7 is not here"):
            Tickets(ring).check(place.ticket, name, epoch, ALICE)
        with pytest.raises(StaleTicket):
            Tickets(ring).admit_to(name, epoch)(place.claim)


def test_its_time_ends_by_the_registrys_clock(ring: keys.KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    place = located(ring, "room", 7)
    Tickets(ring, lambda: 1000.0 + LIFETIME).check(place.ticket, "room", 7, ALICE)
    with pytest.raises(StaleTicket, match="'room' has expired"):
        Tickets(ring, lambda: 1001.0 + LIFETIME).check(place.ticket, "room", 7, ALICE)


@pytest.mark.parametrize("thief", [(keys.CLIENT, "mallory"), (keys.OPERATOR, "alice")])
def test_a_stolen_one_opens_nothing_on_the_thiefs_own_link(
    ring: keys.KeyRing, thief: tuple[str, str]
) -> None:
    place = located(ring, "room", 7)
    with pytest.raises(AuthError, match=f"and this is the link of the {' '.join(thief)}"):
        Tickets(ring).check(place.ticket, "room", 7, Identity(*thief, b""))


def test_of_two_clients_neither_knows_the_others_secret(ring: keys.KeyRing) -> None:
    secrets = {
        located(ring, "room", 7, who=who, role=role).secret
        for who in ("alice", "bob")
        for role in (keys.CLIENT, keys.OPERATOR)
    }
    assert len(secrets) == 4
    assert located(ring, "room", 7).secret != located(ring, "room", 7).secret  # nor those of another link


def test_one_link_has_one_secret_for_each_worker(ring: keys.KeyRing) -> None:
    issuer, others = Issuer(keys.CLIENT, "alice"), MASTER.derive(keys.NODE, "other")
    own = ring.credential(keys.NODE)
    made = [issuer.issue(own, "a", 1), issuer.issue(own, "b", 2), issuer.issue(others, "a", 1)]
    assert made[0][1] == made[1][1] != made[2][1]


def test_a_revoked_name_is_refused(ring: keys.KeyRing) -> None:
    place = located(ring, "room", 7)
    ring.revoked = frozenset({"alice"})
    with pytest.raises(AuthError, match="the name alice is revoked"):
        Tickets(ring).admit(place.claim)


def test_keys_that_are_read_again_count_at_once(ring: keys.KeyRing) -> None:
    tickets, place = Tickets(ring), located(ring, "room", 7)
    tickets.admit(place.claim)
    new = keys.Key.new_master(MASTER.path)
    ring.keys = [new, MASTER]
    tickets.admit(place.claim)
    tickets.admit(located(ring, "room", 7).claim)
    ring.keys = [new]
    with pytest.raises(StaleTicket, match="made with a key that is none of this worker's"):
        tickets.admit(place.claim)


@pytest.mark.parametrize(
    "hello", [{}, {"t": None}, {"t": "text"}, {"t": b""}, {"t": b"\x92\xc4\x00\xc4\x00"}]
)
def test_what_is_no_ticket(ring: keys.KeyRing, hello: dict[str, Any]) -> None:
    with pytest.raises(AuthError, match="malformed ticket"):
        Tickets(ring).admit(hello)


@given(st.data())
def test_not_a_bit_of_it_can_be_changed(data: st.DataObject) -> None:
    ring = keys.KeyRing([MASTER], MASTER.path)
    ticket = bytearray(located(ring, "room", 7).ticket)
    ticket[data.draw(st.integers(0, len(ticket) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((AuthError, StaleTicket)):  # that of an unknown key may be one from before
        Tickets(ring).check(bytes(ticket), "room", 7, ALICE)


def test_no_secret_is_shown(ring: keys.KeyRing) -> None:
    place = located(ring, "room", 7)
    shown = f"{place} {place!r} {[place]}"
    assert "room" in shown and repr(place.secret) not in shown and repr(place.ticket) not in shown
