"""Tokens for programs that can send a header and no more, as Prometheus: "Authorization: Bearer ...". Pure.

A token is of one key, and good for as long as that is: ``ID.ROLE.NAME.MAC``. NAME and MAC are base64 for
URLs, not padded, and MAC is HMAC-SHA256(key, "stractory/1/http", "bearer"). Who sees it can read what is
shown and no more: the key does not follow from it.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Collection

from stractory.proof.keys import Key, KeyRing, digest


def make(key: Key) -> str:
    """The token of this key, which is of a role and a name."""
    proof = digest(key.secret, b"stractory/1/http", b"bearer")
    return f"{key.id}.{key.role}.{_encode(key.name.encode())}.{_encode(proof)}"


def holder(token: str, keys: KeyRing, roles: Collection[str]) -> Key | None:
    """The key, of one of ``roles``, that it was made of; None where that is unknown here, or revoked."""
    try:
        id, role, name, _ = token.split(".")
        key = keys.find(id, role, _decode(name).decode()) if role in roles else None
        expected = make(key) if key else os.urandom(32).hex()
        return key if hmac.compare_digest(token.encode(), expected.encode()) else None
    except ValueError:  # not of four parts, no base64, or no UTF-8
        return None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
