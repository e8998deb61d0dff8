"""A worker's link to its registry: dialled by the worker, kept, and dialled again when it breaks."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from itertools import count

import gevent
from gevent.event import Event

from stractory.errors import AuthError, StractoryError
from stractory.net import process
from stractory.net.address import Address
from stractory.net.answers import DEFAULT_TIMEOUT
from stractory.net.calls import Calls
from stractory.net.descriptors import descriptors
from stractory.net.link import Link, Serve
from stractory.net.trust import ANYBODY, Trust
from stractory.proof.dial import dial
from stractory.proof.keys import NODE, Key, KeyRing
from stractory.wire.dialling import Dial
from stractory.wire.life import Life, Phase, Report
from stractory.worker.fence import Fence, boot_time
from stractory.worker.host import Host
from stractory.worker.isolation import Children
from stractory.worker.voucher import Voucher

log = logging.getLogger(__name__)

HEARTBEAT = 2.0
"""Most seconds between signs of life; less where the registry's lease is short."""

RETRY = (0.1, 0.2, 0.5)
"""Seconds between attempts to reach the registry; the last is used again and again.

A new registry waits for three times as long before it takes a name for free.
"""


class Membership:
    """Registers this worker with all its actors, each time the link is made anew, and sends heartbeats.

    ``serve`` takes the streams that the registry opens on the link; ``host`` tells the actors there are.
    ``children`` are the processes that this worker vouches for; ``voucher`` is there if another does for it.
    """

    def __init__(
        self,
        registry: Address,
        keys: KeyRing,
        trust: Trust = ANYBODY,
        *,
        listening: Address,
        runtime: str,
        host: Host,
        serve: Serve,
        children: Children,
        voucher: Voucher | None = None,
    ) -> None:
        self.registered = Event()
        self.advertised = ""  # where clients reach this worker
        self.lease = 0.0  # seconds of silence after which it is given up; known once it is registered
        self.suspending: Callable[[], None] = lambda: None  # called before actors are suspended
        self._registry = registry
        self._keys = keys
        self._trust = trust
        self._listening = listening
        self._runtime = runtime
        self._host = host
        self._serve = serve
        self._id = os.urandom(16) if voucher is None else voucher.id
        self._voucher = voucher
        self._children = children
        children.parent, children.ended = self._id, self._tell_child_ended
        self._heartbeat = HEARTBEAT
        self._exits: dict[Life, int] = {}  # that the registry may not have heard of, and their status
        self._announced = False
        self._leaving = False
        vouched = (voucher.last_acknowledged,) if voucher is not None else ()
        self._fence = Fence(self._cut_off, *vouched)
        self.look = self._fence.look  # whether it is time to suspend them
        self._registry_time = time.time() - boot_time()  # at the start of this machine
        self._key: Key | None = None  # by which it is registered
        self._linked = Event()
        self._wake = Event()  # set when the link is over, and when there may be another key
        self._sequence = count(1)  # of all snapshots
        self._calls: Calls | None = None
        self._link: Link | None = None

    def run(self) -> AuthError | None:
        """Stay registered until leave(). Returns early, with the error, when the first attempt is refused."""
        attempt, refusal = 0, ""
        while not self._leaving:
            try:
                self._register()
            except AuthError as error:
                if not self.registered.is_set():
                    return error
                if str(error) != refusal:
                    log.error("the registry refuses this worker: %s; trying again until it does not", error)
                refusal = str(error)
            except (StractoryError, OSError) as error:
                if attempt == 0:
                    log.warning("%s; trying again until it is there", error)
            else:
                attempt, refusal = 0, ""
                self.registered.set()
            if self._link is not None and self._link.ended is None:  # by an older key, perhaps
                self._send_heartbeats(self._link)
            gevent.sleep(RETRY[min(attempt, len(RETRY) - 1)])
            attempt += 1
        return None

    @descriptors.lent()
    def _register(self) -> None:
        key = self._keys.credential(NODE)
        link = dial(self._registry, "registry", key, self._serve, self._trust)
        try:
            stream = link.open(Dial("registry"), label=f"registry {self._registry}")
            stream.wait_accepted()
            calls = Calls(stream)
            self.advertised, reports = str(self._seen_at(link)), self._host.reports()
            exits = [Report(life, Phase.ENDING) for life in self._exits]
            parent = b"" if self._voucher is None else self._voucher.parent
            sent = boot_time()
            self.lease, doomed, registry_time = calls.call(
                "register", self._id, self.advertised, process.own(), self._runtime, reports + exits, parent
            )
        except BaseException:
            link.close()
            raise
        self._link, self._calls, self._key = link, calls, key
        self._linked.set()
        self._heartbeat = min(HEARTBEAT, self.lease / 4)
        self._fence.hold(self.lease, sent)
        self._registry_time = registry_time - sent
        self._host.resume({Life.from_wire(life) for life in doomed})
        self.look()  # by now the answer itself may have come too late
        for life, phase in reports:
            if phase is not Phase.RUNNING:
                gevent.spawn(self._tell_outcome, calls, life)
        for exit in self._exits.items():
            gevent.spawn(self._tell_exit, calls, *exit)
        for life, problem in self._host.problems():
            self.tell_problem(life, problem)
        if self._leaving:
            self.leave()
        elif self._announced:
            self.announce_leave()
        log.info("registered with registry %s", self._registry)

    def _tell_outcome(self, calls: Calls, life: Life) -> None:
        """Whoever ordered the start or end of it did so over a link that is gone and gets no answer."""
        word = "started" if self._host.outcome(life) else "ended"
        if life in self._exits:  # of its own accord, which is told by itself
            return
        with contextlib.suppress(StractoryError, OSError):  # over the next link it is reported anew
            calls.post(word, (life.name, life.epoch), {})

    def _cut_off(self) -> bool:
        """Suspend what may have other copies by now, and register anew: that tells whether it has."""
        if not self._host.suspend(self.suspending):
            return False
        if self._link is not None:
            gevent.spawn(self._link.close)
        return True

    def _send_heartbeats(self, link: Link) -> None:
        """Until the link is over, or it is time to register by another key."""
        assert self._calls is not None  # noqa: S101  # for the type checker
        link.call_at_end(lambda reason: self._wake.set())
        try:
            if self._children.alive():  # of those that block a new registry does not hear otherwise
                self._beat(self._calls)
            while link.ended is None:
                self._wake.wait(self._heartbeat)
                self._wake.clear()
                if link.ended is None:
                    self._beat(self._calls)
                    if self._has_other_key():
                        break
        except (StractoryError, OSError) as error:
            if not self._leaving:
                log.warning("no heartbeat: %s", error)
            link.close()
        else:
            if link.ended is not None and not self._leaving:
                log.warning("%s", link.ended)

    def _has_other_key(self) -> bool:
        """Whether it would prove another key than it did: clients get tickets made with that one."""
        try:
            return self._key is None or self._keys.credential(NODE).secret != self._key.secret
        except AuthError:
            return True

    @property
    def is_registered(self) -> bool:
        """Whether it is so now, for all that is known here."""
        return self._link is not None and self._link.ended is None and self.lease_left > 0

    @property
    def lease_left(self) -> float:
        """Seconds until the registry gives this worker up, unless it hears of it; 0 after that."""
        return max(0.0, self.lease - self._fence.silence)

    @property
    def obstacle(self) -> str:
        """Why no new actors come here, a sentence; "" when they may."""
        if self._announced or self._leaving:
            return "this worker is about to end"
        return "" if self.is_registered else f"this worker is not registered with registry {self._registry}"

    def keys_changed(self) -> None:
        """Register anew, over another link, if that is by another key."""
        self._wake.set()

    def _beat(self, calls: Calls) -> None:
        # One that others vouch for may block: then the answer is there, and its time over, when it goes on.
        limit = DEFAULT_TIMEOUT if self._voucher is None else None
        sent = boot_time()
        now, known = calls.call("beat", self._is_full(), self._children.alive(), call_timeout=limit)
        self._fence.acknowledged(sent)
        self._registry_time = now - sent
        for id, pid, note in self._children.acknowledged(known, sent):
            calls.post("child_silent", (id, note.address, process.of(pid), note.life), {})

    def registry_time(self) -> float:
        """The time by the registry's clock, in seconds since 1970."""
        return self._registry_time + boot_time()

    def _tell_child_ended(self, id: bytes, status: int) -> None:
        if self._calls is not None:
            with contextlib.suppress(StractoryError, OSError):  # it vouches for it no more
                self._calls.post("child_ended", (id, status), {})

    def _seen_at(self, link: Link) -> Address:
        """Where clients reach this worker: for a wildcard, the address that the registry sees it at."""
        if self._listening.host in ("0.0.0.0", "::"):  # noqa: S104  # nothing is bound here
            return Address(link.own_address[0], self._listening.port)
        return self._listening

    def tell_exit(self, life: Life, status: int) -> None:
        """An actor is gone of its own accord. An unreachable registry learns it when it is back."""
        self._exits[life] = status
        if self._calls is not None:
            gevent.spawn(self._tell_exit, self._calls, life, status)

    def _tell_exit(self, calls: Calls, life: Life, status: int) -> None:
        with contextlib.suppress(StractoryError, OSError):  # over the next link it is told anew
            calls.call("exited", life.name, life.epoch, status)
            self._exits.pop(life, None)

    def keep_state(self, life: Life, state: bytes) -> bool:
        """Have the registry keep the state of an actor; whether it does, when that is durable.

        It does not when the name has another life. While it is away that is waited for. Raises StoreError.
        """
        while True:
            if self._calls is None or self._calls.stream.closed:
                self._linked.clear()
                self._linked.wait()
                continue
            # A number for each attempt: of one whose answer was lost it is not known whether it came.
            stamp = life.name, life.epoch, next(self._sequence)
            try:
                kept: bool = self._calls.call("snapshot", *stamp, state)
            except OSError as error:  # of our tree what is wrong with the link, and CallTimeout
                log.warning("the state of %r is not kept yet: %s", life.name, error, extra=life.fields)
                gevent.sleep(RETRY[0])
            else:
                return kept

    def tell_problem(self, life: Life, problem: str) -> None:
        """Why the state of an actor cannot be kept; "" when it can. A new registry is told anew."""
        if self._calls is not None:
            with contextlib.suppress(StractoryError, OSError):
                self._calls.post("problem", (life.name, life.epoch, problem), {})

    def tell_room(self) -> None:
        """Tell whether there is room for more actors, without waiting for the next heartbeat."""
        if self._calls is not None:
            with contextlib.suppress(OSError):
                self._calls.post("beat", (self._is_full(),), {})

    def _is_full(self) -> bool:
        return self._host.full or descriptors.scarce

    def announce_leave(self) -> None:
        """Tell that this worker is about to end, so that it gets no new actors."""
        self._announced = True
        if self._calls is not None:
            with contextlib.suppress(StractoryError, OSError):  # over the next link it is told anew
                self._calls.post("leaving", (), {})

    def leave(self) -> None:
        """Say goodbye, so that the names are free at once."""
        self._leaving = True
        if self._calls is not None:
            try:
                self._calls.call("goodbye", call_timeout=2.0)
            except (StractoryError, OSError) as error:
                log.warning("no goodbye: %s", error)
        if self._link is not None:
            self._link.close()
