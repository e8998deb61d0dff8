"""What is asked for: the head of an HTTP request, read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from stractory.errors import ProtocolError
from stractory.net.address import Address

PARAMETERS = 16
"""Most parameters of a request."""

_HEAD = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.[01]\r\n((?:[!-9;-~]+:[^\r\n\0]*\r\n){0,64})\r\n")


class Request(NamedTuple):
    """A request, which came to the address ``where``; ``secure``: by TLS.

    ``path`` is decoded; what is no UTF-8 in it has become surrogates, which no name has. ``query`` is as it
    came. The names of ``headers`` are in lower case; one that came twice has both values, a comma between.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    where: Address
    secure: bool

    @property
    def of_program(self) -> bool:
        """Whether a program asks, that takes JSON."""
        return self.path == "/api" or self.path.startswith("/api/")

    @property
    def parameters(self) -> dict[str, str]:
        """Of the query; of those of one name the last. Raises ProtocolError where there are too many."""
        if self.query.count("&") >= PARAMETERS:
            raise ProtocolError(f"there are more than {PARAMETERS} parameters")
        return dict(parse_qsl(self.query, keep_blank_values=True, errors="surrogateescape"))

    def cookie(self, name: str) -> str:
        """The value of this cookie; "" for none."""
        for pair in self.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return ""


def parse(head: bytes, where: Address, secure: bool = False) -> Request:
    """A request, which may go on after its head. Raises ProtocolError for what is none."""
    if not (found := _HEAD.match(head)):
        raise ProtocolError("malformed request")
    method, target, lines = (part.decode("latin-1") for part in found.groups())
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for line in lines.split("\r\n")[:-1]:  # not splitlines(): of latin-1 that knows more ends than HTTP
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(method, unquote(path, errors="surrogateescape"), query, headers, where, secure)
