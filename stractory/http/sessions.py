"""Browsers that were let in: by a link that is good once, and a cookie from then on. Pure.

Neither is kept here but its hash, so nothing that is read from this process lets anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from stractory.proof.keys import Key, KeyRing

LINK_LIFETIME = 5 * 60.0
COOKIE_LIFETIME = 12 * 3600.0
"""Seconds."""

MOST = 1000
"""Of either kind; when there is one more, the oldest goes."""

BYTES = 32
"""Of chance in a token."""


class _Grant(NamedTuple):
    key: Key
    until: float


class _Tokens:
    """Of one kind, each for who has a key."""

    def __init__(self, lifetime: float, now: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._now = now
        self._grants: dict[bytes, _Grant] = {}  # the oldest is the first

    def make(self, key: Key) -> str:
        made = secrets.token_urlsafe(BYTES)
        self._grants[_hash(made)] = _Grant(key, self._now() + self._lifetime)
        if len(self._grants) > MOST:
            del self._grants[next(iter(self._grants))]
        return made

    def find(self, token: str) -> Key | None:
        grant = self._grants.get(_hash(token))
        return grant.key if grant and self._now() < grant.until else None

    def take(self, token: str) -> Key | None:
        key = self.find(token)
        self._grants.pop(_hash(token), None)
        return key


class Sessions:
    """Each ends with the key that its link was made for: when ``keys`` do not have that any more."""

    def __init__(self, keys: KeyRing, now: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._links = _Tokens(LINK_LIFETIME, now)
        self._cookies = _Tokens(COOKIE_LIFETIME, now)

    def invite(self, key: Key) -> str:
        """What is good once, soon, for who has this key."""
        return self._links.make(key)

    def enter(self, invitation: str) -> str | None:
        """A cookie for it; None where it is not good, or not any more."""
        key = self._links.take(invitation)
        return self._cookies.make(key) if key and self._holds(key) else None

    def holder(self, cookie: str) -> Key | None:
        """The key that it stands for, if it does."""
        key = self._cookies.find(cookie)
        return key if key and self._holds(key) else None

    def _holds(self, key: Key) -> bool:
        known = self._keys.find(key.id, key.role, key.name)
        return known is not None and hmac.compare_digest(known.secret, key.secret)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
