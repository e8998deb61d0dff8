"""Who may see pages: who names this place by its own name and, where it is not open, proves a key.

Pure, but for the name of this machine.

A browser can be led to connect here by another name, whose owner could then read what comes (DNS rebinding).
It says so in Host and Origin, and who has it connect in Sec-Fetch-Site.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from stractory.http.answers import FORBIDDEN, HTML, READ_ONLY, REDIRECTED, UNPROVED, Answer, problem
from stractory.http.request import Request
from stractory.http.sessions import COOKIE_LIFETIME, Sessions
from stractory.net.address import Address
from stractory.proof import bearer
from stractory.proof.keys import CLIENT, NODE, OPERATOR, KeyRing

PUBLIC = frozenset({"/livez", "/readyz"})
"""They tell nothing but whether all is well, and ask for no key."""

FOR_NODES = frozenset({"/metrics"})
"""What a worker's key opens: it may not list names."""

ONCE = "once"
"""The parameter of / that lets a browser in."""

_UNPROVED = "this is for who has a key of the cluster: run stractoryctl link, and open what it prints"
_UNPROVED_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>stractory: a key is needed</title>
<h1>A key is needed</h1>
<p>This page is for those who have a key of the cluster. Where you have yours, run</p>
<pre>stractoryctl link</pre>
<p>and open here what it prints: once, within five minutes. It lets this browser in for half a day.</p>
</html>
"""


class Access:
    """``is_open``: whether who names this place by an address of loopback needs no key.

    ``hosts``: more names of this place, of a proxy say.
    """

    def __init__(
        self, keys: KeyRing, sessions: Sessions, *, is_open: bool, hosts: Sequence[str] = ()
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._is_open = is_open
        self._hosts = hosts

    def answer(self, request: Request) -> Answer | None:
        """What is answered instead of what was asked for; None where that may be. Raises ProtocolError."""
        refusal = self._misnamed(request)
        if refusal is not None:
            return refusal
        if request.method not in ("GET", "HEAD"):
            text = "only GET and HEAD: nothing can be changed here"
            return problem(request, READ_ONLY, text, ("Allow", "GET, HEAD"))
        if request.path == "/" and request.method == "GET" and ONCE in request.parameters:
            return self._enter(request)
        if self._is_for_all(request) or self._is_proved(request):
            return None
        return _unproved(request)

    def admits(self, request: Request) -> bool:
        """Whether it may still be answered: keys and sessions come to an end."""
        return self.answer(request) is None

    def link(self, where: Address, secure: bool, invitation: str) -> str:
        """Where a browser is let in by this invitation of our sessions."""
        return f"{self._url(where, secure)}/?{ONCE}={invitation}"

    def _url(self, where: Address, secure: bool) -> str:
        name = str(where)
        if self._hosts and where.is_everywhere:
            name = self._hosts[0] if ":" in self._hosts[0] else f"{self._hosts[0]}:{where.port}"
        return f"{_scheme(secure)}://{name}"

    def _misnamed(self, request: Request) -> Answer | None:
        own, others = _own_names(request), self._other_names(request.where)
        host, origin = _host(request), request.headers.get("origin")
        if host not in own | others:
            text = f"ask for {self._url(request.where, request.secure)}: the Host header names another"
            return problem(request, FORBIDDEN, text)
        schemes = {f"{_scheme(request.secure)}://{name}" for name in own}
        schemes |= {f"{scheme}://{name}" for scheme in ("http", "https") for name in others}
        if origin is not None and origin.lower() not in schemes:
            return problem(request, FORBIDDEN, "the Origin header names another site")
        if _is_for_another(request):
            return problem(request, FORBIDDEN, "a page of another site asks for this")
        return None

    def _other_names(self, where: Address) -> set[str]:
        """A proxy may be at another port."""
        return {name for host in self._hosts for name in (host, f"{host}:{where.port}")}

    def _is_for_all(self, request: Request) -> bool:
        """A proxy, which names another host, is no sign that who asks is on this machine."""
        is_near = request.where.is_loopback and _host(request) in _own_names(request)
        return request.path in PUBLIC or (self._is_open and is_near)

    def _is_proved(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            roles = (CLIENT, OPERATOR, NODE) if request.path in FOR_NODES else (CLIENT, OPERATOR)
            return bearer.holder(token.strip(), self._keys, roles) is not None
        cookie = request.cookie(_cookie_name(request.where))
        return bool(cookie) and self._sessions.holder(cookie) is not None

    def _enter(self, request: Request) -> Answer:
        """A browser has been given a link."""
        cookie = self._sessions.enter(request.parameters[ONCE])
        if cookie is None:
            return _unproved(request)
        crumbs = [f"{_cookie_name(request.where)}={cookie}", "Path=/", f"Max-Age={COOKIE_LIFETIME:.0f}"]
        crumbs += ["HttpOnly", "SameSite=Strict", *(["Secure"] if request.secure else [])]
        return Answer(REDIRECTED, b"", headers=(("Location", "/"), ("Set-Cookie", "; ".join(crumbs))))


def _own_names(request: Request) -> set[str]:
    """Of this place, as a browser says them; lower case."""
    where = request.where
    names = {where.host, "localhost" if where.is_loopback else socket.gethostname()}
    spelled = {str(Address(name.lower(), where.port)) for name in names}
    if where.port == (443 if request.secure else 80):  # which browsers leave out
        spelled |= {name.rpartition(":")[0] for name in spelled}
    return spelled


def _is_for_another(request: Request) -> bool:
    """Whether a page of another site has the browser fetch this, which may say so without an Origin.

    That page could not read what comes, but fill the places of those who follow. A link there may lead here.
    See https://www.w3.org/TR/fetch-metadata/.
    """
    headers = request.headers
    is_own = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return not is_own and headers.get("sec-fetch-mode") != "navigate"


def _host(request: Request) -> str:
    return request.headers.get("host", "").lower()


def _scheme(secure: bool) -> str:
    return "https" if secure else "http"


def _cookie_name(where: Address) -> str:
    """Cookies know no ports, but there may be several registries on a machine."""
    return f"stractory-{where.port}"


def _unproved(request: Request) -> Answer:
    challenge = ("WWW-Authenticate", "Bearer")
    is_browser = "text/html" in request.headers.get("accept", "") and not request.of_program
    if is_browser:
        return Answer(UNPROVED, _UNPROVED_PAGE, HTML, (challenge,))
    return problem(request, UNPROVED, _UNPROVED, challenge)
