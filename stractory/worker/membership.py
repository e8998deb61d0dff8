"""A worker's place in its cluster: its links to all the registries there are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

import gevent
from gevent.event import AsyncResult, Event

from stractory.errors import AuthError
from stractory.net.address import Address
from stractory.net.answers import DEFAULT_TIMEOUT
from stractory.net.link import Link
from stractory.net.stream import Stream
from stractory.net.trust import ANYBODY, Trust
from stractory.proof.keys import KeyRing
from stractory.wire.dialling import Dial
from stractory.wire.life import Life, Phase
from stractory.worker.fence import boot_time
from stractory.worker.host import Host
from stractory.worker.isolation import Children
from stractory.worker.registry_link import RETRY, RegistryLink
from stractory.worker.standing import Standing
from stractory.worker.strangers import Strangers
from stractory.worker.voucher import Voucher

log = logging.getLogger(__name__)

KEEP_LIMIT = 5.0
"""Seconds that a registry has to keep a state, where there is another to ask."""

ServeRegistry = Callable[[Address, Link, Stream, Dial], None]
"""Takes a stream that the registry at this address has opened."""


class Membership:
    """Registers with ``registries``, and with all of whom those tell. Each is told what any has to know.

    ``serve`` takes the streams that they open; ``host`` tells the actors there are. ``children`` are the
    processes that this worker vouches for; ``voucher`` is there if another does for it.
    """

    def __init__(
        self,
        registries: Sequence[Address],
        keys: KeyRing,
        trust: Trust = ANYBODY,
        *,
        listening: Address,
        runtime: str,
        host: Host,
        serve: ServeRegistry,
        children: Children,
        voucher: Voucher | None = None,
    ) -> None:
        self.standing = Standing(listening, runtime, host, children, voucher, self._cut_off)
        self.registered = self.standing.registered
        self.suspending: Callable[[], None] = lambda: None  # called before actors are suspended
        self.look = self.standing.fence.look  # whether it is time to suspend them
        children.parent, children.ended = self.standing.id, self._tell_child_ended
        self._configured = frozenset(registries)
        self._keys = keys
        self._trust = trust
        self._serve = serve
        self._links: dict[Address, RegistryLink] = {}
        self._links_all = voucher is None  # see occupied()
        self._strangers = Strangers()
        self._over: AsyncResult[AuthError | None] = AsyncResult()
        self._linked = Event()
        self._sequence = count(1)  # of all snapshots
        for registry in registries:
            self._add(registry)

    def run(self) -> AuthError | None:
        """Stay registered until leave(). Returns early, with the error, when all refuse the first attempt."""
        first, *others = self._links.values()
        for link in (first, *others) if self._links_all else (first,):
            gevent.spawn(link.run)
        return self._over.get()

    # ---- which registries there are --------------------------------------------------------------------

    def _add(self, registry: Address) -> RegistryLink:
        link = self._links[registry] = RegistryLink(
            registry,
            self._keys,
            self._trust,
            partial(self._serve, registry),
            self.standing,
            self._heard,
            self._failed,
        )
        return link

    def _drop(self, link: RegistryLink) -> None:
        del self._links[link.address]
        self.standing.forget(link.address)
        link.drop()

    def _heard(self, link: RegistryLink) -> None:
        """A registry has answered, and may have told of others."""
        self._linked.set()
        if self._links.get(link.address) is not link:
            return
        self._learn(link.registries)
        self._drop_doubles(link)
        linked = [link.address for link in self._all_linked()]
        self.standing.departed.forget(self._links, linked, boot_time() - self.standing.lease)
        self._look_for_strangers()

    def _look_for_strangers(self) -> None:
        told = {link.known_as: link.registries for link in self._all_linked() if link.known_as is not None}
        for one, other in self._strangers.find(told, boot_time(), self.standing.lease):
            log.error(
                "registries %s and %s do not know of each other: a name may be given away by both; "
                "those of one cluster share a store (store = etcd, with the same etcd-prefix)",
                one,
                other,
            )

    def _learn(self, told: Sequence[Address]) -> None:
        """Have a link to each. Who is not told of is let go when it cannot be reached.

        A registry that tells of none has no others, for all that it knows.
        """
        links = list(self._links.values())
        known = {name for link in links for name in (link.address, link.known_as)}
        for registry in dict.fromkeys(told):
            if registry not in known:
                link = self._add(registry)
                if self._links_all:
                    gevent.spawn(link.run)
        for link in links:
            named = {link.address, link.known_as}.intersection(told)
            if told and not named and not link.is_linked and link.address not in self._configured:
                log.info("registry %s has gone", link.address)
                self._drop(link)

    def _drop_doubles(self, link: RegistryLink) -> None:
        """A registry may have two names. It has one link to a worker: each new one would end the other."""
        for other in list(self._links.values()):
            if other is not link and other.known_as == link.known_as:
                self._drop(link if other.address in self._configured else other)
                return

    def _failed(self, link: RegistryLink) -> None:
        if not self.standing.registered.is_set() and all(each.refusal for each in self._links.values()):
            for each in self._links.values():
                each.drop()
            self._over.set(link.refusal)
        self._link_all()

    def occupied(self) -> None:
        """The actor that this process was started for is there: now all registries are to know of it.

        Before, another than the one that had it started would take it for idle, and have it ended; which is
        right as soon as that one is away.
        """
        self._link_all()

    def _link_all(self) -> None:
        if not self._links_all:
            self._links_all = True
            for link in list(self._links.values())[1:]:
                gevent.spawn(link.run)

    def addresses(self, first: Address | None = None) -> list[Address]:
        """Of all registries, this one first."""
        return sorted(self._links, key=lambda registry: registry != first)

    # ---- how it stands ---------------------------------------------------------------------------------

    def _all_linked(self) -> list[RegistryLink]:
        return [link for link in self._links.values() if link.is_linked]

    def _others(self, registry: Address) -> Iterator[RegistryLink]:
        return (link for link in self._all_linked() if link.address != registry)

    @property
    def is_registered(self) -> bool:
        """Whether it is so now, with any registry, for all that is known here."""
        return bool(self._all_linked()) and self.standing.lease_left > 0

    @property
    def obstacle(self) -> str:
        """Why no new actors come here, a sentence; "" when they may."""
        if self.standing.announced or self.standing.leaving:
            return "this worker is about to end"
        registries = " or ".join(map(str, self._links))
        return "" if self.is_registered else f"this worker is not registered with registry {registries}"

    def _cut_off(self) -> bool:
        """Suspend what may have other copies by now, and register anew: that tells whether it has."""
        if not self.standing.host.suspend(self.suspending):
            return False
        for link in self._links.values():
            gevent.spawn(link.disconnect)
        return True

    def keys_changed(self) -> None:
        """Register anew, over other links, where that is by another key."""
        for link in self._links.values():
            link.keys_changed()

    # ---- what they are told ----------------------------------------------------------------------------

    def _tell(self, method: str, *args: object) -> None:
        for link in self._all_linked():
            link.post(method, *args)

    def tell_running(self, life: Life, but: Address) -> None:
        """One registry has had it started: tell the others, unless it is to end again."""
        for link in self._others(but):
            if self.standing.host.runs(life):
                link.post("reported", life, Phase.RUNNING)

    def tell_ending(self, life: Life, but: Address) -> None:
        """One registry has it ended: tell the others."""
        for link in self._others(but):
            link.post("reported", life, Phase.ENDING)

    def tell_ended(self, life: Life, but: Address) -> None:
        """What tell_ending() told of is over."""
        for link in self._others(but):
            link.post("ended", life.name, life.epoch)

    def _tell_child_ended(self, id: bytes, status: int) -> None:
        self._tell("child_ended", id, status)

    def tell_exit(self, life: Life, status: int) -> None:
        """An actor is gone of its own accord. An unreachable registry learns it when it is back."""
        self.standing.departed.add(life, status, boot_time())
        for link in self._links.values():
            link.tell_exit(life, status)

    def tell_problem(self, life: Life, problem: str) -> None:
        """Why the state of an actor cannot be kept; "" when it can. A new registry is told anew."""
        self._tell("problem", life.name, life.epoch, problem)

    def tell_room(self) -> None:
        """Tell whether there is room for more actors, without waiting for the next heartbeat."""
        self._tell("beat", self.standing.is_full)

    def keep_state(self, life: Life, state: bytes) -> bool:
        """Have a registry keep the state of an actor; whether it does, when that is durable.

        None does when the name has another life. While all are away that is waited for. Raises StoreError.
        """
        told: set[str] = set()
        while True:
            linked = sorted(self._all_linked(), key=lambda link: link.is_silent)
            refusals = 0
            for link in linked:
                # A number for each attempt: of one whose answer was lost it is not known whether it came.
                stamp = life.name, life.epoch, next(self._sequence)
                limit = KEEP_LIMIT if len(linked) > 1 else DEFAULT_TIMEOUT
                try:
                    if link.call("snapshot", *stamp, state, call_timeout=limit):
                        return True
                    refusals += 1
                except OSError as error:  # of our tree what is wrong with the link, and CallTimeout
                    level = logging.DEBUG if str(error) in told else logging.WARNING
                    told.add(str(error))
                    log.log(level, "the state of %r is not kept yet: %s", life.name, error, extra=life.fields)
            if linked and refusals == len(linked):
                return False
            if linked:
                gevent.sleep(RETRY[0])
            else:
                self._linked.clear()
                self._linked.wait()

    # ---- ending ----------------------------------------------------------------------------------------

    def announce_leave(self) -> None:
        """Tell that this worker is about to end, so that it gets no new actors."""
        self.standing.announced = True
        self._tell("leaving")  # over the next link it is told anew

    def leave(self) -> None:
        """Say goodbye to all at once, so that the names are free at once."""
        self.standing.leaving = True
        gevent.joinall([gevent.spawn(link.leave) for link in self._links.values()])
        if not self._over.ready():
            self._over.set(None)
