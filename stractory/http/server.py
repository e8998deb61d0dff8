"""Serves the pages of a process over HTTP: a small request each connection, a few at a time, not for long.

But for those who follow events: they are counted, and dropped, by who tells them.
"""

from __future__ import annotations

import logging
from typing import Any

import gevent

from stractory.errors import ProtocolError
from stractory.http.answers import Answer
from stractory.http.pages import Pages
from stractory.http.request import Request, parse
from stractory.net.address import Address
from stractory.net.listener import PLAIN, Listener, TransportSecurity
from stractory.net.secured import Connection, TlsStream
from stractory.proof.admission import ConnectionLimits, Unproved

log = logging.getLogger(__name__)

CONNECTIONS = 64
"""Connections at a time; when there is one more, the oldest is dropped."""

TIME_LIMIT = 5.0
"""Seconds for a request and its answer, however they are spent."""

HEAD_LIMIT = 8 * 1024
"""Most bytes of a request; none has a body."""


class PageServer:
    """Listens at ``address``: on loopback in plain text, elsewhere as ``security`` says.

    Raises ConfigError where that does not let it, and PortUnavailable.
    """

    def __init__(self, address: Address, pages: Pages, security: TransportSecurity = PLAIN) -> None:
        security = PLAIN if address.is_loopback else security
        self.is_secure = security.certificate is not None
        self._pages = pages
        self._open = Unproved(ConnectionLimits(unproved=CONNECTIONS))
        self._listener = Listener(address, self._handle, name="http", security=security)
        self.address = self._listener.address
        log.info("http at %s: %s", self.address, pages.names)

    def _handle(self, sock: Connection, peer: Any) -> None:
        late = ProtocolError(f"its request and the answer took more than {TIME_LIMIT:g} s")
        try:
            with self._open.held(sock, peer), gevent.Timeout(TIME_LIMIT, late):
                if isinstance(sock, TlsStream):
                    sock.start()
                request = receive(sock, self.address)
                answer = self._pages.answer(request)
                send(sock, request, answer)
            if answer.follow is not None and request.method == "GET":
                answer.follow(sock)
        finally:
            sock.close()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


def receive(sock: Connection, where: Address) -> Request:
    """A whole request, which came to that address. Raises ProtocolError for what is none, and OSError."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(HEAD_LIMIT)
        head += more
        if not more or len(head) > HEAD_LIMIT:
            raise ProtocolError("it ended in the middle" if not more else "its request is too large")
    return parse(head, where, secure=isinstance(sock, TlsStream))


def send(sock: Connection, request: Request, answer: Answer) -> None:
    """All of it, or of who asks for that the head alone. Raises OSError."""
    sock.sendall(answer.head() + (b"" if request.method == "HEAD" else answer.body))
