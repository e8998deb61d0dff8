"""Links that are good once, and cookies."""

from __future__ import annotations

from pathlib import Path

import pytest

from stractory.http import sessions as module
from stractory.http.sessions import COOKIE_LIFETIME, LINK_LIFETIME, MOST, Sessions
from stractory.proof.keys import CLIENT, EVERYBODY, MASTER, Key, KeyRing

PATH = Path("cluster.key")


class Site:
    """Sessions, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.master = Key("1234", MASTER, EVERYBODY, bytes(range(32)), PATH)
        self.ring = KeyRing([self.master], PATH)
        self.alice = self.master.derive(CLIENT, "alice")
        self.sessions = Sessions(self.ring, lambda: self.now)

    def cookie(self) -> str:
        cookie = self.sessions.enter(self.sessions.invite(self.alice))
        assert cookie is not None
        return cookie


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_link_is_good_once(site: Site) -> None:
    link = site.sessions.invite(site.alice)
    cookie = site.sessions.enter(link)
    assert cookie is not None and site.sessions.holder(cookie) is site.alice
    assert site.sessions.enter(link) is None
    assert site.sessions.holder(cookie) is site.alice


def test_neither_passes_for_the_other(site: Site) -> None:
    link, cookie = site.sessions.invite(site.alice), site.cookie()
    assert site.sessions.holder(link) is None and site.sessions.enter(cookie) is None


@pytest.mark.parametrize("token", ["", "nonsense", "\udcff", "a" * 10_000])
def test_nonsense_is_good_for_nothing(site: Site, token: str) -> None:
    assert site.sessions.enter(token) is None and site.sessions.holder(token) is None


def test_they_have_much_chance_and_do_not_repeat(site: Site) -> None:
    links = {site.sessions.invite(site.alice) for _ in range(100)}
    assert len(links) == 100 and all(len(link) >= 22 for link in links)  # 128 bits


def test_links_last_for_minutes(site: Site) -> None:
    link, late = site.sessions.invite(site.alice), site.sessions.invite(site.alice)
    site.now += LINK_LIFETIME - 1
    assert site.sessions.enter(link)
    site.now += 1
    assert site.sessions.enter(late) is None


def test_cookies_last_for_hours(site: Site) -> None:
    cookie = site.cookie()
    site.now += COOKIE_LIFETIME - 1
    assert site.sessions.holder(cookie)
    site.now += 1
    assert site.sessions.holder(cookie) is None


def test_they_end_when_the_name_is_revoked(site: Site) -> None:
    link, cookie = site.sessions.invite(site.alice), site.cookie()
    site.ring.revoked = frozenset({"alice"})
    assert site.sessions.holder(cookie) is None and site.sessions.enter(link) is None


def test_they_end_with_the_key(site: Site) -> None:
    link, cookie = site.sessions.invite(site.alice), site.cookie()
    old, new = site.master, Key("1234", MASTER, EVERYBODY, bytes(32), PATH)  # even where the id is the same
    site.ring.keys = [old, new]
    assert site.sessions.holder(cookie)
    site.ring.keys = [new]
    assert site.sessions.holder(cookie) is None and site.sessions.enter(link) is None


def test_there_are_so_many_and_the_oldest_goes(site: Site) -> None:
    cookies = [site.cookie() for _ in range(MOST + 1)]
    assert site.sessions.holder(cookies[0]) is None
    assert all(site.sessions.holder(cookie) for cookie in cookies[1:])


def test_they_are_not_kept(site: Site) -> None:
    link, cookie = site.sessions.invite(site.alice), site.cookie()
    kept = [
        repr(vars(tokens)) for tokens in vars(site.sessions).values() if isinstance(tokens, module._Tokens)
    ]
    assert len(kept) == 2 and not any(link in text or cookie in text for text in kept)
