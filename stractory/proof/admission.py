"""Who is let in: how many connections may be unproved at a time, and how many links there may be at all.

Whoever has no key can do no more than connect. So that those who have one still get in, the oldest of the
unproved goes when there are too many: a proof takes some milliseconds, and who is silent is soon the oldest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, Protocol

from stractory.errors import LinkClosed
from stractory.net.descriptors import limit


class ConnectionLimits(NamedTuple):
    """The limits of one process; 0 is any number.

    ``unproved``: connections of one listener whose proof is not through. ``unproved_of_one``: those of them
    from one address that is not this machine's. ``links``: of those who proved.
    """

    unproved: int = 256
    unproved_of_one: int = 32
    links: int = 0


USUAL = ConnectionLimits()


class Closable(Protocol):
    """A socket."""

    def close(self) -> None: ...


class Unproved:
    """The connections of one listener, each until its proof is through.

    They have no more than a quarter of the descriptors of this process.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._most = min(limits.unproved or sys.maxsize, limit() // 4)
        self._most_of_one = limits.unproved_of_one or sys.maxsize
        self._sources: dict[Closable, bytes | None] = {}  # the oldest is the first

    def __len__(self) -> int:
        return len(self._sources)

    @contextmanager
    def held(self, sock: Closable, peer: Any) -> Iterator[None]:
        """The proof of ``sock``, from the address ``peer``, is made in here.

        When it is one too many, the oldest is closed. Raises LinkClosed when that happens to this one.
        """
        source = source_of(peer)
        self._make_room(source)
        self._sources[sock] = source
        try:
            yield
            self._check(sock)
        except Exception:
            self._check(sock)
            raise
        finally:
            self._sources.pop(sock, None)

    def _make_room(self, source: bytes | None) -> None:
        of_one = [] if source is None else [sock for sock, its in self._sources.items() if its == source]
        if len(of_one) >= self._most_of_one:
            self._drop(of_one[0])
        elif len(self._sources) >= self._most:
            self._drop(next(iter(self._sources)))

    def _drop(self, sock: Closable) -> None:
        del self._sources[sock]
        sock.close()

    def _check(self, sock: Closable) -> None:
        if sock not in self._sources:
            raise LinkClosed("it had proved nothing yet when too many others came") from None


def source_of(peer: Any) -> bytes | None:
    """What counts as one: an address of IPv4, or a network of IPv6's 64 bits; None for this machine."""
    if not isinstance(peer, tuple):
        return None
    host = ip_address(peer[0].partition("%")[0])
    if isinstance(host, IPv6Address):
        host = host.ipv4_mapped or host
    return None if host.is_loopback else host.packed[:8]
