"""Mutual proof of the cluster key, before anything else on a connection.

The side that listens speaks first. Each message is ``STRC``, a big-endian 16-bit length of at most 2048, and
so many bytes of msgpack::

    S -> C   {v: 1, p: purpose, n: nonce (32 bytes)}          purpose: "registry", "worker" or "actor"
    C -> S   {h: hello, m: HMAC(K, "client", T)}              hello = msgpack {v, k: key id, r: role,
                                                              i: name, n: nonce (32 bytes)}
    S -> C   {m: HMAC(K, "server", T, client's m)}            or {e: text} and the connection ends

T = HMAC("transcript", the server's first message, hello, binding). ``binding`` ties the proof to this very
connection: ``plain|ip:port`` of the listening end. HMACs are SHA-256 over parts with their lengths before
them. K is the key of that role and name; both prove it, neither shows it. An unknown key gets a dummy, so
every refusal takes the same path and says the same.

A connection that is not through in :data:`TIME_LIMIT` seconds ends.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address
from struct import Struct
from typing import Any, NamedTuple

import gevent
from gevent.socket import socket

from stractory.errors import AuthError, ProtocolError, UnreachableError, VersionMismatch
from stractory.net.keys import Key, KeyRing, digest
from stractory.wire.codec import pack, unpack

VERSION = 1
TIME_LIMIT = 5.0
_MESSAGE_LIMIT = 2048
_HEAD = Struct(">4sH")
_MAGIC = b"STRC"
_HINT = "if the cluster has another, name its file by --key-file, STRACTORY_KEY_FILE or key_file="


class Identity(NamedTuple):
    """Who proved to be on the other side."""

    role: str
    name: str


def prove_to_client(
    sock: socket, purpose: str, keys: KeyRing, roles: Collection[str], limit: float = TIME_LIMIT
) -> Identity:
    """The listening side. Raises AuthError or ProtocolError when the peer fails the proof."""
    with gevent.Timeout(limit, AuthError("the handshake took too long")):
        greeting = _send(sock, {"v": VERSION, "p": purpose, "n": os.urandom(32)})
        answer, _ = _receive(sock)
        match answer:
            case {"h": bytes() as hello, "m": bytes() as proof}:
                transcript = digest(b"transcript", greeting, hello, _binding(sock.getsockname()))
            case _:
                raise ProtocolError("malformed handshake")
        key = _claimed_key(hello, keys, roles)
        secret = key.secret if key else os.urandom(32)
        if not hmac.compare_digest(proof, digest(secret, b"client", transcript)) or key is None:
            _send(sock, {"e": "denied"})
            raise AuthError("a peer failed the proof of the cluster key")
        _send(sock, {"m": digest(secret, b"server", transcript, proof)})
        if key.name in keys.revoked:  # meanwhile: who ends the links of that name does not know of this one
            raise AuthError(f"a peer proved the name {key.name}, which was just revoked")
        return Identity(key.role, key.name)


def prove_to_server(sock: socket, purpose: str, key: Key, limit: float | None = TIME_LIMIT) -> None:
    """The dialling side. Raises AuthError, VersionMismatch, ProtocolError; UnreachableError for silence.

    Without a ``limit`` who calls has one.
    """
    with gevent.Timeout(limit, UnreachableError(f"it did not answer within {limit} s")):
        greeting, raw_greeting = _receive(sock)
        match greeting:
            case {"v": int() as version} if version != VERSION:
                raise VersionMismatch(f"handshake version {version} instead of {VERSION}")
            case {"p": str() as other} if other != purpose:
                raise AuthError(f"it is the port of a stractory {other[:20]}, not of a {purpose}")
            case {"v": int(), "p": str(), "n": bytes() as nonce} if len(nonce) == 32:
                pass
            case _:
                raise ProtocolError("malformed handshake")
        hello = pack({"v": VERSION, "k": key.id, "r": key.role, "i": key.name, "n": os.urandom(32)})
        transcript = digest(b"transcript", raw_greeting, hello, _binding(sock.getpeername()))
        proof = digest(key.secret, b"client", transcript)
        _send(sock, {"h": hello, "m": proof})
        answer, _ = _receive(sock)
        if "e" in answer:
            raise AuthError(
                f"it refuses the key {key.id} of {key.path} (role {key.role}, name {key.name}); {_HINT}"
            )
        theirs = answer.get("m")
        if not isinstance(theirs, bytes) or not hmac.compare_digest(
            theirs, digest(key.secret, b"server", transcript, proof)
        ):
            raise AuthError(f"it does not know the key {key.id} of {key.path}; {_HINT}")


def _claimed_key(hello: bytes, keys: KeyRing, roles: Collection[str]) -> Key | None:
    match unpack(hello):
        case {
            "v": int() as version,
            "k": str() as id,
            "r": str() as role,
            "i": str() as name,
            "n": bytes() as nonce,
        }:
            if version == VERSION and len(nonce) == 32 and role in roles:
                return keys.find(id, role, name)
            return None
    raise ProtocolError("malformed handshake")


def _binding(address: tuple[Any, ...]) -> bytes:
    host = ip_address(address[0].partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return f"plain|{host}:{address[1]}".encode()


def _send(sock: socket, message: dict[str, Any]) -> bytes:
    packed: bytes = pack(message)
    sock.sendall(_HEAD.pack(_MAGIC, len(packed)) + packed)
    return packed


def _receive(sock: socket) -> tuple[dict[str, Any], bytes]:
    magic, length = _HEAD.unpack(_read_exactly(sock, _HEAD.size))
    if magic != _MAGIC or length > _MESSAGE_LIMIT:
        raise ProtocolError("it does not speak stractory's handshake")
    packed = _read_exactly(sock, length)
    message = unpack(packed)
    if not isinstance(message, dict):
        raise ProtocolError("malformed handshake")
    return message, packed


def _read_exactly(sock: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ProtocolError("the connection ended during the handshake")
        data += more
    return data
