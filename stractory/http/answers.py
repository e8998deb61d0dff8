"""What is answered, and its bytes. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from stractory.http.request import Request
from stractory.net.secured import Connection

PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
EVENTS = "text/event-stream"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""Types of answers; the last is Prometheus's name for its format of text."""

OK = "200 OK"
REDIRECTED = "303 See Other"
MALFORMED = "400 Bad Request"
UNPROVED = "401 Unauthorized"
FORBIDDEN = "403 Forbidden"
UNKNOWN = "404 Not Found"
READ_ONLY = "405 Method Not Allowed"
MISSING = "501 Not Implemented"
BUSY = "503 Service Unavailable"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
    ("Content-Security-Policy", _POLICY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""Of every answer. Who made a page with our names in it is no other site, and it is not told where we are."""

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""A value as JSON, in ASCII and on one line."""

Follow = Callable[[Connection], None]
"""Goes on writing to a connection after the head of an answer, until it returns."""


class Answer(NamedTuple):
    """``follow``: there is no body but what this writes, for as long as it likes."""

    status: str
    body: bytes
    type: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()
    follow: Follow | None = None

    def head(self) -> bytes:
        """All that comes before the body."""
        own = [("Content-Type", self.type), *self.headers]
        if self.follow is None:
            own.append(("Content-Length", str(len(self.body))))
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in (*own, *_HEADERS))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def sentence(status: str, text: str) -> Answer:
    """One line."""
    return Answer(status, f"{text}\n".encode())


def value(content: Any, status: str = OK) -> Answer:
    """JSON."""
    return Answer(status, encode(content).encode(), JSON)


def problem(request: Request, status: str, text: str, *headers: tuple[str, str]) -> Answer:
    """Why there is nothing else: JSON for programs, a line for all others."""
    made = value({"error": text}, status) if request.of_program else sentence(status, text)
    return made._replace(headers=headers)
