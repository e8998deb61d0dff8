"""A worker's link to its registry: dialled by the worker, kept, and dialled again when it breaks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import gevent
from gevent.event import Event

from stractory.errors import AuthError, StractoryError
from stractory.net import process
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.keys import NODE, KeyRing
from stractory.net.link import Link, Serve, dial
from stractory.wire.dialling import Dial
from stractory.wire.life import Life

log = logging.getLogger(__name__)

HEARTBEAT = 2.0
"""Most seconds between signs of life; less where the registry's lease is short."""

RETRY = (0.1, 0.2, 0.5)
"""Seconds between attempts to reach the registry; the last is used again and again.

A new registry waits for three times as long before it takes a name for free.
"""


class Membership:
    """Registers this worker with all its actors, each time the link is made anew, and sends heartbeats.

    ``serve`` takes the streams that the registry opens on the link; ``lives`` tells the actors there are.
    """

    def __init__(
        self,
        registry: Address,
        keys: KeyRing,
        *,
        listening: Address,
        runtime: str,
        lives: Callable[[], list[Life]],
        serve: Serve,
    ) -> None:
        self.registered = Event()
        self._registry = registry
        self._keys = keys
        self._listening = listening
        self._runtime = runtime
        self._lives = lives
        self._serve = serve
        self._id = os.urandom(16)
        self._heartbeat = HEARTBEAT
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
            lease = calls.call(
                "register", self._id, str(self._advertised(link)), process.own(), self._runtime, self._lives()
            )
        except BaseException:
            link.close()
            raise
        self._link, self._calls = link, calls
        self._heartbeat = min(HEARTBEAT, lease / 4)
        if self._leaving:
            self.leave()
        log.info("registered with registry %s", self._registry)

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
