"""Mutual proof of who is there, before anything else on a connection.

The side that listens speaks first. Each message is ``STRC``, a big-endian 16-bit length of at most 2048, and
so many bytes of msgpack::

    S -> C   {v: 1, p: purpose, n: nonce (32 bytes)}          purpose: "registry", "worker" or "actor"
    C -> S   {h: hello, m: HMAC(K, "client", T)}              hello = msgpack of the claim, and
                                                              v: 1, n: nonce (32 bytes)
    S -> C   {m: HMAC(K, "server", T, client's m)}            or {e: "denied" or "stale"}, and the end

A registry is claimed to by a key (k: key id, r: role, i: name), and K is that key. A worker, and an actor's
own port, is by a ticket (t), and K is the secret that goes with it: see :mod:`stractory.proof.tickets`. Both
sides prove K, neither shows it. "stale" is a ticket whose time is over, or to what is not there, or made with
a key that this worker does not have (any more): whoever looks up again gets another.

A server that wants TLS first sends ``STRT`` and a length of 0; all else follows within TLS.

T = HMAC("transcript", the server's first message, hello, binding). ``binding`` ties the proof to this very
connection: ``tls|`` and the SHA-256 of the server's certificate, or ``plain|ip:port`` of the listening end.
Whoever stands between and takes TLS away, adds it, or shows another certificate, fails the proof by that.

HMACs are SHA-256 over parts with their lengths before them. An unknown claim gets a dummy key, so every
denial takes the same path and says the same.

A connection that is not through in :data:`TIME_LIMIT` seconds ends.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv6Address, ip_address
from struct import Struct
from typing import Any, NamedTuple, Protocol

import gevent

from stractory.errors import AuthError, ProtocolError, StaleTicket, UnreachableError, VersionMismatch
from stractory.net.counters import counters
from stractory.net.headers import LeftAtOnce, receive_exactly
from stractory.net.secured import Connection, TlsStream
from stractory.net.trust import ANYBODY, Trust
from stractory.proof.keys import Key, KeyRing, digest
from stractory.wire.codec import pack, unpack

VERSION = 1
TIME_LIMIT = 5.0
_MESSAGE_LIMIT = 2048
_HEAD = Struct(">4sH")
_MAGIC = b"STRC"
_TLS_FOLLOWS = _HEAD.pack(b"STRT", 0)
_DENIED, _STALE = "denied", "stale"
_HINT = "if the cluster has another, name its file by --key-file, STRACTORY_KEY_FILE or key_file="


Hello = Mapping[str, Any]
"""What a client says of itself."""


class Identity(NamedTuple):
    """Who proved to be on the other side.

    ``session``: 32 bytes that only the two ends know, this once. ``key``: by this key, if it was no ticket.
    """

    role: str
    name: str
    session: bytes
    key: Key | None = None

    def __repr__(self) -> str:
        return f"<Identity {self.role} {self.name}>"


class Claim(NamedTuple):
    """Who somebody says to be, and the secret to be proved for that; of a key, or of a ticket."""

    role: str
    name: str
    secret: bytes
    key: Key | None = None

    def __repr__(self) -> str:
        return f"<Claim {self.role} {self.name}>"


Admit = Callable[[Hello], Claim]
"""What a client says becomes what it has to prove. Raises AuthError, StaleTicket."""


class Credential(Protocol):
    """What a client proves: a key or a ticket. Its str tells which it is, without the secret."""

    @property
    def claim(self) -> Hello: ...
    @property
    def secret(self) -> bytes: ...


def holders(keys: KeyRing, roles: Collection[str]) -> Admit:
    """Those who have a key that ``keys`` know, for one of ``roles``."""

    def admit(hello: Hello) -> Claim:
        match hello:
            case {"k": str() as id, "r": str() as role, "i": str() as name}:
                if role in roles and (key := keys.find(id, role, name)):
                    return Claim(role, name, key.secret, key)
                claimed = f"the key {id[:16]!r} (role {role[:16]!r}, name {name[:128]!r})"
                raise AuthError(f"{claimed} is unknown here, or revoked, or its role has no access")
        raise AuthError("a peer claims no key")

    return admit


class Proved(NamedTuple):
    """What a dialler goes on with; ``session`` as the other side's :class:`Identity` has it."""

    connection: Connection
    session: bytes


def prove_to_client(sock: Connection, purpose: str, admit: Admit, limit: float = TIME_LIMIT) -> Identity:
    """The listening side. Raises AuthError, StaleTicket or ProtocolError when the peer fails the proof."""
    with gevent.Timeout(limit, ProtocolError("the handshake took too long")):
        if isinstance(sock, TlsStream):
            sock.start(_TLS_FOLLOWS)
        greeting = _send(sock, {"v": VERSION, "p": purpose, "n": os.urandom(32)})
        answer, _ = _receive(sock, _first_word(sock))
        match answer:
            case {"h": bytes() as hello, "m": bytes() as proof}:
                transcript = digest(b"transcript", greeting, hello, _binding(sock, sock.getsockname()))
            case _:
                raise ProtocolError("malformed handshake")
        try:
            claim = _admitted(hello, admit)
        except StaleTicket:
            _send(sock, {"e": _STALE})
            raise
        except AuthError:
            hmac.compare_digest(proof, digest(os.urandom(32), b"client", transcript))
            _deny(sock)
            raise
        if not hmac.compare_digest(proof, digest(claim.secret, b"client", transcript)):
            _deny(sock)
            raise AuthError("a peer failed the proof of what it claims to know")
        _send(sock, {"m": digest(claim.secret, b"server", transcript, proof)})
        return Identity(claim.role, claim.name, _session(claim.secret, transcript), claim.key)


