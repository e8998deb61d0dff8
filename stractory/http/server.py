"""Serves the pages of a process over HTTP: a small request each connection, a few at a time, not for long."""

from __future__ import annotations

import logging
import re
from io import BytesIO
from typing import Any

import gevent
from gevent.pywsgi import WSGIHandler, WSGIServer

from stractory.errors import ProtocolError
from stractory.http.pages import Metrics, Obstacle, Pages, on_loopback
from stractory.net.address import Address
from stractory.net.listener import Listener
from stractory.net.secured import Connection
from stractory.proof.admission import ConnectionLimits, Unproved

log = logging.getLogger(__name__)

CONNECTIONS = 32
"""Connections at a time; when there is one more, the oldest is dropped."""

TIME_LIMIT = 5.0
"""Seconds for a request and its answer, however they are spent."""

HEAD_LIMIT = 8 * 1024
"""Most bytes of a request; none has a body."""

_HEAD = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n([!-9;-~]+:[^\r\n\0]*\r\n){0,64}\r\n")


class PageServer:
    """Listens at ``address``, on loopback. Raises ConfigError for another, and PortUnavailable."""

    def __init__(self, address: Address, metrics: Metrics, obstacle: Obstacle) -> None:
        self._open = Unproved(ConnectionLimits(unproved=CONNECTIONS))
        self._listener = Listener(on_loopback(address), self._handle, name="http")
        self.address = self._listener.address
        pages = Pages(self.address, metrics, obstacle)
        # It never listens itself: what it does is told here, by a Listener, as everywhere.
        self._wsgi = WSGIServer(self.address, pages, log=None, error_log=None)
        log.info("http at %s: /metrics, /livez and /readyz", self.address)

    def _handle(self, sock: Connection, peer: Any) -> None:
        late = ProtocolError(f"its request and the answer took more than {TIME_LIMIT:g} s")
        with self._open.held(sock, peer), gevent.Timeout(TIME_LIMIT, late):
            answer(sock, peer, self._wsgi)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


def answer(sock: Connection, peer: Any, wsgi: WSGIServer) -> None:
    """Read a request and answer it, as ``wsgi`` does. Raises ProtocolError for what is none, and OSError."""
    head = _read_head(sock)
    handler: Any = _Handler  # whose last argument the stubs lack
    handler(sock, peer, wsgi, BytesIO(head)).handle()


class _Handler(WSGIHandler):
    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Whoever does not take the answer is for the Listener to tell of, seldom and in one line."""
        raise v


def _read_head(sock: Connection) -> bytes:
    """A whole request. Raises ProtocolError for what is none."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(HEAD_LIMIT)
        head += more
        if not more or len(head) > HEAD_LIMIT:
            raise ProtocolError("it ended in the middle" if not more else "its request is too large")
    if not (found := _HEAD.match(head)):
        raise ProtocolError("malformed request")
    return found[0]
