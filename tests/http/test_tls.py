"""Pages over TLS, as anywhere but on loopback."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing

import gevent
import pytest
from gevent import socket
from gevent import ssl as green_ssl

from stractory.http.answers import EVENTS, OK, Answer
from stractory.http.pages import Health, Pages
from stractory.http.request import Request
from stractory.http.server import PageServer
from stractory.net.address import Address
from stractory.net.certificates import certificate
from stractory.net.listener import TransportSecurity
from stractory.net.secured import Connection
from tests.http.asking import ANYWHERE, Page, an_access, ask
from tests.http.test_access import token


class Counting:
    """Events of a sort."""

    names = "/count"

    def answer(self, request: Request) -> Answer | None:
        def follow(sock: Connection) -> None:
            for number in range(3):
                sock.sendall(b"%d\n" % number)

        return Answer(OK, b"", EVENTS, follow=follow) if request.path == "/count" else None


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """As if it were not on loopback."""
    monkeypatch.setattr(Address, "is_loopback", False)
    security = TransportSecurity(certificate("auto"))
    server = PageServer(ANYWHERE, Pages(an_access(), Counting(), Health(bytes, str)), security)
    assert server.is_secure
    with gevent.Timeout(30):
        yield server.address
    server.close()


def ask_securely(address: Address, path: str, *lines: str) -> Page:
    """As a browser that was told to take any certificate."""
    context = green_ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(context.wrap_socket(socket.create_connection(address))) as sock:
        sock.sendall("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {address}", *lines, "", ""]).encode())
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).decode().partition("\r\n\r\n")
    return Page(int(head.split()[1]), head, body)


def test_pages(address: Address) -> None:
    assert ask_securely(address, "/livez")[::2] == (200, "the event loop turns\n")
    assert ask_securely(address, "/metrics").status == 401


def test_what_goes_on(address: Address) -> None:
    assert ask_securely(address, "/count", token("client"))[::2] == (200, "0\n1\n2\n")


def test_own_pages_are_of_https(address: Address) -> None:
    assert ask_securely(address, "/livez", f"Origin: https://{address}").status == 200
    assert ask_securely(address, "/livez", f"Origin: http://{address}").status == 403


def test_plain_text_has_no_answer(address: Address) -> None:
    with closing(socket.create_connection(address)) as sock:
        sock.sendall(f"GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        assert b"HTTP" not in b"".join(iter(lambda: sock.recv(4096), b""))


def test_on_loopback_there_is_none() -> None:
    security = TransportSecurity(certificate("auto"))
    server = PageServer(ANYWHERE, Pages(an_access(), Health(bytes, str)), security)
    assert not server.is_secure and ask(server.address, "/livez").status == 200
    server.close()
