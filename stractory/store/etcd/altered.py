"""What somebody else has written below the prefix: none of that is taken, and the log says so, seldom."""

from __future__ import annotations

import logging

from stractory.net.seldom import Seldom

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Keys that are told each; of those that follow only how many they were."""

_LONGEST = 200
"""Bytes of a key that are shown."""


def _log(what: str, more: int) -> None:
    others = f" (the last of {more} more such)" if more else ""
    log.warning("what etcd has of %s was altered, and is not taken%s", what, others)


_told = Seldom(_log, AT_ONCE)


def altered(what: str) -> None:
    """Tell that this is not what a registry has written."""
    _told.hear("altered", what)


def altered_key(key: bytes) -> None:
    """The same of a key."""
    altered(f"the key {key[:_LONGEST].decode(errors='backslashreplace')!r}")
