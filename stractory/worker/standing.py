"""What a worker knows of itself, and tells each of its registries; what they have granted it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from gevent.event import Event

from stractory.net.address import Address
from stractory.net.descriptors import descriptors
from stractory.net.link import Link
from stractory.wire.life import Life
from stractory.worker.departed import Departed
from stractory.worker.fence import Fence, boot_time
from stractory.worker.host import Host
from stractory.worker.isolation import Children
from stractory.worker.voucher import Voucher


class Grant(NamedTuple):
    """A registry's answer to a registration: so long a lease, and lives that are to end."""

    lease: float
    doomed: frozenset[Life]


class Standing:
    """Of the worker with the actors of ``host``.

    ``children`` are the processes that it vouches for; ``voucher`` is there if another does for it.
    ``cut_off`` is called when no registry has acknowledged anything for too long, as Fence has it.
    """

    def __init__(
        self,
        listening: Address,
        runtime: str,
        host: Host,
        children: Children,
        voucher: Voucher | None,
        cut_off: Callable[[], bool],
    ) -> None:
        self.id = os.urandom(16) if voucher is None else voucher.id
        self.parent = b"" if voucher is None else voucher.parent
        self.runtime = runtime
        self.host = host
        self.children = children
        self.registered = Event()  # with any of them, for the first time
        self.advertised = ""  # where clients reach this worker
        self.announced = False  # it is about to end,
        self.leaving = False  # and says goodbye
        self.departed = Departed()
        vouched = (voucher.last_acknowledged,) if voucher is not None else ()
        self.fence = Fence(cut_off, *vouched)
        self._listening = listening
        self._grants: dict[Address, Grant] = {}
        self._registry_time = time.time() - boot_time()  # at the start of this machine

    def seen_at(self, link: Link) -> str:
        """Where clients reach this worker: for a wildcard, the address that the registry sees it at."""
        if self._listening.is_everywhere:
            self.advertised = str(Address(link.own_address[0], self._listening.port))
        else:
            self.advertised = str(self._listening)
        return self.advertised

    def registered_with(self, registry: Address, grant: Grant, sent: float) -> None:
        """By what was sent then. What was suspended serves again, but for what any of them has doomed."""
        self._grants[registry] = grant
        self.fence.hold(self.lease, sent)
        self.host.resume(frozenset().union(*(grant.doomed for grant in self._grants.values())))
        self.fence.look()  # by now the answer itself may have come too late
        self.registered.set()

    def forget(self, registry: Address) -> None:
        """This one is none of its registries any more."""
        self._grants.pop(registry, None)

    def note_time(self, now: float, sent: float) -> None:
        """A registry has answered what was sent then, and its clock says so."""
        self._registry_time = now - sent

    def registry_time(self) -> float:
        """The time by the registries' clocks, in seconds since 1970."""
        return self._registry_time + boot_time()

    @property
    def lease(self) -> float:
        """Seconds of silence after which it is given up, by the first who does; 0 until it is registered."""
        return min((grant.lease for grant in self._grants.values()), default=0.0)

    @property
    def lease_left(self) -> float:
        """Seconds until that, unless any registry hears of it; 0 afterwards."""
        return max(0.0, self.lease - self.fence.silence)

    @property
    def is_full(self) -> bool:
        """Whether new actors are to go elsewhere."""
        return self.host.full or descriptors.scarce
