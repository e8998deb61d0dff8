"""Who gets which page, and who gets none."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from importlib import import_module
from typing import Any

import gevent
import pytest
from gevent import socket

from stractory.errors import ConfigError, PortUnavailable
from stractory.http import server as served
from stractory.http.pages import Health, Metrics, Obstacle, Pages
from stractory.http.server import CONNECTIONS, HEAD_LIMIT, PageServer
from stractory.net.address import Address
from tests.http.asking import ANYWHERE, an_access, ask, read
from tests.support.green import green_until


def serve(
    metrics: Metrics = bytes, obstacle: Obstacle = str, address: Address = ANYWHERE, **access: Any
) -> PageServer:
    """Health alone."""
    return PageServer(address, Pages(an_access(**access), Health(metrics, obstacle)))


@pytest.fixture
def obstacles() -> list[str]:
    """The last one counts."""
    return [""]


@pytest.fixture
def address(obstacles: list[str]) -> Iterator[Address]:
    server = serve(lambda: b"numbers 1\n", lambda: obstacles[-1])
    with gevent.Timeout(30):
        yield server.address
    server.close()


def test_pages(address: Address, obstacles: list[str]) -> None:
    assert ask(address, "/metrics")[::2] == (200, "numbers 1\n")
    assert ask(address, "/livez?verbose")[::2] == (200, "the event loop turns\n")
    assert ask(address, "/readyz")[::2] == (200, "ready\n")
    obstacles.append("not yet")
    assert ask(address, "/readyz")[::2] == (503, "not yet\n")
    assert ask(address, "/livez").status == 200
    assert ask(address, "/")[::2] == (404, "there are /metrics, /livez and /readyz\n")


def test_the_head_alone(address: Address) -> None:
    page = ask(address, "/metrics", method="HEAD")
    assert page[::2] == (200, "")
    assert "Content-Length: 10" in page.head and "version=0.0.4" in page.head


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE"])
def test_nothing_else_can_be_done(address: Address, method: str) -> None:
    page = ask(address, "/metrics", "Content-Length: 5", method=method)
    assert page.status == 405 and "Allow: GET, HEAD" in page.head and page.body.count("\n") == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1:{port}.evil.example"]
)
def test_other_names_are_refused(address: Address, host: str) -> None:
    page = ask(address, "/metrics", host=host.format(port=address.port))
    assert page.status == 403 and page.body.count("\n") == 1


def test_a_request_without_a_name_or_with_two_is_refused(address: Address) -> None:
    assert read(address, b"GET /metrics HTTP/1.0\r\n\r\n").status == 403
    assert ask(address, "/metrics", "Host: evil.example").status == 403


@pytest.mark.parametrize("end", ["\x0b", "\x1c", "\x85"])
def test_what_ends_lines_elsewhere_ends_none_here(address: Address, end: str) -> None:
    head = f"GET /livez HTTP/1.1\r\nX: {end}Host: {address}\r\n\r\n"
    assert read(address, head.encode("latin-1")).status == 403


def test_localhost_is_as_good(address: Address) -> None:
    assert ask(address, "/livez", host=f"LocalHost:{address.port}").status == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://{address}", 200), ("http://evil.example", 403), ("https://{address}", 403), ("null", 403)],
)
def test_pages_of_other_sites_are_refused(address: Address, origin: str, status: int) -> None:
    assert ask(address, "/metrics", f"Origin: {origin.format(address=address)}").status == status


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/1\r\n\r\n",
        b"GET /livez HTTP/2.0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /livez HTTP/1.1\r\nHost: " + b"a" * HEAD_LIMIT + b"\r\n\r\n",
        b"GET /" + b"a" * HEAD_LIMIT,
    ],
)
def test_what_is_no_small_request_has_no_answer(
    address: Address, request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert read(address, request_).status == 0
    assert "Traceback" not in capfd.readouterr().err


def test_one_request_each_connection(address: Address) -> None:
    request = f"GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive\r\n\r\n".encode()
    page = read(address, request + request)
    assert "Connection: close" in page.head and page.body == "the event loop turns\n"


def test_the_silent_keep_nobody_out(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "TIME_LIMIT", 600.0)  # else it would be that
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(socket.create_connection(address))) for _ in range(CONNECTIONS + 1)
        ]
        for sock in silent:
            sock.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert ask(address, "/livez").status == 200
        with suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""  # the oldest was dropped


def test_who_takes_too_long_is_dropped(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "TIME_LIMIT", 0.1)
    with closing(socket.create_connection(address)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert slow.recv(1) == b""


def test_who_does_not_take_the_answer_is_dropped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(served, "TIME_LIMIT", 0.3)
    server = serve(lambda: bytes(64 * 1024 * 1024))
    with gevent.Timeout(30), closing(socket.create_connection(server.address)) as slow:
        slow.sendall(f"GET /metrics HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        green_until(lambda: len(server._open))
        green_until(lambda: not len(server._open))
    server.close()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104  # nothing is bound
def test_beyond_loopback_there_are_none_in_plain_text(host: str) -> None:
    with pytest.raises(ConfigError, match=r"http would listen at .*, beyond loopback, in plain text"):
        serve(address=Address(host, 9080))


def test_a_port_that_is_taken(address: Address) -> None:
    with pytest.raises(PortUnavailable, match="http cannot listen at"):
        serve(address=address)


def test_where_they_are_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server = serve()
    server.close()
    assert f"http at {server.address}: /metrics, /livez and /readyz" in caplog.messages


@pytest.mark.parametrize("module", ["registry", "worker"])
def test_all_else_is_there_without_the_package_for_numbers(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in ("metrics", module):
        monkeypatch.delitem(sys.modules, f"stractory.http.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    import_module(f"stractory.http.{module}")
    server = serve(import_module("stractory.http.metrics").Metrics([]).page)
    with closing(server):
        assert ask(server.address, "/livez").status == 200
        page = ask(server.address, "/metrics")
        assert page.status == 501 and "pip install prometheus_client" in page.body
