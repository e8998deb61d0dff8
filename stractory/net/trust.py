"""Whose certificates are taken where a server is dialled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from stractory.net.tls import Engine


class Trust:
    """Those that the CA in the PEM file ``ca`` has signed, or anybody's. With a CA nothing goes without TLS.

    Raises ConfigError for a file that cannot be used.
    """

    def __init__(self, ca: Path | str | None = None) -> None:
        self.ca = None if ca is None else Path(ca).absolute()  # whoever changes the folder still means it
        self._context: ssl.SSLContext | None = None
        if ca is not None:
            self.engine()

    def engine(self) -> Engine:
        """For a new connection, as its client."""
        from stractory.net import certificates, tls  # who meets no TLS loads none

        if self._context is None:
            self._context = certificates.client_context(self.ca)
        return tls.Engine(self._context)


ANYBODY = Trust()
