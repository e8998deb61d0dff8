"""HTTP to one member of etcd, over connections that are kept, on gevent's sockets in any process."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent
from gevent import socket
from gevent.monkey import get_original

from stractory.errors import ConfigError

_poll: Callable[[], select.poll] = get_original("select", "poll")  # which takes any descriptor

KEPT = 4
"""Most idle connections to a member."""

ANSWER_LIMIT = 256 * 1024 * 1024
"""Most bytes of an answer: a group of changes may look at as many large records as it has changes."""

HEADERS = {"Content-Type": "application/json", "Grpc-Metadata-hasleader": "true"}
"""The second has a member that knows no leader say so at once, also while it serves a watch."""

FAILURES = (OSError, HTTPException)
"""What may be raised where a member goes away."""


class Credentials(NamedTuple):
    """Files in PEM: whom to trust, and what to show; without the first it is the system's choice."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class NotSent(OSError):
    """The request has not left: nobody has done anything."""


class TooLarge(HTTPException):
    """An answer has no end, or one that is too far away."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit} bytes")


class Security:
    """What connections with ``https`` share."""

    def __init__(self, credentials: Credentials) -> None:
        """Raises ConfigError for a file that cannot be used."""
        from gevent import ssl  # who has no TLS loads none

        self.context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ca, certificate, key = credentials
        try:
            if ca is None:
                self.context.load_default_certs()
            else:
                self.context.load_verify_locations(ca)
            if certificate is not None:
                self.context.load_cert_chain(
                    certificate, key, password=partial(_passphrase, key or certificate)
                )
        except OSError as error:
            why = error.strerror or getattr(error, "reason", None) or error
            files = ", ".join(str(file) for file in credentials if file is not None)
            raise ConfigError(f"the certificates for etcd ({files}) cannot be used: {why}") from None


def _passphrase(key: Path) -> str:
    """Asked for by OpenSSL, which else does so at the terminal. Raises ConfigError."""
    raise ConfigError(f"the key for etcd in {key} has a passphrase, which nobody can give: take one without")


class _Connection(HTTPConnection):
    """On gevent's sockets."""

    def __init__(self, host: str, port: int, security: Security | None) -> None:
        super().__init__(host, port)
        self._security = security

    def connect(self) -> None:
        self.sock = socket.create_connection((self.host, self.port))
        self.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if self._security is not None:
            self.sock = self._security.context.wrap_socket(self.sock, server_hostname=self.host)


class Answer(NamedTuple):
    """``body`` is JSON, also of most refusals."""

    status: int
    body: bytes


class Member:
    """One of etcd's, at ``endpoint``: a URL with ``http`` or ``https``, and nothing but host and port."""

    def __init__(self, endpoint: str, security: Security | None) -> None:
        self.endpoint = endpoint
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port or 2379
        self._security = security if parts.scheme == "https" else None
        self._idle: list[_Connection] = []

    def ask(self, path: str, body: bytes, timeout: float) -> Answer:
        """What it answers within so many seconds. Raises NotSent, and FAILURES where that is in doubt."""
        with gevent.Timeout(timeout, TimeoutError(f"no answer within {timeout:g} s")):
            connection = self._connected()
            try:
                connection.request("POST", path, body, HEADERS)
                response = connection.getresponse()
                answer = Answer(response.status, whole(response))
            except BaseException:
                connection.close()
                raise
        if connection.sock is not None and len(self._idle) < KEPT:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    @contextmanager
    def stream(self, path: str, body: bytes, timeout: float) -> Iterator[HTTPResponse]:
        """An answer that goes on, on a connection of its own; so long its beginning may take."""
        connection = _Connection(self._host, self._port, self._security)
        try:
            with gevent.Timeout(timeout, TimeoutError(f"no answer within {timeout:g} s")):
                connection.request("POST", path, body, HEADERS)
                response = connection.getresponse()
            yield response
        finally:
            connection.close()

    def close(self) -> None:
        """Give up what is kept."""
        while self._idle:
            self._idle.pop().close()

    def _connected(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not _has_ended(connection):
                return connection
            connection.close()
        connection = _Connection(self._host, self._port, self._security)
        try:
            connection.connect()
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise NotSent("no connection in time") from None
            if isinstance(error, OSError):
                raise NotSent(error.strerror or str(error)) from None
            raise
        return connection


def whole(response: HTTPResponse) -> bytes:
    """All of an answer. Raises FAILURES, TooLarge among them."""
    body = response.read(ANSWER_LIMIT)
    if len(body) == ANSWER_LIMIT:
        raise TooLarge(ANSWER_LIMIT)
    return body


def _has_ended(connection: _Connection) -> bool:
    """Whether the member has closed it meanwhile: nothing is to be read from one that waits."""
    waiting = _poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))
