"""One end of a TLS 1.3 connection, without the connection. :mod:`stractory.net.secured` has both together."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from functools import partial

from stractory.errors import AuthError, ProtocolError

RECORD = 16 * 1024
"""Bytes that TLS encrypts at a time, at most."""


class Engine:
    """Bytes in, bytes out. ``certificate`` is the server's, in DER: it has its own, a client gets it.

    ``binding`` names this very connection for both ends, by that, once the handshake is done.
    ``ended``: the other side has said that no more will come.
    """

    def __init__(self, context: ssl.SSLContext, certificate: bytes | None = None) -> None:
        self.certificate = certificate
        self.binding = b""
        self.ended = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=certificate is not None)
        self._kept = b""

    def handshake(self) -> bool:
        """Go on; whether it is done. Else more has to be received. Raises ProtocolError, AuthError."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            raise AuthError(f"its certificate is refused: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise ProtocolError(f"the TLS handshake failed: {_plain(error)}") from None
        if self.certificate is None:
            self.certificate = self._ssl.getpeercert(binary_form=True) or b""
        self.binding = b"tls|" + hashlib.sha256(self.certificate).digest()
        return True

    def receive(self, ciphertext: bytes) -> None:
        """Bytes from the other side."""
        self._incoming.write(ciphertext)

    def read(self, size: int) -> bytes:
        """At most so much of what they say; b"" when there is no more, for now or for ever (``ended``).

        Raises ProtocolError for what is no TLS, or was altered.
        """
        if self._kept:
            data, self._kept = self._kept[:size], self._kept[size:]
            return data
        try:
            data = self._ssl.read(size)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            raise ProtocolError(f"broken TLS: {_plain(error)}") from None
        self.ended = not data
        return data

    def read_all(self) -> bytes:
        """All that they say. Raises as read()."""
        return b"".join(iter(partial(self.read, RECORD), b""))

    def decrypt(self, ciphertext: bytes) -> bytes:
        """As receive() and read_all(), where there was nothing left before: it spares a vain attempt."""
        self._incoming.write(ciphertext)
        data = self.read(RECORD)
        if not self._incoming.pending:
            return data
        pieces = [data]
        while self._incoming.pending and (data := self.read(RECORD)):
            pieces.append(data)
        return b"".join(pieces)

    def write(self, data: bytes | memoryview) -> None:
        """Say it."""
        self._ssl.write(data)

    def finish(self) -> None:
        """Say that no more will come. The other side may go on, and be read."""
        self._kept += self.read_all()  # OpenSSL would lose it, as it looks for the other side's last word
        with contextlib.suppress(ssl.SSLError):  # that has not come, or can never
            self._ssl.unwrap()

    def output(self) -> bytes:
        """Bytes for the other side."""
        return self._outgoing.read()


def _plain(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")
