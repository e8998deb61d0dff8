"""What may go wrong where there are several registries: they, their workers, and the members of etcd."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from stractory.store.etcd.seat import LEASE as SEAT_LEASE
from tests.support.etcd import Member
from tests.support.faults import standing_still
from tests.support.ordeal.nemesis import Harms
from tests.support.ordeal.several import SeveralRegistries
from tests.support.ordeal.site import LEASE

BRIEF = (
    "kill",
    "stop_for_a_moment",
    "stop_for_long",
    "kill_registry",
    "kill_registry_as_a_worker_ends",
    "stop_registry",
    "kill_leader",
    "kill_follower",
    "stop_leader",
    "stop_follower",
    "stop_most_members",
)
LONG = (
    *BRIEF,
    "stop_registry_for_long",
    "stop_leader_for_long",
    "kill_worker_without_a_leader",
    "kill_worker_as_a_registry_stands_still",
    "kill_registry_and_leader",
    "kill_all_registries",
    "stop_all_registries",
)
"""Also those that take longer than all leases, and several at once."""


class HarmsOfSeveral(Harms[SeveralRegistries]):
    """Of registries, workers and members."""

    # ---- registries ----------------------------------------------------------------------------------

    def kill_registry(self) -> None:
        address = self._random.choice(self._site.registries.addresses)
        self._site.registries.kill(address)
        self._pass(0, 2)
        self._site.registries.start_again(address)

    def kill_registry_as_a_worker_ends(self) -> None:
        os.kill(self._worker(), signal.SIGTERM)
        self._pass(0, 0.1)
        self.kill_registry()

    def stop_registry(self) -> None:
        with standing_still(self._registry()):
            self._pass(0, 2 * LEASE)

    def stop_registry_for_long(self) -> None:
        """The others take it for gone then."""
        with standing_still(self._registry()):
            self._pass(SEAT_LEASE, SEAT_LEASE + LEASE)

    def kill_worker_as_a_registry_stands_still(self) -> None:
        with standing_still(self._registry()):
            self.kill()
            self._pass(0, LEASE)

    def kill_all_registries(self) -> None:
        addresses = [*self._site.registries.addresses]
        for address in addresses:
            self._site.registries.kill(address)
        self._pass(0, LEASE)
        self._random.shuffle(addresses)
        for address in addresses:
            self._site.registries.start_again(address)

    def stop_all_registries(self) -> None:
        """For longer than a lease: nobody keeps the workers' keys meanwhile."""
        with contextlib.ExitStack() as stopped:
            for daemon in self._site.registries.running.values():
                stopped.enter_context(standing_still(daemon.pid))
            self._pass(0, 3 * LEASE)

    def _registry(self) -> int:
        daemon = self._random.choice([*self._site.registries.running.values()])
        return daemon.pid

    def kill_registry_and_leader(self) -> None:
        with self._stopped(self._leader()):
            self.kill_registry()

    # ---- members -------------------------------------------------------------------------------------

    def kill_leader(self) -> None:
        self._kill_member(self._leader())

    def kill_follower(self) -> None:
        self._kill_member(self._follower())

    def stop_leader(self) -> None:
        with self._stopped(self._leader()):
            self._pass(0, LEASE)

    def stop_leader_for_long(self) -> None:
        with self._stopped(self._leader()):
            self._pass(2 * LEASE, SEAT_LEASE + LEASE)

    def stop_follower(self) -> None:
        with self._stopped(self._follower()):
            self._pass(0, 2 * LEASE)

    def stop_most_members(self) -> None:
        """What is left has no quorum."""
        with self._stopped(*self._random.sample(self._site.etcd.members, 2)):
            self._pass(0, 3 * LEASE)

    def kill_worker_without_a_leader(self) -> None:
        with self._stopped(self._leader()):
            self.kill()
            self._pass(0, LEASE)

    def _leader(self) -> Member:
        return self._site.etcd.leader

    def _follower(self) -> Member:
        leader = self._leader()
        return self._random.choice([each for each in self._site.etcd.members if each is not leader])

    def _kill_member(self, member: Member) -> None:
        member.kill()
        self._pass(0, 2)
        self._site.etcd.mend()

    @contextlib.contextmanager
    def _stopped(self, *members: Member) -> Iterator[None]:
        for member in members:
            member.stop()
        try:
            yield
        finally:
            self._site.etcd.mend()
