"""Who may enter ports that speak CURVE: the answer to what ZeroMQ asks of each client (ZAP, its RFC 27).

ZeroMQ asks over a socket of a fixed name, which one in a process can have. By itself it lets everybody in
where nobody answers; with ZAP_ENFORCE_DOMAIN, which our ports set, nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import cache
from itertools import count
from typing import Any

import gevent
import zmq

from stractory.actors.zerorpc_session import context
from stractory.errors import PortUnavailable
from stractory.net.seldom import refused

MOST_KEYS = 10_000
"""Clients that one port knows at a time; with more, who asked longest ago is forgotten."""


class Admissions:
    """The client keys that one port lets in, each for ``seconds`` since it was last admitted."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[bytes, float] = {}  # in the order of their ends
        self._names: set[str] = set()  # as many as there are keys of the cluster in people's hands

    def __len__(self) -> int:
        return len(self._until)

    def admit(self, key: bytes, name: str) -> None:
        """Let in ``key``, which is of who has proved ``name``."""
        now = self._clock()
        self._until.pop(key, None)
        while self._until and (len(self) >= MOST_KEYS or self._until[self._oldest] <= now):
            del self._until[self._oldest]
        self._until[key] = now + self._seconds
        self._names.add(name)

    @property
    def _oldest(self) -> bytes:
        return next(iter(self._until))

    def allow(self, key: bytes) -> bool:
        """Whether ``key`` may enter now."""
        return self._until.get(key, 0.0) > self._clock()

    def had(self, names: Collection[str]) -> bool:
        """Whether one of ``names`` was ever admitted. Who has entered stays, however long ago that was."""
        return not self._names.isdisjoint(names)


class Guard:
    """Answers for all ports of this process. Raises PortUnavailable when somebody else does already."""

    def __init__(self) -> None:
        self._ports: dict[bytes, Admissions] = {}
        self._numbers = count(1)
        self._socket: Any = context().socket(zmq.ROUTER)
        self._socket.linger = 0
        try:
            self._socket.bind("inproc://zeromq.zap.01")
        except zmq.ZMQError as error:
            self._socket.close()
            raise PortUnavailable(f"no port here can ask for keys, as something else does: {error}") from None
        self._answering: Any = gevent.Greenlet(self._answer_all)
        self._answering.spawn_tree_locals = {}  # it is of no actor, though one may have needed it first
        self._answering.start()

    def add(self, admissions: Admissions) -> bytes:
        """The domain by which a port is to ask for these."""
        domain = b"port-%d" % next(self._numbers)
        self._ports[domain] = admissions
        return domain

    def remove(self, domain: bytes) -> None:
        """Let nobody into that port any more."""
        self._ports.pop(domain, None)

    def answer(self, question: list[bytes]) -> list[bytes] | None:
        """What to send for what was received; nothing for what is no question."""
        match question:
            case [sender, b"", b"1.0", number, domain, address, _, mechanism, *keys]:
                admissions = self._ports.get(domain)
                known = mechanism == b"CURVE" and admissions is not None and any(map(admissions.allow, keys))
                if not known:
                    text = f"zerorpc: {address!r} has a key that is not admitted, or not any more"
                    refused("zerorpc: keys", text, peer=address.decode(errors="backslashreplace"))
                verdict = (b"200", b"OK") if known else (b"400", b"denied")
                return [sender, b"", b"1.0", number, *verdict, b"", b""]
        return None

    def _answer_all(self) -> None:
        while True:
            answer = self.answer(self._socket.recv_multipart())
            if answer is not None:
                self._socket.send_multipart(answer)


@cache
def guard() -> Guard:
    """That of this process, made when the first port needs it. Raises PortUnavailable."""
    return Guard()
