"""The variables of the environment that our programs read, and those that look as if they should."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

PREFIX = "STRACTORY_"

SETTINGS = (
    *("config", "insecure-plaintext", "key-file", "listen", "log-format", "log-level", "registry", "tls"),
    *("links-limit", "unproved-limit", "unproved-limit-per-source"),
    *("advertise", "audit-log", "client-message-limit", "operator-message-limit"),
    *("data-dir", "heartbeat-timeout", "placement", "store"),
    *("etcd-ca", "etcd-cert", "etcd-endpoints", "etcd-key", "etcd-prefix"),
    *("http", "http-hosts", "http-open", "http-ports", "respawn-delay", "workers"),
    *("actor-port-range", "actor-ports", "allow-public-actors", "end-with-stdin"),
    *("code", "max-actors", "tls-ca", "working-dir"),
    *("block-exit", "block-interrupt", "block-report"),
    *("isolated", "isolated-limit"),
)
"""All settings of all programs: each ignores the variables that are for others."""

VARIABLES = frozenset(PREFIX + name.replace("-", "_").upper() for name in SETTINGS)


def misspelled(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Of the ``names`` of variables, each that none of our programs reads, and the one it looks like."""
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in VARIABLES:
            for near in difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.85):
                yield name, near
