"""A worker's link to one registry: dialled by the worker, kept, and dialled again when it breaks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.event import Event

from stractory.errors import AuthError, ConfigError, LinkClosed, ProtocolError, StractoryError
from stractory.net import process
from stractory.net.address import Address, address
from stractory.net.answers import DEFAULT_TIMEOUT
from stractory.net.calls import Calls
from stractory.net.descriptors import descriptors
from stractory.net.link import Link, Serve
from stractory.net.trust import Trust
from stractory.proof.dial import dial
from stractory.proof.keys import NODE, Key, KeyRing
from stractory.wire.dialling import Dial
from stractory.wire.life import Life, Phase, Report
from stractory.worker.fence import boot_time
from stractory.worker.standing import Grant, Standing

log = logging.getLogger(__name__)

HEARTBEAT = 2.0
"""Most seconds between signs of life; less where the registry's lease is short."""

RETRY = (0.1, 0.2, 0.5)
"""Seconds between attempts to reach the registry; the last is used again and again.

A new registry waits for three times as long before it takes a name for free.
"""

GOODBYE_LIMIT = 2.0
"""Seconds that a registry has to acknowledge it."""


REGISTRIES = 64
"""Most that a worker takes from one: it dials each, for ever."""


def _addresses(told: Any) -> tuple[Address, ...]:
    """Of the registries that one has told of. Raises ProtocolError."""
    try:
        return tuple(address(text) for text in told[:REGISTRIES])
    except (ConfigError, TypeError, AttributeError, LookupError) as error:
        raise ProtocolError(f"malformed addresses of registries: {error}") from None


