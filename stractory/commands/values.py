"""The types of settings' values: each makes one of a text, or raises ConfigError with words for the user."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from stractory.errors import ConfigError
from stractory.net.address import Address, address


def suggestion(name: str, known: Collection[str]) -> str:
    """What the user may have meant."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def seconds_from(least: float) -> Callable[[str], float]:
    """A type whose values are numbers of seconds, ``least`` or more: ``1.5``."""

    def seconds(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise ConfigError(f"{text!r} is not a number of seconds, {least:g} or more")
        return value

    return seconds


seconds = seconds_from(0)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.isdecimal():
        raise ConfigError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def size_to(most: int) -> Callable[[str], int]:
    """A type whose values are numbers of bytes, up to ``most``: ``65536``, ``64K`` or ``1M``."""

    def size(text: str) -> int:
        match = re.fullmatch(r"([0-9]+)([KM]?)", text.upper())
        value = int(match[1]) * {"": 1, "K": 1024, "M": 1024 * 1024}[match[2]] if match else 0
        if not 0 < value <= most:
            raise ConfigError(f"{text!r} is not a size such as 64K or 1M, of at most {most} bytes")
        return value

    return size


def yes_no(text: str) -> bool:
    """``yes``, ``true``, ``on``, ``1``, or ``no``, ``false``, ``off``, ``0``."""
    if text.lower() in ("yes", "true", "on", "1"):
        return True
    if text.lower() in ("no", "false", "off", "0"):
        return False
    raise ConfigError(f"{text!r} is neither yes nor no")


yes_no.__name__ = "yes|no"  # as --help shows it


def port_range(text: str) -> range:
    """The ports from the first to the last, both included: ``9100-9199``."""
    first, _, last = (part.strip() for part in text.partition("-"))
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535):
        raise ConfigError(f"{text!r} is not a range of ports such as 9100-9199")
    return range(int(first), int(last) + 1)


def path(text: str) -> Path:
    """The path of a file or folder; ``~`` is the user's home."""
    if not text:
        raise ConfigError("the path is empty")
    return Path(os.path.expanduser(text))  # unlike Path.expanduser, leaves the ~ of an unknown user alone


def hosts(text: str) -> tuple[str, ...]:
    """Names of hosts with commas between them, each alone or with a port: ``factory.example, gate:8443``."""
    names = tuple(name.strip().lower() for name in text.split(","))
    for name in names:
        if not re.fullmatch(r"[a-z0-9_.-]+(:[0-9]{1,5})?", name):
            raise ConfigError(
                f"{name!r} is not the name of a host, such as factory.example: there are no wildcards"
            )
    return names


class Endpoint(NamedTuple):
    """Where a member of etcd is; ``is_plain``: by http and not https."""

    address: Address
    is_plain: bool

    def __str__(self) -> str:
        return f"http{'' if self.is_plain else 's'}://{self.address}"


def endpoints(text: str) -> tuple[Endpoint, ...]:
    """URLs with commas between them, without a path: ``http://127.0.0.1:2379, https://etcd-2:2379``."""
    found: list[Endpoint] = []
    for url in (part.strip() for part in text.split(",")):
        scheme, _, where = url.partition("://")
        if scheme not in ("http", "https") or ":" not in where:
            raise ConfigError(f"{url!r} is not the URL of an endpoint, such as http://127.0.0.1:2379")
        endpoint = Endpoint(address(where.removesuffix("/")), scheme == "http")
        if not endpoint.address.port:
            raise ConfigError(f"{url!r} has no port")
        if endpoint.address in [other.address for other in found]:
            raise ConfigError(f"{endpoint.address} is there twice")
        found.append(endpoint)
    return tuple(found)


endpoints.__name__ = "urls"  # as --help shows it


OF_CLUSTERS = frozenset(
    {
        *("names", "endings", "latest", "snapshots", "definitions", "uses", "quarantine"),
        *("registries", "workers"),
    }
)
"""What every cluster has in its prefix: another that has its own there would be within it."""

_PREFIX_LIMIT = 255


def prefix(text: str) -> str:
    """What keys begin with: names with slashes between them, ``/stractory``."""
    names = text.strip("/").split("/")
    if not all(name == name.strip() and name.isprintable() and name for name in names):
        raise ConfigError(f"{text!r} is not a prefix such as /stractory, of names that can be read")
    if len(text) > _PREFIX_LIMIT:
        raise ConfigError(f"a prefix has {_PREFIX_LIMIT} characters at most, and this one {len(text)}")
    if within := OF_CLUSTERS.intersection(names):
        raise ConfigError(
            f"{text!r} may be in the prefix of another cluster: {min(within)!r} is a folder there"
        )
    return text.rstrip("/")


def choice(*words: str) -> Callable[[str], str]:
    """A type whose values are these words."""

    def one_of(text: str) -> str:
        if text not in words:
            raise ConfigError(f"{text!r} is not one of {', '.join(words)}{suggestion(text, words)}")
        return text

    one_of.__name__ = "|".join(words)
    return one_of
