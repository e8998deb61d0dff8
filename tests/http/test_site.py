"""What a real registry shows, to browsers and programs, with and without a key."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import stractory
from stractory.errors import PageNotShown
from stractory.net.address import Address
from stractory.proof import bearer, keys
from stractory.proof.keys import CLIENT
from tests.http.asking import ask
from tests.http.test_metrics import HTTP, where
from tests.support.actors import echo
from tests.support.cluster import Cluster, until


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[Cluster, Address]]:
    with Cluster(workers=1, registry_arguments=[HTTP, *arguments]) as cluster:
        assert cluster.registry is not None
        yield cluster, where(cluster.registry)


def test_what_there_is() -> None:
    with serving() as (cluster, address), cluster.client(background=True) as strac:
        strac.create("room/1", echo)

        def get(path: str) -> Any:
            page = ask(address, path)
            assert page.status == 200, page
            return json.loads(page.body)

        told = get("/api/cluster")
        assert (told["registry"], told["version"]) == (cluster.address, stractory.__version__)
        assert (told["actors"], told["kinds"], told["workers"], told["ready"]) == (1, {"stream": 1}, 1, "")
        assert told["since"] <= told["now"]
        worker = get("/api/workers")["workers"][0]
        assert worker["address"] == strac.workers()[0].address and worker["kinds"] == {"stream": 1}
        assert [row["name"] for row in get("/api/actors")["actors"]] == ["room/1"]
        assert get("/api/actors/room%2F1")["worker"] == worker["address"]


def test_the_page_and_what_it_loads() -> None:
    with serving() as (_, address):
        page = ask(address, "/")
        assert page.status == 200 and "Content-Type: text/html" in page.head
        assert "script-src 'self'" in page.head and "default-src 'none'" in page.head
        there = [file.name for file in (files("stractory.http") / "page").iterdir()]
        for name in there:
            assert ask(address, f"/page/{name}").status == 200, name
        assert set(re.findall(r'"/page/([^"]+)"', page.body)) <= set(there)
        for path in ("/page/", "/page/none.js", "/page/../files.py", "/page/..%2Ffiles.py", "/files.py"):
            assert ask(address, path).status == 404


def test_a_browser_that_needs_a_link(tmp_path: Path) -> None:
    with serving("--http-open=never") as (cluster, address):
        master = keys.load(cluster.key_file).keys[0]
        alice = master.derive(CLIENT, "alice")
        keys.write_key(tmp_path / "alice.key", alice)
        with cluster.client(key_file=tmp_path / "alice.key", background=True) as strac:
            link = strac.page_link()
        assert ask(address, "/api/actors").status == 401
        assert ask(address, "/livez").status == 200
        split = urlsplit(link)
        path = f"{split.path}?{split.query}"
        entered = ask(address, path)
        cookie = re.search(r"Set-Cookie: (\S+=\S+);", entered.head)
        assert split.netloc == str(address) and entered.status == 303 and cookie
        assert ask(address, "/api/actors", f"Cookie: {cookie[1]}").status == 200
        assert ask(address, path).status == 401
        program = f"Authorization: Bearer {bearer.make(alice)}"
        assert ask(address, "/metrics", program).status == 200
        with cluster.key_file.open("a") as file:
            file.write("stractory-revoked-v1 alice\n")
        assert cluster.registry is not None
        cluster.registry.process.send_signal(signal.SIGHUP)
        until(lambda: ask(address, "/api/actors", f"Cookie: {cookie[1]}").status == 401)
        assert ask(address, "/metrics", program).status == 401
        for secret in (split.query, cookie[1], program):
            assert re.split("[=. ]", secret)[-1] not in cluster.errors()


def test_a_registry_that_shows_no_page() -> None:
    words = "this registry shows no page; start it with http = "
    with Cluster(workers=0) as cluster, cluster.client() as strac, pytest.raises(PageNotShown, match=words):
        strac.page_link()
