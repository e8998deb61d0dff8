"""What is shown to whom: /metrics, /livez and /readyz, to whoever asks by the right name. Pure WSGI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from stractory.errors import ConfigError
from stractory.net.address import Address

Metrics = Callable[[], bytes]
"""Makes the page of numbers."""

Obstacle = Callable[[], str]
"""Why this process is not ready, a sentence; "" when it is."""

PLAIN = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""The types of pages; the latter is Prometheus's name for its format of text."""


def on_loopback(address: Address) -> Address:
    """``address``, if there may be pages. Raises ConfigError where it is not of loopback."""
    if not address.is_loopback:
        raise ConfigError(
            f"{address} is beyond loopback, where pages would need a key, which they do not ask for; "
            "give an address such as 127.0.0.1:9080"
        )
    return address


class Answer(NamedTuple):
    status: str
    body: bytes
    type: str = PLAIN


def sentence(status: str, text: str) -> Answer:
    """One line."""
    return Answer(status, f"{text}\n".encode())


class Pages:
    """A WSGI application for ``address``, or localhost at its port, by no other name.

    A browser can be led to connect here by another name, whose owner could then read what comes (DNS
    rebinding); it says so in Host and Origin.
    """

    def __init__(self, address: Address, metrics: Metrics, obstacle: Obstacle) -> None:
        self._hosts = {str(address), str(Address("localhost", address.port))}
        self._where = address
        self._metrics = metrics
        self._obstacle = obstacle

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        answer = self._answer(environ)
        headers = [
            ("Content-Type", answer.type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        if answer.status.startswith("405"):
            headers.append(("Allow", "GET, HEAD"))
        start_response(answer.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if host.lower() not in self._hosts:
            return sentence("403 Forbidden", f"ask for http://{self._where}: the Host header names another")
        if origin is not None and origin.lower().removeprefix("http://") not in self._hosts:
            return sentence("403 Forbidden", "the Origin header names another site")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return sentence("405 Method Not Allowed", "only GET and HEAD: nothing can be changed here")
        match environ["PATH_INFO"]:
            case "/metrics":
                return Answer("200 OK", self._metrics(), METRICS)
            case "/livez":
                return sentence("200 OK", "the event loop turns")
            case "/readyz":
                obstacle = self._obstacle()
                return sentence("503 Service Unavailable" if obstacle else "200 OK", obstacle or "ready")
        return sentence("404 Not Found", "there are /metrics, /livez and /readyz")
