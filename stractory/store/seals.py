"""Seals of entries: bytes by key, which nobody without the secret can alter, move or add. Pure.

Whoever can write where they are kept can make the registry forget, or put an entry back to what it was, but
not make it take anything for its own that it never wrote. What is kept of a content is ``seal || content``::

    seal = HMAC-SHA256(secret, key length: u32 || key || content)
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct

SEAL_SIZE = 32
_LENGTH = Struct(">I")


class Seals:
    """Those made with this secret."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.new(secret, digestmod=hashlib.sha256)

    def sealed(self, key: bytes, content: bytes) -> bytes:
        """What is kept of a content."""
        return self._seal(key, content) + content

    def open(self, key: bytes, value: bytes) -> bytes | None:
        """The content of what is kept; None where it was altered, or is not ours."""
        content = value[SEAL_SIZE:]
        return content if hmac.compare_digest(value[:SEAL_SIZE], self._seal(key, content)) else None

    def _seal(self, key: bytes, content: bytes) -> bytes:
        seal = self._keyed.copy()  # in half the time of a new one
        seal.update(_LENGTH.pack(len(key)) + key + content)
        return seal.digest()
