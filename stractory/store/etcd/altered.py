"""What somebody else has written below the prefix: none of that is taken, and the log says so, seldom."""

from __future__ import annotations

import logging

from stractory.net.seldom import Seldom

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Keys that are told each; of those that follow only how many they were."""

_LONGEST = 200
"""Bytes of a key that are shown."""


def _log(text: str, more: int) -> None:
    log.warning("%s%s", text, f" (the last of {more} more such)" if more else "")


_told = Seldom(_log, AT_ONCE)


def altered_key(key: bytes) -> None:
    """Tell that what is there is not what a registry has written."""
    shown = key[:_LONGEST].decode(errors="backslashreplace")
    _told.hear("altered", f"what etcd has of the key {shown!r} was altered, and is not taken")


def mark_taken_away(prefix: str) -> None:
    """Tell that somebody has done that."""
    _told.hear("mark", f"somebody has taken away the mark of the prefix {prefix} of etcd: it is put back")
