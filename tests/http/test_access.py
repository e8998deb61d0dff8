"""Who may see which page: by what name they ask, and by which key."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

from stractory.http.access import Access
from stractory.http.request import Request, parse
from stractory.http.sessions import Sessions
from stractory.net.address import Address
from stractory.proof import bearer
from stractory.proof.keys import CLIENT, NODE, OPERATOR, KeyRing
from tests.http.asking import KEYS, an_access

HERE = Address("127.0.0.1", 9080)
THERE = Address("192.0.2.7", 9080)
EVERYWHERE = Address("0.0.0.0", 9080)  # noqa: S104  # nothing is bound
MACHINE = socket.gethostname()


def request(
    path: str = "/", *lines: str, where: Address = HERE, secure: bool = False, host: str = ""
) -> Request:
    """A request to ``where``, by its name or another."""
    head = [f"GET {path} HTTP/1.1", f"Host: {host or where}", *lines, "", ""]
    return parse("\r\n".join(head).encode("latin-1"), where, secure)


def status(access: Access, *args: Any, **more: Any) -> str:
    """What is answered, "" where it may be what was asked for."""
    answer = access.answer(request(*args, **more))
    return answer.status[:3] if answer else ""


def token(role: str, name: str = "alice", keys: KeyRing = KEYS) -> str:
    return f"Authorization: Bearer {bearer.make(keys.keys[0].derive(role, name))}"


# ---- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "secure", "host", "let_in"),
    [
        (HERE, False, "127.0.0.1:9080", True),
        (HERE, False, "localhost:9080", True),
        (HERE, False, "LOCALHOST:9080", True),
        (HERE, False, "127.0.0.1", False),
        (HERE, False, f"{MACHINE}:9080", False),
        (HERE, False, "evil.example:9080", False),
        (HERE, False, "127.0.0.1:9080.evil.example", False),
        (HERE, False, "127.0.0.1:9080, evil.example", False),
        (Address("::1", 9080), False, "[::1]:9080", True),
        (Address("127.0.0.1", 80), False, "localhost", True),
        (Address("127.0.0.1", 443), False, "localhost", False),
        (THERE, True, "192.0.2.7:9080", True),
        (THERE, True, f"{MACHINE}:9080", True),
        (THERE, True, "localhost:9080", False),
        (THERE, True, "factory.example:9080", True),
        (THERE, True, "Factory.example", True),
        (THERE, True, "gate.example:8443", True),
        (THERE, True, "gate.example:8444", False),
        (THERE, True, "other.factory.example", False),
        (Address("192.0.2.7", 443), True, "192.0.2.7", True),
        (Address("::1", 443), True, "[::1]", True),
    ],
)
def test_hosts(where: Address, secure: bool, host: str, let_in: bool) -> None:
    access = an_access(hosts=("factory.example", "gate.example:8443"))
    assert status(access, "/livez", where=where, secure=secure, host=host) == ("" if let_in else "403")


@pytest.mark.parametrize(
    ("where", "secure", "origin", "let_in"),
    [
        (HERE, False, "http://127.0.0.1:9080", True),
        (HERE, False, "https://127.0.0.1:9080", False),
        (HERE, False, "http://localhost:9080", True),
        (HERE, False, "http://evil.example", False),
        (HERE, False, "null", False),
        (HERE, False, "", False),
        (THERE, True, "https://192.0.2.7:9080", True),
        (THERE, True, "http://192.0.2.7:9080", False),
        (THERE, True, "https://factory.example", True),
    ],
)
def test_origins(where: Address, secure: bool, origin: str, let_in: bool) -> None:
    access = an_access(hosts=("factory.example",))
    asked = status(access, "/livez", f"Origin: {origin}", where=where, secure=secure)
    assert asked == ("" if let_in else "403")


@pytest.mark.parametrize(
    ("site", "mode", "let_in"),
    [
        ("none", "navigate", True),
        ("same-origin", "cors", True),
        ("cross-site", "navigate", True),
        ("cross-site", "no-cors", False),
        ("same-site", "cors", False),
    ],
)
def test_who_has_a_browser_ask(site: str, mode: str, let_in: bool) -> None:
    asked = status(an_access(), "/livez", f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}")
    assert asked == ("" if let_in else "403")


def test_a_key_does_not_make_up_for_a_wrong_name() -> None:
    """A browser sends its cookies to whatever name it was led by."""
    access = an_access()
    assert status(access, "/api/actors", token(CLIENT), host="evil.example:9080") == "403"
    assert status(access, "/?once=x", host="evil.example:9080") == "403"


@pytest.mark.parametrize(("path", "type"), [("/", "text/plain"), ("/api/actors", "application/json")])
def test_who_is_refused_is_told_in_a_line(path: str, type: str) -> None:
    answer = an_access().answer(request(path, host="evil.example"))
    assert answer is not None and answer.type.startswith(type)
    text = json.loads(answer.body)["error"] if "json" in type else answer.body.decode().strip()
    assert text == "ask for http://127.0.0.1:9080: the Host header names another"


# ---- keys ----------------------------------------------------------------------------------------------

PAGES = ("/", "/page/main.js", "/api/cluster", "/api/events", "/metrics")


@pytest.mark.parametrize("path", PAGES)
def test_on_loopback_they_are_open(path: str) -> None:
    assert status(an_access(), path) == ""


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "asked", [{"where": THERE, "secure": True}, {"where": EVERYWHERE, "host": MACHINE + ":9080"}]
)
def test_elsewhere_they_are_not(path: str, asked: dict[str, Any]) -> None:
    assert status(an_access(), path, **asked) == "401"


@pytest.mark.parametrize("path", PAGES)
def test_nor_where_they_never_are(path: str) -> None:
    assert status(an_access(is_open=False), path) == "401"


def test_nor_by_the_name_of_a_proxy() -> None:
    """Whoever comes through it is not on this machine."""
    access = an_access(hosts=("factory.example",))
    assert status(access, "/", host="factory.example") == "401"
    assert status(access, "/", token(CLIENT), host="factory.example") == ""


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_asks_for_no_key(path: str) -> None:
    assert status(an_access(), path, where=THERE, secure=True) == ""


@pytest.mark.parametrize(
    ("role", "path", "let_in"),
    [
        (CLIENT, "/api/actors", True),
        (OPERATOR, "/api/actors", True),
        (NODE, "/api/actors", False),
        (NODE, "/", False),
        (NODE, "/metrics", True),
        (CLIENT, "/metrics", True),
    ],
)
def test_which_roles_see_what(role: str, path: str, let_in: bool) -> None:
    assert status(an_access(is_open=False), path, token(role)) == ("" if let_in else "401")


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer",
        "Authorization: Bearer a.b.c.d",
        "Authorization: Basic YWxpY2U6YWxpY2U=",
        token(CLIENT).replace("Bearer", "Basic"),
        "Cookie: stractory-9080=",
        "Cookie: stractory-9080=nonsense",
        "Cookie: ;;=;stractory-9080",
    ],
)
def test_what_is_no_proof(line: str) -> None:
    assert status(an_access(is_open=False), "/metrics", line) == "401"


def test_revoked_names_are_shut_out_at_once() -> None:
    keys = KeyRing(KEYS.keys, KEYS.path)
    access = an_access(keys, is_open=False)
    assert status(access, "/metrics", token(CLIENT)) == ""
    keys.revoked = frozenset({"alice"})
    assert status(access, "/metrics", token(CLIENT)) == "401"
    assert status(access, "/metrics", token(CLIENT, "bob")) == ""


def test_a_browser_is_told_what_to_do_on_a_page() -> None:
    answer = an_access(is_open=False).answer(request("/", "Accept: text/html,*/*"))
    assert answer is not None and answer.type.startswith("text/html")
    assert (
        b"stractoryctl link" in answer.body and b"style" not in answer.body and b"script" not in answer.body
    )
    assert ("WWW-Authenticate", "Bearer") in answer.headers


def test_a_program_is_told_so_in_json() -> None:
    answer = an_access(is_open=False).answer(request("/api/actors", "Accept: text/html"))
    assert answer is not None and "stractoryctl link" in json.loads(answer.body)["error"]


# ---- links that are good once --------------------------------------------------------------------------


def enter(access: Access, link: str, **asked: Any) -> tuple[str, str]:
    """The status, and the cookie that was set."""
    path = link.split("/", 3)[3]
    answer = access.answer(request(f"/{path}", **asked))
    assert answer is not None
    return answer.status[:3], dict(answer.headers).get("Set-Cookie", "")


@pytest.mark.parametrize("secure", [False, True])
def test_a_link_lets_a_browser_in_once(secure: bool) -> None:
    sessions = Sessions(KEYS)
    access = an_access(sessions=sessions)
    asked: dict[str, Any] = {"where": THERE, "secure": secure}
    link = access.link(THERE, secure, sessions.invite(KEYS.keys[0].derive(CLIENT, "alice")))
    assert link.startswith(f"http{'s' * secure}://192.0.2.7:9080/?once=")
    code, cookie = enter(access, link, **asked)
    pattern = (
        r"(stractory-9080=[\w-]{43}); Path=/; Max-Age=43200; HttpOnly; SameSite=Strict" + "; Secure" * secure
    )
    found = re.fullmatch(pattern, cookie)
    assert code == "303" and found
    for path in PAGES:
        assert status(access, path, f"Cookie: other=1; {found[1]}", **asked) == ""
    assert enter(access, link, **asked) == ("401", "")


def test_a_look_at_the_head_does_not_use_it_up() -> None:
    sessions = Sessions(KEYS)
    access = an_access(sessions=sessions, is_open=False)
    link = access.link(HERE, False, sessions.invite(KEYS.keys[0].derive(CLIENT, "alice")))
    path = "/" + link.split("/", 3)[3]
    head = parse(f"HEAD {path} HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode(), HERE)
    answer = access.answer(head)
    assert answer is not None and answer.status[:3] == "401"
    assert enter(access, link)[0] == "303"


def test_the_cookie_of_a_revoked_key() -> None:
    keys = KeyRing(KEYS.keys, KEYS.path)
    sessions = Sessions(keys)
    access = an_access(keys, sessions, is_open=False)
    link = access.link(HERE, False, sessions.invite(keys.keys[0].derive(CLIENT, "alice")))
    cookie = enter(access, link)[1].partition(";")[0]
    asked = request("/api/events", f"Cookie: {cookie}")
    assert access.admits(asked)
    keys.revoked = frozenset({"alice"})
    assert not access.admits(asked)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (("factory.example",), "https://factory.example:9080/?once=x"),
        (("gate.example:8443", "other.example"), "https://gate.example:8443/?once=x"),
    ],
)
def test_a_link_to_what_listens_everywhere_has_a_name(hosts: tuple[str, ...], expected: str) -> None:
    assert an_access(hosts=hosts).link(EVERYWHERE, True, "x") == expected
