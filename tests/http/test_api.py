"""What programs are told of the cluster, in JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from stractory.http.api import LENGTH, MOST, SLICE, Api
from stractory.http.pages import Pages
from stractory.http.request import parse
from stractory.net.address import Address
from stractory.wire.facts import ActorFacts
from tests.http.asking import an_access
from tests.http.cluster import LASTING, Model, a_load

HERE = Address("127.0.0.1", 9080)
ABOUT = {"registry": "127.0.0.1:9000", "version": "1", "since": 1.0, "now": 2.0, "ready": "", "watchers": 0}


class Site(Model):
    """An API to ask."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages(an_access(), Api(self.directory, self.survey, lambda: ABOUT))

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        answer = self.pages.answer(parse(f"{method} {path} HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode(), HERE))
        assert answer.type == "application/json" and answer.body.isascii() and b"\n" not in answer.body
        return int(answer.status[:3]), json.loads(answer.body)

    def get(self, path: str) -> Any:
        status, content = self.ask(path)
        assert status == 200, content
        return content

    def refusal(self, path: str, status: int) -> str:
        found, content = self.ask(path)
        assert found == status and content.keys() == {"error"}
        return str(content["error"])

    def names(self, query: str = "") -> list[str]:
        return [row["name"] for row in self.get(f"/api/actors?{query}")["actors"]]


@pytest.fixture
def site() -> Site:
    site = Site()
    site.worker(1)
    return site


def test_the_cluster(site: Site) -> None:
    site.worker(2)
    site.create("room")
    site.create("encoder", "spawn")
    assert site.get("/api/cluster") == {
        **ABOUT,
        "actors": 2,
        "kinds": {"spawn": 1, "stream": 1},
        "workers": 2,
    }


def test_what_waits_for_a_worker_counts_too(site: Site) -> None:
    actor = site.create("room", terms=LASTING)
    site.directory.bury(actor.worker, proved=True, now=0.0)
    cluster = site.get("/api/cluster")
    assert (cluster["actors"], cluster["kinds"], cluster["workers"]) == (1, {"stream": 1}, 0)
    row = site.get("/api/actors/room")
    assert (row["state"], row["worker"], row["restart"]) == ("waiting", "", "on-failure")


def test_workers(site: Site) -> None:
    site.create("room")
    site.worker(3, parent=b"1")
    site.survey.loads["127.0.0.1:1"] = a_load(calls=7)
    first, child = site.get("/api/workers")["workers"]
    assert first == {
        "address": "127.0.0.1:1",
        "pid": 1,
        "python": "any",
        "state": "running",
        "isolated": False,
        "parent": "",
        "actors": 1,
        "kinds": {"stream": 1},
        "load": {
            "at": 1.0,
            "calls": 7,
            "errors": 0,
            "links": 1,
            "streams": 2,
            "cpu": 0.5,
            "memory": 1000,
            "lag": 0.001,
            "received": 0,
        },
    }
    assert (child["isolated"], child["parent"], child["load"]) == (True, "127.0.0.1:1", None)
    assert site.get("/api/workers/127.0.0.1:1") == first
    assert site.refusal("/api/workers/127.0.0.1:9", 404) == "no worker has the address '127.0.0.1:9'"


def test_of_two_workers_of_an_address_the_one_that_lives(site: Site) -> None:
    lost = site.directory.find_worker(b"1")
    assert lost is not None
    site.directory.unlink(lost)
    lost.address = site.worker(2).address
    assert [row["state"] for row in site.get("/api/workers")["workers"]] == ["running"]


def test_an_actor(site: Site) -> None:
    actor = site.create("room")
    row = site.get("/api/actors/room")
    assert row == {
        "name": "room",
        "kind": "stream",
        "worker": "127.0.0.1:1",
        "epoch": actor.epoch,
        "state": "running",
        "since": 1.0,
        "public": False,
        "restart": "never",
        "problem": "",
        "isolated": False,
        "creator": "alice at 127.0.0.1",
        "facts": None,
    }
    site.survey.known["room"] = ActorFacts(3, 5, 1, "ValueError: no", 9.0)
    assert site.get("/api/actors/room")["facts"] == {
        "clients": 3,
        "calls": 5,
        "errors": 1,
        "last_error": "ValueError: no",
        "last_error_at": 9.0,
    }


NAMES = [
    "a/b",
    "/",
    "//",
    "a?b#c",
    "ümläut",
    "<script>",
    "a b",
    "%2F",
    "\u2028",
    "x" * 512,
    "..",
    "../../etc/passwd",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_found(site: Site, name: str) -> None:
    site.create(name)
    assert site.get(f"/api/actors/{quote(name, safe='')}")["name"] == name
    assert site.names(f"match={quote(name, safe='')}".replace("%3F", "[?]")) == [name]


@pytest.mark.parametrize("name", ["", "nobody", "%ff", "%00", "%", "%zz", "room%ff"])
def test_unknown_names(site: Site, name: str) -> None:
    site.create("room")
    assert site.refusal(f"/api/actors/{name}", 404).startswith("no actor is named ")


def test_actors_by_name(site: Site) -> None:
    for name in ("b", "c", "a"):
        site.create(name)
    answer = site.get("/api/actors")
    assert [row["name"] for row in answer["actors"]] == ["a", "b", "c"]
    assert (answer["total"], answer["more"]) == (3, False)
    assert "facts" not in answer["actors"][0]


def test_actors_a_page_at_a_time(site: Site) -> None:
    names = [f"actor {number:05}" for number in range(2 * SLICE + 1)]
    for name in reversed(names):
        site.create(name)
    assert site.names() == names[:LENGTH]
    found: list[str] = []
    while True:
        answer = site.get(f"/api/actors?limit={MOST}" + (f"&after={quote(found[-1])}" if found else ""))
        found += [row["name"] for row in answer["actors"]]
        assert answer["total"] == len(names)
        if not answer["more"]:
            break
    assert found == names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("match=oo", ["food", "room1", "room2"]),
        ("match=room*", ["room1", "room2"]),
        ("match=room", ["room1", "room2"]),
        ("match=room%5B2%5D", ["room2"]),
        ("match=?oo*", ["food", "room1", "room2"]),
        ("match=OO", []),
        ("match=.", []),
        ("match=", ["encoder", "food", "room1", "room2"]),
        ("kind=spawn", ["encoder"]),
        ("kind=none", []),
        ("worker=127.0.0.1:1", ["encoder", "food", "room1", "room2"]),
        ("worker=127.0.0.1:2", []),
        ("match=oo&kind=stream&limit=1&after=food", ["room1"]),
        ("after=room1", ["room2"]),
        ("after=zzz", []),
    ],
)
def test_some_of_the_actors(site: Site, query: str, expected: list[str]) -> None:
    for name in ("room1", "room2", "food"):
        site.create(name)
    site.create("encoder", "spawn")
    assert site.names(query) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        *(
            (f"limit={limit}", "limit is a number from 1 to 1000")
            for limit in ("0", "1001", "-1", "x", "", "9" * 99)
        ),
        ("limit=%EF%BC%91", "limit is a number"),
        ("macth=a", "there is no parameter 'macth'"),
        ("match=*" + "a" * 2000, "a pattern of names is"),
        ("&" * 20, "more than 16 parameters"),
    ],
)
def test_questions_that_make_no_sense(site: Site, query: str, words: str) -> None:
    assert words in site.refusal(f"/api/actors?{query}", 400)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/actors%00", "/api/cluster/more"])
def test_unknown_paths(site: Site, path: str) -> None:
    assert site.refusal(path, 404).startswith("there are /api/cluster, ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(site: Site, method: str) -> None:
    assert site.ask("/api/actors/room", method)[0] == 405
