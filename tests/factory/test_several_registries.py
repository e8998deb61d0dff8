"""Three registries on an etcd of three, with workers that are linked to all: they agree, and one may go."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import stractory
from stractory.errors import ActorExists, ActorNotFound
from tests.lasting.test_snapshots import counter
from tests.support.actors import Gate, echo, gated_echo
from tests.support.cluster import until
from tests.support.etcd import Etcd
from tests.support.faults import standing_still
from tests.support.registries import Registries

NAMES = 700
"""Each is created through every registry at once."""


@pytest.fixture
def registries(three_members: Etcd) -> Iterator[Registries]:
    with Registries(three_members) as started:
        yield started


def create_all(registries: Registries, address: str) -> list[tuple[str, int]]:
    """Those that were created, not found there."""
    made = []
    with registries.client(address) as strac:
        for number in range(NAMES):
            try:
                made.append((f"room-{number}", strac.create(f"room-{number}", echo).epoch))
            except ActorExists:
                continue
    return made


def test_one_creation_of_a_name_wins_and_all_registries_know_it(registries: Registries) -> None:
    with ThreadPoolExecutor() as threads:
        won = [
            result.result()
            for result in [
                threads.submit(create_all, registries, address) for address in registries.addresses
            ]
        ]
    winners = Counter(name for made in won for name, _ in made)
    assert set(winners.values()) == {1} and len(winners) == NAMES
    until(registries.agree)
    epochs = {name: epoch for name, (epoch, _, _) in registries.names(registries.address).items()}
    assert epochs == {name: epoch for made in won for name, epoch in made}


def test_a_name_is_destroyed_through_another_registry(registries: Registries) -> None:
    first, second, third = registries.addresses
    with registries.client(first) as one, registries.client(second) as two:
        one.create("room", echo)
        until(lambda: "room" in registries.names(second))
        with pytest.raises(ActorExists):
            two.create("room", echo)
        two.connect("room").close()
        two.destroy("room")
        for address in (first, third):
            until(lambda address=address: "room" not in registries.names(address))
        one.create("room", echo)
        assert two.create("room", echo, if_exists="get").epoch == one.list("room")[0].epoch


def test_nothing_is_lost_with_a_registry(registries: Registries) -> None:
    _, second, third = registries.addresses
    with registries.client(second) as strac:
        for number in range(20):
            strac.create(f"room-{number}", echo, restart="always" if number % 2 else "never")
        stream = strac.connect("room-0")
        before = registries.names(second)
        registries.kill(second)
        stream.sendall(b"still there")
        assert stream.recv(11) == b"still there"
    until(registries.agree)
    assert registries.names(third) == before
    with registries.client(third) as strac:
        strac.destroy("room-0")
        strac.create("room-0", echo)
    until(registries.agree)


def test_a_creation_whose_registry_is_killed_gives_its_life_through_another(registries: Registries) -> None:
    """Between the store's answer and its own: the client asks the next, which answers with the same life."""
    with (
        Gate() as gate,
        ThreadPoolExecutor() as threads,
        registries.client(registries.addresses[1:], background=True) as strac,
    ):
        strac.list()
        asked = strac.registry
        (other,) = {*registries.addresses[1:]} - {asked}
        creating = threads.submit(strac.create, "room", gated_echo, options=gate.options)
        gate.wait_reached()
        (epoch, _, _) = registries.names(asked)["room"]
        registries.kill(asked)
        until(lambda: strac.registry == other)
        gate.open()
        assert creating.result().epoch == epoch
        until(registries.agree)
        assert registries.names(other)["room"][0] == epoch
        with strac.connect("room") as stream:
            stream.sendall(b"hello")
            assert stream.recv(5) == b"hello"


def test_what_comes_back_does_so_once_when_its_worker_is_killed(registries: Registries) -> None:
    first, second, third = registries.addresses
    with registries.client(second) as strac:
        strac.create("counter", stractory.rpc(counter), restart="always", snapshot="each call")
        strac.create("plain", echo)
        assert strac.get("counter").add() == 1
        until(registries.agree)
        before = registries.names(third)
        workers = {worker.address: worker.pid for worker in strac.workers()}
        os.kill(workers[before["counter"][1]], signal.SIGKILL)
        until(lambda: registries.agree() and registries.names(first)["counter"][0] > before["counter"][0])
        assert strac.get("counter").add() == 2
        if before["plain"][1] == before["counter"][1]:
            with pytest.raises(ActorNotFound):
                strac.connect("plain")
    after = registries.names(first)["counter"]
    assert [registries.names(address)["counter"] for address in (second, third)] == [after] * 2


def test_an_actor_in_a_process_of_its_own_is_everybodys(registries: Registries) -> None:
    first, second, third = registries.addresses
    with registries.client(second) as strac:
        strac.create("alone", echo, isolate=True)
        until(registries.agree)
        with registries.client(third) as other, other.connect("alone") as stream:
            stream.sendall(b"hello")
            assert stream.recv(5) == b"hello"
        with registries.client(first) as other:
            other.destroy("alone")
        for address in registries.addresses:
            until(lambda address=address: len(registries.running_workers(address)) == 4)


def test_a_registry_that_stood_still_hears_what_it_has_missed(registries: Registries) -> None:
    first, second, third = registries.addresses
    with registries.client(second) as strac:
        for number in range(5):
            strac.create(f"room-{number}", echo, restart="always")
        until(registries.agree)
        pid = registries.running[third].pid
        os.kill(pid, signal.SIGSTOP)
        strac.destroy("room-0")
        strac.create("hall", echo)
        until(lambda: "room-0" not in registries.names(first))
        os.kill(pid, signal.SIGCONT)
    until(registries.agree)
    with registries.client(third) as strac:
        strac.create("room-0", echo)
    until(registries.agree)
    assert len(registries.names(first)) == 6


def test_a_registry_that_stood_still_hears_what_etcd_does_not_remember(
    registries: Registries, three_members: Etcd
) -> None:
    _, second, third = registries.addresses
    with registries.client(second) as strac:
        for number in range(5):
            strac.create(f"room-{number}", echo, restart="always")
        until(registries.agree)
        with standing_still(registries.running[third].pid):
            for member in three_members.members:  # its watch ends with its member
                member.kill()
            three_members.mend()
            strac.destroy("room-0")
            strac.create("hall", echo)
            three_members.compact()
    until(registries.agree)
    assert registries.names(third).keys() == {"hall", *(f"room-{number}" for number in range(1, 5))}


def test_registries_that_were_taken_for_gone_take_new_seats(registries: Registries) -> None:
    first, _, third = registries.addresses
    with standing_still(registries.running[third].pid):
        registries.take_seats()
        until(lambda: registries.seats() == 2)
    until(lambda: registries.seats() == 3)
    with registries.client(third) as strac:
        epoch = strac.create("room", echo).epoch
    until(registries.agree)
    assert registries.names(first)["room"][0] == epoch


def test_a_worker_that_stands_still_is_given_up_by_all_when_its_lease_is_over(registries: Registries) -> None:
    first, second, _ = registries.addresses
    with registries.client(second) as strac:
        before = strac.create("room", echo, restart="always")
        until(registries.agree)
        where = registries.names(first)["room"][1]
        pid = next(worker.pid for worker in strac.workers() if worker.address == where)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: registries.names(first)["room"][0] > before.epoch and registries.agree())
        finally:
            os.kill(pid, signal.SIGCONT)
        for address in registries.addresses:
            until(lambda address=address: len(registries.running_workers(address)) == 4)
        until(registries.agree)
