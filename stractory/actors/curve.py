"""The keys of CURVE, by which ZeroMQ proves and encrypts: a port's own, and one for each client of it.

Nothing secret travels. Worker and client share the session of the link between them, and both derive the
client's key pair from it; the port's public key comes over that link.
"""

from __future__ import annotations

from typing import NamedTuple

import zmq
from zmq.utils import z85

from stractory.errors import PortUnavailable
from stractory.proof.keys import digest


class CurveKeys(NamedTuple):
    """What a client of one port sets as ZeroMQ's options of the same names, before it connects; in Z85.

    The repr does not show the secret.
    """

    server_key: bytes
    public_key: bytes
    secret_key: bytes

    def __repr__(self) -> str:
        return f"<CurveKeys {self.public_key.decode()} for the port {self.server_key.decode()}>"


def public_key(secret: bytes) -> bytes:
    """The public key of 32 secret bytes: 32 bytes too. Raises PortUnavailable where ZeroMQ has no CURVE."""
    if not zmq.has("curve"):
        raise PortUnavailable("the ZeroMQ here was built without CURVE: install a pyzmq with it, as PyPI's")
    public: bytes = z85.decode(zmq.curve_public(z85.encode(secret)))
    return public


def client_secret(session: bytes, name: str, epoch: int) -> bytes:
    """The secret key of a link's client for the port of one life of a name."""
    return digest(session, b"curve", name.encode(), epoch.to_bytes(8, "big"))


def client_keys(server_key: bytes, session: bytes, name: str, epoch: int) -> CurveKeys:
    """What a client needs for the port whose public key is ``server_key``."""
    secret = client_secret(session, name, epoch)
    return CurveKeys(*map(z85.encode, (server_key, public_key(secret), secret)))
