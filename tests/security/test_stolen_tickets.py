"""Tickets in wrong hands, at wrong doors, for what is over: at real workers, each with a key of its own."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest

import stractory
from stractory.net.address import address
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.proof.tickets import LIFETIME, Issuer
from stractory.wire.dialling import Dial
from stractory.wire.info import Location
from tests.factory.test_factory import exchange
from tests.factory.test_own_ports import free_range
from tests.security.guarded import DENIED, STALE, Guarded, create_apart, mac, prove_by_hand
from tests.support.actors import echo
from tests.support.faults import look_inside


def opened(link: Any, place: Location, ticket: bytes = b"") -> Any:
    """A stream to the actor, over that link. Raises what refuses it."""
    stream = link.open(Dial("actor", place.info.name, place.info.epoch, ticket or place.ticket), "stolen")
    stream.settimeout(20)
    stream.wait_accepted()
    return stream


def own_port(client: stractory.Client, name: str) -> str:
    return client.endpoint(name).removeprefix("tcp://")


def test_one_that_was_overheard_is_of_no_use_on_the_thiefs_own_link(
    guarded: Guarded, strac: stractory.Client, name: str
) -> None:
    """Whoever sees a ticket on the wire lacks its secret, and the link it came over is bound to another."""
    strac.create(name, echo)
    bobs, eves = (guarded.look_up(name, who=who) for who in ("bob", "eve"))
    assert prove_by_hand(bobs.info.worker, bobs.claim, eves.secret) == DENIED
    assert prove_by_hand(own_port(strac, name), bobs.claim, eves.secret) == DENIED
    with guarded.link(eves, eves.info.worker, "worker") as link:
        with pytest.raises(stractory.AuthError, match=r"is for the client bob, .* link of the client eve"):
            opened(link, bobs)
        for nothing in (b"\0", os.urandom(150), bobs.ticket[:-1] + b"\0"):
            with pytest.raises(stractory.AuthError):
                opened(link, eves, nothing)
        assert exchange(opened(link, eves)) == b"hello"


def test_one_without_which_a_link_is_proved_opens_no_actor(
    guarded: Guarded, strac: stractory.Client, name: str
) -> None:
    """A link alone is not enough: who has lost access to the registry does not keep it here for long."""
    strac.create(name, echo)
    place = guarded.look_up(name)
    with guarded.link(place, place.info.worker, "worker") as link:
        stream = link.open(Dial("actor", name, place.info.epoch), "without")
        with pytest.raises(stractory.AuthError, match="malformed ticket"):
            stream.wait_accepted()


def test_one_to_an_actor_opens_no_other(guarded: Guarded, strac: stractory.Client, name: str) -> None:
    place, other = _two_on_one_worker(guarded, strac, name)
    with guarded.link(place, place.info.worker, "worker") as link:
        with pytest.raises(stractory.StaleTicket):
            opened(link, other, place.ticket)
        assert exchange(opened(link, other)) == b"hello"
    assert prove_by_hand(own_port(strac, other.info.name), place.claim, place.secret) == STALE
    assert "m" in prove_by_hand(own_port(strac, other.info.name), other.claim, other.secret)


def _two_on_one_worker(guarded: Guarded, strac: stractory.Client, name: str) -> tuple[Location, Location]:
    infos = [strac.create(f"{name}.{number}", echo) for number in range(3)]
    first, second = next(
        (one, other) for one in infos for other in infos if one != other and one.worker == other.worker
    )
    return guarded.look_up(first.name), guarded.look_up(second.name)


def test_one_for_a_worker_opens_no_other(guarded: Guarded, strac: stractory.Client, name: str) -> None:
    here, there = (guarded.look_up(each) for each in create_apart(strac, name))
    for where in (there.info.worker, own_port(strac, there.info.name)):
        assert prove_by_hand(where, here.claim, here.secret) == DENIED
    with guarded.link(there, there.info.worker, "worker") as link:
        with pytest.raises(stractory.AuthError):
            opened(link, there, here.ticket)
        assert exchange(opened(link, there)) == b"hello"


def test_one_of_a_life_that_is_over_is_stale(guarded: Guarded, strac: stractory.Client, name: str) -> None:
    """And who has the client's right to another just gets it."""
    strac.create(name, echo)
    old = guarded.look_up(name)
    with guarded.client(keys.CLIENT, "bob") as bob:
        assert exchange(bob.get(name)) == b"hello"
        new = strac.create(name, echo, if_exists="replace")
        while new.worker != old.info.worker:
            new = strac.create(name, echo, if_exists="replace")
        assert prove_by_hand(own_port(strac, name), old.claim, old.secret) == STALE
        with guarded.link(old, new.worker, "worker") as link:
            for epoch in (old.info.epoch, new.epoch):
                with pytest.raises(stractory.StaleLocation):
                    opened(link, old._replace(info=old.info._replace(epoch=epoch)))
        for direct in (False, True):
            with bob.connect(name, direct=direct) as stream:
                assert exchange(stream) == b"hello"


