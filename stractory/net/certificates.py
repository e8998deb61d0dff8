"""Certificates: what a server shows, and what a client takes.

Who the other side is, is told by the proof of the cluster key, which is bound to the server's certificate.
So a self-signed one, made anew at each start, does as well as any; no host names are compared; and unless a
CA is named, anybody's will do.
"""

from __future__ import annotations

import os
import ssl
from datetime import datetime
from pathlib import Path

from stractory.errors import ConfigError, ProtocolError
from stractory.net.tls import Engine

NO, AUTO = "no", "auto"
"""What the setting ``tls`` may be beside the path of a file."""


def client_context(ca: Path | None) -> ssl.SSLContext:
    """What takes certificates signed by the CA in this PEM file, or any. Raises ConfigError."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise ConfigError(f"the tls-ca file {ca} has no certificate in PEM form") from None
    except OSError as error:
        raise ConfigError(f"cannot read the tls-ca file {ca}: {error.strerror}") from None
    return context


class Certificate:
    """What a server shows, with its key, of the PEM file that is open as this descriptor.

    Raises OSError and ssl.SSLError.
    """

    def __init__(self, descriptor: int) -> None:
        self._context = _context(ssl.PROTOCOL_TLS_SERVER)
        self._context.num_tickets = 0  # nobody resumes a session: each proof is made anew
        # With a password, because without one OpenSSL asks for it at the terminal.
        self._context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
        self._shown = _shown_by(self._context)

    def engine(self) -> Engine:
        """For a new connection, as its server."""
        return Engine(self._context, self._shown)


def certificate(tls: str) -> Certificate | None:
    """By the setting: None for "no", a new one for "auto", else that of the file. Raises ConfigError."""
    if tls == NO:
        return None
    return _new() if tls == AUTO else _read(Path(tls))


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _shown_by(context: ssl.SSLContext) -> bytes:
    """The certificate, of those in the file, that clients get to see: asked for by a handshake."""
    server, client = Engine(context, b""), Engine(client_context(None))
    while not client.handshake():
        server.receive(client.output())
        server.handshake()
        client.receive(server.output())
    return client.certificate or b""


def _new() -> Certificate:
    """Self-signed. Its key never touches a disk, and is gone with the process."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise ConfigError(
            "tls = auto needs the package cryptography (pip install cryptography), "
            "or set tls to a PEM file with a certificate and its key"
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stractory")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1))
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59))  # so does RFC 5280 write that there is no end
        .sign(key, hashes.SHA256())
    )
    pem, unencrypted = serialization.Encoding.PEM, serialization.NoEncryption()
    with open(os.memfd_create("certificate"), "wb") as file:
        file.write(made.public_bytes(pem))
        file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted))
        file.flush()
        return Certificate(file.fileno())


def _read(path: Path) -> Certificate:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise ConfigError(
                    f"the tls file {path} can be used by others (mode {mode:o}): chmod 600 {path}"
                )
            return Certificate(file.fileno())
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"the key in the tls file {path} is not that of its certificate") from None
        raise ConfigError(
            f"the tls file {path} is no PEM file with a certificate and its key, without a passphrase"
        ) from None
    except ProtocolError as error:
        raise ConfigError(f"the tls file {path} is of no use for TLS 1.3: {error}") from None
    except FileNotFoundError:
        raise ConfigError(f"there is no tls file {path}: write no, auto, or the path of one") from None
    except OSError as error:
        raise ConfigError(f"cannot read the tls file {path}: {error.strerror}") from None
