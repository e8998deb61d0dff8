"""Connections in TLS between two ends in the test's own process."""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

import gevent
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gevent import socket

from stractory.net.certificates import Certificate, certificate
from stractory.net.secured import Connection, TlsStream
from stractory.net.trust import ANYBODY


@cache
def a_certificate() -> Certificate:
    """Self-signed; the same for all tests."""
    made = certificate("auto")
    assert made is not None
    return made


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection: who has dialled, who has listened."""
    listening = socket.socket()  # create_server() would make the standard library's, which blocks
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    dialler = socket.create_connection(listening.getsockname())
    listener, _ = listening.accept()
    listening.close()
    return dialler, listener


def secured(dialler: socket.socket, listener: socket.socket) -> tuple[TlsStream, TlsStream]:
    """In TLS from here on."""
    ends = TlsStream(dialler, ANYBODY.engine()), TlsStream(listener, a_certificate().engine())
    gevent.joinall([gevent.spawn(end.start) for end in ends], raise_error=True, timeout=20)
    return ends


def joined(transport: str) -> tuple[Connection, Connection]:
    """Two ends in "plain" text or in "tls"."""
    ends = connected()
    return secured(*ends) if transport == "tls" else ends


def signed_by(
    authority: tuple[bytes, bytes] | None, *, passphrase: bytes | None = None
) -> tuple[bytes, bytes]:
    """A certificate for loopback and its key, each in PEM, signed by an authority; without one it is one."""
    key: Any = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
    issuer, signer = name, key
    if authority is not None:
        issuer = x509.load_pem_x509_certificate(authority[0]).subject
        signer = serialization.load_pem_private_key(authority[1], None)
    made = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1))
        .not_valid_after(datetime(9999, 12, 31))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked)