def _deny(sock: Connection) -> None:
    counters.refused_proofs += 1
    _send(sock, {"e": _DENIED})


def prove_to_server(
    sock: Connection,
    purpose: str,
    credential: Credential,
    limit: float | None = TIME_LIMIT,
    trust: Trust = ANYBODY,
) -> Proved:
    """The dialling side. What it returns takes the place of ``sock``.

    Raises AuthError, StaleTicket, VersionMismatch, ProtocolError; UnreachableError for silence.

    Without a ``limit`` who calls has one.
    """
    if not credential.secret:  # anybody knows it, and could pass for the server
        raise AuthError(f"{credential} has no secret: nothing can be proved by it")
    with gevent.Timeout(limit, UnreachableError(f"it did not answer within {limit} s")):
        head = _read_exactly(sock, _HEAD.size)
        if head == _TLS_FOLLOWS and not isinstance(sock, TlsStream):
            sock = TlsStream(sock, trust.engine())
            sock.start()
            head = _read_exactly(sock, _HEAD.size)
        elif trust.ca is not None:
            raise AuthError(f"it does not use TLS, which tls-ca = {trust.ca} asks for")
        greeting, raw_greeting = _receive(sock, head)
        match greeting:
            case {"v": int() as version} if version != VERSION:
                raise VersionMismatch(f"handshake version {version} instead of {VERSION}")
            case {"p": "registry" | "worker" | "actor" as other} if other != purpose:
                raise AuthError(f"it is the port of a stractory {other}, not of a {purpose}")
            case {"v": int(), "p": told, "n": bytes() as nonce} if told == purpose and len(nonce) == 32:
                pass
            case _:
                raise ProtocolError("malformed handshake")
        hello = pack({**credential.claim, "v": VERSION, "n": os.urandom(32)})
        transcript = digest(b"transcript", raw_greeting, hello, _binding(sock, sock.getpeername()))
        proof = digest(credential.secret, b"client", transcript)
        _send(sock, {"h": hello, "m": proof})
        match _receive(sock)[0]:
            case {"e": refusal}:
                if refusal == _STALE:
                    raise StaleTicket("what was looked up is not there any more: look it up again")
                raise AuthError(f"it refuses {credential}; {_HINT}")
            case {"m": bytes() as theirs} if hmac.compare_digest(
                theirs, digest(credential.secret, b"server", transcript, proof)
            ):
                return Proved(sock, _session(credential.secret, transcript))
        raise AuthError(f"it does not know {credential}; {_HINT}")


def _session(secret: bytes, transcript: bytes) -> bytes:
    return digest(secret, b"session", transcript)


def _admitted(hello: bytes, admit: Admit) -> Claim:
    match unpack(hello):
        case {"v": int() as version, "n": bytes() as nonce} as said if len(nonce) == 32:
            if version != VERSION:
                raise AuthError(f"a peer speaks version {version} of the handshake instead of {VERSION}")
            return admit(said)
    raise ProtocolError("malformed handshake")


def _binding(sock: Connection, address: tuple[Any, ...]) -> bytes:
    return sock.binding if isinstance(sock, TlsStream) else b"plain|" + _spell(address)


def _spell(address: tuple[Any, ...]) -> bytes:
    host = ip_address(address[0].partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return f"{host}:{address[1]}".encode()


def _send(sock: Connection, message: dict[str, Any]) -> bytes:
    packed: bytes = pack(message)
    sock.sendall(_HEAD.pack(_MAGIC, len(packed)) + packed)
    return packed


def _receive(sock: Connection, head: bytes = b"") -> tuple[dict[str, Any], bytes]:
    magic, length = _HEAD.unpack(head or _read_exactly(sock, _HEAD.size))
    if magic != _MAGIC or length > _MESSAGE_LIMIT:
        raise ProtocolError(f"it does not speak stractory's handshake{_instead(magic)}")
    packed = _read_exactly(sock, length)
    message = unpack(packed)
    if not isinstance(message, dict):
        raise ProtocolError("malformed handshake")
    return message, packed


def _first_word(sock: Connection) -> bytes:
    """The head of what a stranger says. Raises LeftAtOnce, and ProtocolError."""
    first = sock.recv(_HEAD.size)
    if not first:
        raise LeftAtOnce("it left without a word")
    return first + _read_exactly(sock, _HEAD.size - len(first))


def _instead(magic: bytes) -> str:
    if magic.startswith(b"\x16\x03"):
        return ": it sent TLS"
    if magic in (b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"HTTP"):
        return ": it sent HTTP"
    return ""


def _read_exactly(sock: Connection, size: int) -> bytes:
    return receive_exactly(sock, size, ProtocolError("the connection ended during the handshake"))