class RegistryLink:
    """Registers this worker with all its actors, each time the link is made anew, and sends heartbeats.

    ``serve`` takes the streams that the registry opens on the link. ``heard`` is told that the registry has
    answered, ``failed`` that it did not, or that the link is over. ``refusal``: why it lets nobody in.
    ``known_as``: what the others call it, once it has answered; ``registries``: all there are, by its word.
    """

    def __init__(
        self,
        registry: Address,
        keys: KeyRing,
        trust: Trust,
        serve: Serve,
        standing: Standing,
        heard: Callable[[RegistryLink], None],
        failed: Callable[[RegistryLink], None],
    ) -> None:
        self.address = registry
        self.known_as: Address | None = None
        self.registries: tuple[Address, ...] = ()
        self.refusal: AuthError | None = None
        self._keys = keys
        self._trust = trust
        self._serve = serve
        self._standing = standing
        self._heard = heard
        self._failed = failed
        self._over = False
        self._heartbeat = HEARTBEAT
        self._last = 0.0  # when the last sign of life was sent that this registry acknowledged
        self._key: Key | None = None  # by which it is registered
        self._wake = Event()  # set when the link is over, and when there may be another key
        self._calls: Calls | None = None
        self._link: Link | None = None

    def run(self) -> None:
        """Stay registered until this worker leaves, or this registry."""
        attempt, refused = 0, ""
        while not (self._over or self._standing.leaving):
            try:
                self._register()
            except AuthError as error:
                self.refusal = error
                self._failed(self)
                if str(error) != refused and not self._over:
                    log.error("the registry refuses this worker: %s; trying again until it does not", error)
                refused = str(error)
            except (StractoryError, OSError) as error:
                self.refusal = None
                self._failed(self)
                if attempt == 0:
                    log.warning("%s; trying again until it is there", error)
            else:
                attempt, refused, self.refusal = 0, "", None
            if self._link is not None and self._link.ended is None:  # by an older key, perhaps
                self._send_heartbeats(self._link)
                self._failed(self)
            gevent.sleep(RETRY[min(attempt, len(RETRY) - 1)])
            attempt += 1

    # ---- registering -----------------------------------------------------------------------------------

    @descriptors.lent()
    def _register(self) -> None:
        standing, key = self._standing, self._keys.credential(NODE)
        link = dial(self.address, "registry", key, self._serve, self._trust)
        try:
            stream = link.open(Dial("registry"), label=f"registry {self.address}")
            stream.wait_accepted()
            calls = Calls(stream)
            where, reports = standing.seen_at(link), standing.host.reports()
            departed = standing.departed.unheard(self.address)
            told = reports + [Report(life, Phase.ENDING) for life, _ in departed]
            sent = boot_time()
            lease, doomed, now, *others = calls.call(
                "register", standing.id, where, process.own(), standing.runtime, told, standing.parent
            )
        except BaseException:
            link.close()
            raise
        if self._over:  # meanwhile
            link.close()
            return
        self._link, self._calls, self._key = link, calls, key
        self._heartbeat = min(HEARTBEAT, lease / 4)
        self._acknowledged(now, sent, *others)
        grant = Grant(lease, frozenset(Life.from_wire(life) for life in doomed))
        standing.registered_with(self.address, grant, sent)
        self._tell_changes(calls, reports)
        for life, status in standing.departed.unheard(self.address):
            self.tell_exit(life, status)
        for life, problem in standing.host.problems():
            self.post("problem", life.name, life.epoch, problem)
        if standing.leaving:
            self.leave()
        elif standing.announced:
            self.post("leaving")
        log.info("registered with registry %s", self.address)
        self._heard(self)

    def _acknowledged(self, now: float, sent: float, registries: Sequence[str] = ()) -> None:
        """What the registry answers to a sign of life: its time, and which registries there are."""
        self._last = sent
        self._standing.note_time(now, sent)
        self.registries = _addresses(registries)
        self.known_as = self._own_among(self.registries)

    def _own_among(self, registries: Sequence[Address]) -> Address:
        """Which of them this one is: the first, unless one is where it was found."""
        assert self._link is not None  # noqa: S101  # for the type checker
        peer = Address(*self._link.peer_address[:2])
        found = (where for where in (self.address, peer) if where in registries)
        return next(found, registries[0] if registries else peer)

    def _tell_changes(self, calls: Calls, told: Sequence[Report]) -> None:
        """What has become of its actors since they were reported: others may have ordered that meanwhile."""
        now = self._standing.host.reports()
        for report in told:
            if report.phase is not Phase.RUNNING or report not in now:
                gevent.spawn(self._tell_outcome, calls, report.life)
        known = {report.life for report in told}
        for life, phase in now:
            if life not in known and phase is Phase.RUNNING:  # else that is told when it does
                self.post("reported", life, phase)

    def _tell_outcome(self, calls: Calls, life: Life) -> None:
        """Whoever ordered the start or end of it did so over a link that is gone and gets no answer."""
        word = "started" if self._standing.host.outcome(life) else "ended"
        if life in self._standing.departed:  # of its own accord, which is told by itself
            return
        with contextlib.suppress(StractoryError, OSError):  # over the next link it is reported anew
            calls.post(word, (life.name, life.epoch), {})

    # ---- signs of life ---------------------------------------------------------------------------------

    def _send_heartbeats(self, link: Link) -> None:
        """Until the link is over, or it is time to register by another key."""
        assert self._calls is not None  # noqa: S101  # for the type checker
        link.call_at_end(lambda reason: self._wake.set())
        try:
            if self._standing.children.alive():  # of those that block a new registry does not hear otherwise
                self._beat(self._calls)
            while link.ended is None:
                self._wake.wait(self._heartbeat)
                self._wake.clear()
                if link.ended is None:
                    self._beat(self._calls)
                    if self._has_other_key():
                        break
        except (StractoryError, OSError) as error:
            if self._is_missed:
                log.warning("no heartbeat: %s", error)
            link.close()
        else:
            if link.ended is not None and self._is_missed:
                log.warning("%s", link.ended)

    def _beat(self, calls: Calls) -> None:
        standing, children = self._standing, self._standing.children
        # One that others vouch for may block: then the answer is there, and its time over, when it goes on.
        limit = None if standing.parent else DEFAULT_TIMEOUT
        sent = boot_time()
        now, known, *others = calls.call("beat", standing.is_full, children.alive(), call_timeout=limit)
        standing.fence.acknowledged(sent)
        self._acknowledged(now, sent, *others)
        for id, pid, note in children.acknowledged(known, sent):
            calls.post("child_silent", (id, note.address, process.of(pid), note.life), {})
        self._heard(self)

    @property
    def _is_missed(self) -> bool:
        """Whether it is told when the link is over."""
        return not (self._over or self._standing.leaving)

    def _has_other_key(self) -> bool:
        """Whether it would prove another key than it did: clients get tickets made with that one."""
        try:
            return self._key is None or self._keys.credential(NODE).secret != self._key.secret
        except AuthError:
            return True

    def keys_changed(self) -> None:
        """Register anew, over another link, if that is by another key."""
        self._wake.set()

    @property
    def is_linked(self) -> bool:
        """Whether it is registered there now, for all that is known here."""
        return self._link is not None and self._link.ended is None

    @property
    def is_silent(self) -> bool:
        """Whether a heartbeat is overdue."""
        return boot_time() - self._last > 2 * self._heartbeat

    # ---- what the registry is told ---------------------------------------------------------------------

    def call(self, method: str, *args: Any, call_timeout: float | None = DEFAULT_TIMEOUT) -> Any:
        """What it answers. Raises what the method raises, and what is wrong with the link."""
        if self._calls is None:
            raise LinkClosed(f"this worker is not registered with registry {self.address}")
        return self._calls.call(method, *args, call_timeout=call_timeout)

    def post(self, method: str, *args: Any) -> None:
        """Tell it, if it can be told; what matters is told anew over the next link."""
        if self._calls is not None:
            with contextlib.suppress(StractoryError, OSError):
                self._calls.post(method, args, {})

    def tell_exit(self, life: Life, status: int) -> None:
        """An actor is gone of its own accord."""
        gevent.spawn(self._tell_exit, life, status)

    def _tell_exit(self, life: Life, status: int) -> None:
        with contextlib.suppress(StractoryError, OSError):  # over the next link it is told anew
            self.call("exited", life.name, life.epoch, status)
            self._standing.departed.heard(life, self.address)

    # ---- ending ----------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Say goodbye, so that the names are free at once."""
        if self._calls is not None:
            try:
                self._calls.call("goodbye", call_timeout=GOODBYE_LIMIT)
            except (StractoryError, OSError) as error:
                log.warning("no goodbye: %s", error)
        self.disconnect()

    def disconnect(self) -> None:
        """End the link; it is made anew unless this worker leaves."""
        if self._link is not None:
            self._link.close()

    def drop(self) -> None:
        """Dial it no more."""
        self._over = True
        gevent.spawn(self.disconnect)
