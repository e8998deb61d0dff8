"""Where a process listens or dials: a host and a port, and their one spelling as text. Opens no sockets."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple

from stractory.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"

_ADDRESS = re.compile(r"((\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\s:/\[\],]*)):)?(?P<port>[0-9]{1,5})")


_LABEL = 63
"""Most characters between two dots of a name; with more, or none, whoever is to look it up has no answer."""


class Address(NamedTuple):
    """A TCP address; also the (host, port) tuple that sockets take. ``host`` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Of names only localhost counts: none is looked up."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_everywhere(self) -> bool:
        """Whether it stands for all addresses of this machine, and so is none that can be dialled."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


def address(text: str) -> Address:
    """``9000``, ``host:9000`` or ``[::1]:9000``; the host is 127.0.0.1 unless given.

    Raises ConfigError for anything else, also ``:9000`` (of a shell's variable that is not set), and for a
    port above 65535.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not an address: write port, host:port or [IPv6]:port")
    ipv6, port = match["ipv6"], int(match["port"])
    if port > 65535:
        raise ConfigError(f"{text!r} is not an address: a port is 0 to 65535")
    if ipv6 is not None:
        try:
            ipaddress.IPv6Address(ipv6)
        except ValueError:
            raise ConfigError(f"{text!r} is not an address: {ipv6!r} is not IPv6") from None
    if match["host"] == "":
        raise ConfigError(f"{text!r} names no host: write {port} for this machine, or host:{port}")
    if match["host"] and not all(
        0 < len(label) <= _LABEL for label in match["host"].removesuffix(".").split(".")
    ):
        raise ConfigError(f"{text!r} is not an address: no host has such a name")
    return Address(ipv6 or match["host"] or DEFAULT_HOST, port)


def addresses(text: str) -> tuple[Address, ...]:
    """Addresses with commas between them: ``9001,9002`` or ``10.0.0.1:9001, 10.0.0.1:9002``.

    Raises ConfigError as address() does, and for one that is there twice, unless its port is 0: any free one.
    """
    found: list[Address] = []
    for part in text.split(","):
        one = address(part)
        if one.port and one in found:
            raise ConfigError(f"{text!r} has {one} twice")
        found.append(one)
    return tuple(found)


def spell(peer: Any) -> str:
    """The address of who connected, as the system gives it, in words."""
    return str(Address(peer[0], peer[1])) if isinstance(peer, tuple) else "a local process"