def test_one_is_over_after_ten_minutes(
    guarded: Guarded, strac: stractory.Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    strac.create(name, echo)
    place = guarded.look_up(name)
    (key,) = (key for key in map(partial(guarded.key, keys.NODE), guarded.workers) if _made(key, place))

    def made(ago: float) -> Location:
        real = time.time()
        with monkeypatch.context() as past:
            past.setattr("time.time", lambda: real - ago)
            issued = Issuer(keys.CLIENT, "bob").issue(key, name, place.info.epoch)
        return Location(place.info, *issued)

    old, recent = made(LIFETIME + 2), made(LIFETIME - 60)
    for where in (place.info.worker, own_port(strac, name)):
        assert prove_by_hand(where, old.claim, old.secret) == STALE
        assert "m" in prove_by_hand(where, recent.claim, recent.secret)
    with guarded.link(recent, place.info.worker, "worker") as link:
        with pytest.raises(stractory.StaleTicket, match="has expired"):
            opened(link, old)
        assert exchange(opened(link, recent)) == b"hello"


def _made(key: keys.Key, place: Location) -> bool:
    """Whether the ticket was made with this key."""
    body, proof = msgpack.unpackb(place.ticket)
    return bool(mac(key.secret, b"ticket", body) == proof)


def test_time_is_the_registrys(tmp_path: Path) -> None:
    """Workers whose own clocks are wrong by an hour let in who comes from the registry, and nobody else."""
    clock = tmp_path / "clock"
    clock.write_text("3600")
    with Guarded(nodes=()) as guarded:
        guarded.cluster.env.update(look_inside(tmp_path, clock))
        guarded.workers["node1"] = guarded.start_worker(guarded.key_file(keys.NODE, "node1"))
        with guarded.client() as strac:
            info = strac.create("a", echo)
            assert exchange(strac.get("a")) == b"hello"
        issued = Issuer(keys.CLIENT, "bob").issue(guarded.key(keys.NODE, "node1"), "a", info.epoch)
        place = Location(info, *issued)
        assert "m" in prove_by_hand(info.worker, place.claim, place.secret)


def test_a_port_that_belongs_to_another_by_now() -> None:
    numbers = free_range(1)
    only = [f"--actor-port-range={numbers[0]}-{numbers[0]}"]
    with Guarded(["node1"], worker_arguments=only) as guarded, guarded.client() as strac:
        strac.create("a", echo)
        place, where = guarded.look_up("a"), own_port(strac, "a")
        strac.destroy("a")
        strac.create("b", echo)
        assert own_port(strac, "b") == where
        assert prove_by_hand(where, place.claim, place.secret) == STALE


def test_who_forges_one_needs_the_workers_key(guarded: Guarded, strac: stractory.Client, name: str) -> None:
    strac.create(name, echo)
    info = guarded.look_up(name).info
    for key in (
        guarded.key(keys.CLIENT, "bob"),
        guarded.key(keys.OPERATOR, "eve"),
        guarded.key(keys.NODE, "x"),
    ):
        place = Location(info, *Issuer(keys.OPERATOR, "root").issue(key, name, info.epoch))
        assert prove_by_hand(info.worker, place.claim, place.secret) == DENIED
        with pytest.raises(stractory.AuthError, match=f"it refuses the registry's ticket to {name!r}"):
            dial(address(info.worker), "worker", place)
