"""A worker's link to its registry: dialled by the worker, kept, and dialled again when it breaks."""

from __future__ import annotations

import contextlib
import logging
import os

import gevent
from gevent.event import Event

from stractory.errors import AuthError, StractoryError
from stractory.net import process
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.dial import dial
from stractory.net.keys import NODE, KeyRing
from stractory.net.link import Link, Serve
from stractory.wire.dialling import Dial
from stractory.wire.life import Life, Phase
from stractory.worker.host import Host

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
    """

    def __init__(
        self,
        registry: Address,
        keys: KeyRing,
        *,
        listening: Address,
        runtime: str,
        host: Host,
        serve: Serve,
    ) -> None:
        self.registered = Event()
        self._registry = registry
        self._keys = keys
        self._listening = listening
        self._runtime = runtime
        self._host = host
        self._serve = serve
        self._id = os.urandom(16)
        self._heartbeat = HEARTBEAT
        self._announced = False
        self._leaving = False
        self._calls: Calls | None = None
        self._link: Link | None = None

    def run(self) -> AuthError | None:
        """Stay registered until leave(). Returns early, with the error, when the first attempt is refused."""
        attempt = 0
        while not self._leaving:
            try:
                self._register()
            except AuthError as error:
                if not self.registered.is_set():
                    return error
                log.error("the registry refuses this worker: %s", error)
            except (StractoryError, OSError) as error:
                if attempt == 0:
                    log.warning("%s; trying again until it is there", error)
            else:
                attempt = 0
                self.registered.set()
                self._send_heartbeats()
                gevent.sleep(RETRY[0])
                continue
            gevent.sleep(RETRY[min(attempt, len(RETRY) - 1)])
            attempt += 1
        return None

    def _register(self) -> None:
        link = dial(self._registry, "registry", self._keys.credential(NODE), self._serve)
        try:
            stream = link.open(Dial("registry"), label=f"registry {self._registry}")
            stream.wait_accepted()
            calls = Calls(stream)
            address, reports = str(self._advertised(link)), self._host.reports()
            lease = calls.call("register", self._id, address, process.own(), self._runtime, reports)
        except BaseException:
            link.close()
            raise
        self._link, self._calls = link, calls
        self._heartbeat = min(HEARTBEAT, lease / 4)
        for life, phase in reports:
            if phase is not Phase.RUNNING:
                gevent.spawn(self._tell_outcome, calls, life)
        if self._leaving:
            self.leave()
        elif self._announced:
            self.announce_leave()
        log.info("registered with registry %s", self._registry)

    def _tell_outcome(self, calls: Calls, life: Life) -> None:
        """Whoever ordered the start or end of it did so over a link that is gone and gets no answer."""
        word = "started" if self._host.outcome(life) else "ended"
        with contextlib.suppress(StractoryError, OSError):  # over the next link it is reported anew
            calls.post(word, (life.name, life.epoch), {})

    def _send_heartbeats(self) -> None:
        assert self._link is not None and self._calls is not None
        ended = Event()
        self._link.call_at_end(lambda reason: ended.set())
        try:
            while not ended.wait(self._heartbeat):
                self._calls.call("beat")
        except (StractoryError, OSError) as error:
            log.warning("no heartbeat: %s", error)
            self._link.close()
        else:
            if not self._leaving:
                log.warning("%s", self._link.ended)

    def _advertised(self, link: Link) -> Address:
        """Where clients reach this worker: for a wildcard, the address that the registry sees it at."""
        if self._listening.host in ("0.0.0.0", "::"):
            return Address(link.own_address[0], self._listening.port)
        return self._listening

    def tell_exit(self, name: str, epoch: int, status: int) -> None:
        """An actor is gone of its own accord. An unreachable registry learns it when it is back."""
        if self._calls is not None:
            try:
                self._calls.post("exited", (name, epoch, status), {})
            except OSError as error:
                log.debug("the registry cannot be told that %r exited: %s", name, error)

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
