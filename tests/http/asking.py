"""Asks for pages, byte by byte as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from gevent import socket
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from stractory.http.access import Access
from stractory.http.sessions import Sessions
from stractory.net.address import Address
from stractory.proof.keys import EVERYBODY, MASTER, Key, KeyRing

ANYWHERE = Address("127.0.0.1", 0)

KEYS = KeyRing([Key("1234", MASTER, EVERYBODY, bytes(range(32)), Path("cluster.key"))], Path("cluster.key"))


def an_access(
    keys: KeyRing = KEYS, sessions: Sessions | None = None, *, is_open: bool = True, hosts: Sequence[str] = ()
) -> Access:
    """As it is by default."""
    return Access(keys, sessions or Sessions(keys), is_open=is_open, hosts=hosts)


class Page(NamedTuple):
    status: int
    head: str
    body: str


def ask(address: Address, path: str, *lines: str, method: str = "GET", host: str | None = None) -> Page:
    """What is answered. ``lines``: more of the head."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {address if host is None else host}", *lines, "", ""]
    return read(address, "\r\n".join(head).encode())


def read(address: Address, request: bytes) -> Page:
    """What is answered to these bytes, to the end; the status is 0 where nothing is."""
    with closing(socket.create_connection(address)) as sock:
        sock.sendall(request)
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).decode().partition("\r\n\r\n")
    return Page(int(head.split()[1]) if head else 0, head, body)


def metrics(address: Address) -> dict[str, Metric]:
    """/metrics, by the name of each."""
    page = ask(address, "/metrics")
    assert page.status == 200, page
    return {family.name: family for family in text_string_to_metric_families(page.body)}


def value(address: Address, sample: str, **labels: str) -> float:
    """One number of /metrics; 0 where it is not there."""
    return sum(
        found.value
        for family in metrics(address).values()
        for found in family.samples
        if found.name == sample and labels.items() <= found.labels.items()
    )
