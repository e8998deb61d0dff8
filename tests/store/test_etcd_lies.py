"""An etcd that lies, or something else at its endpoint: what it says is refused in words, and in bounds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from stractory.errors import StoreError, StoreUnreachable
from stractory.store.etcd import client as etcd_client
from stractory.store.etcd import connection, operations, watches
from stractory.store.etcd import store as etcd_store
from stractory.store.etcd.client import Client, InDoubt
from stractory.store.etcd.store import EtcdStore
from stractory.store.etcd.watches import Compacted, Written, watch
from tests.store.test_store import create
from tests.support.etcd import Etcd
from tests.support.false_etcd import Answers, false_etcd, http, told, truth
from tests.support.green import one_turn

HEADER = {"cluster_id": "5", "member_id": "6", "revision": "7"}

NONSENSE: dict[str, bytes] = {
    "no JSON": http(b"<html>welcome</html>"),
    "nothing": http(b""),
    "another type": told([1, 2, 3]),
    "a number": told(5),
    "an error": told({"error": "etcdserver: no", "message": "etcdserver: no", "code": 14}),
    "wrong types": told({"header": 5, "kvs": 7, "responses": "x", "result": [], "succeeded": "yes"}),
    "no numbers": told({"header": {"revision": "many", "member_id": []}, "kvs": [{}], "responses": [1]}),
    "deep": http(b"[" * 100_000),
    "a huge number": http(b'{"header": {"revision": ' + b"9" * 10_000 + b"}}"),
    "no base64": told({"header": HEADER, "kvs": [{"key": "ä", "mod_revision": "1"}], "succeeded": True}),
    "a redirection": http(b"", 307, "Location: http://127.0.0.1:1/"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a proxy": http(b"<html>Bad Gateway</html>", 502),
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "half of one in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
}


@pytest.fixture(params=NONSENSE)
def nonsense(request: pytest.FixtureRequest) -> Answers:
    answer = NONSENSE[request.param]
    if "half" in request.param or "no HTTP" in request.param:  # and then it goes away
        return lambda path, asked: itertools.chain([answer], _hang_up())
    return lambda path, asked: answer


def _hang_up() -> Iterator[bytes]:
    raise OSError("gone")
    yield b""


def test_nonsense_is_an_error_in_words(nonsense: Answers) -> None:
    with false_etcd(nonsense) as endpoint:
        client = Client([endpoint])
        with pytest.raises(StoreUnreachable, match=endpoint):
            client.range(operations.range_of(b"key"))
        with pytest.raises((InDoubt, StoreUnreachable), match=endpoint):
            client.transact([], [operations.look(b"key")])
        client.prefer_leader()
        client.close()


def test_leases_outlive_nonsense(nonsense: Answers) -> None:
    with false_etcd(nonsense) as endpoint:
        client = Client([endpoint])
        try:
            renewed = client.keep_alive([5])
        except StoreUnreachable:
            renewed = {}
        assert renewed == {}  # which is no loss
        client.close()


def test_a_watch_outlives_nonsense(nonsense: Answers, etcd: Etcd) -> None:
    prefix = etcd.new_prefix().encode()
    revision = etcd.client.transact([], [operations.put(prefix, b"value")]).revision
    with false_etcd(nonsense) as endpoint:
        client = Client([endpoint, *etcd.endpoints])
        (event,) = next(watch(client, prefix, revision))
        assert isinstance(event, Written) and event.entry.value == b"value"
        client.close()


def test_who_tells_the_truth_is_asked_next(nonsense: Answers, etcd: Etcd) -> None:
    with false_etcd(nonsense) as endpoint:
        client = Client([endpoint, *etcd.endpoints])
        assert client.range(operations.range_of(b"-")).entries == []
        assert client.endpoints == [*etcd.endpoints, endpoint]
        client.close()


def test_an_answer_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_LIMIT", 1000)
    with false_etcd(lambda path, asked: http(b" " * 2000)) as endpoint:
        client = Client([endpoint])
        with pytest.raises(StoreUnreachable, match="an answer of more than 1000 bytes"):
            client.range(operations.range_of(b"key"))
        client.close()


def test_a_line_without_an_end_is_no_news_but_what_there_is_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watches, "LINE_LIMIT", 1000)
    with false_etcd(lambda path, asked: http(b" " * 2000)) as endpoint:
        client = Client([endpoint])
        assert next(watch(client, b"/prefix/", 5)) == [Compacted(5)]
        client.close()


def test_lines_without_news_leave_a_turn_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"result": {"header": HEADER}}).encode() + b"\n"
    with false_etcd(lambda path, asked: http(line * 2000)) as endpoint:
        client = Client([endpoint])
        lines = itertools.count(1)
        read = [0]
        monkeypatch.setattr(client.identity, "check", lambda *header: read.append(next(lines)))
        watching = gevent.spawn(lambda: next(watch(client, b"/prefix/", 5)))
        most = 0
        while (before := read[-1]) < 1000:
            one_turn()
            most = max(most, read[-1] - before)
        assert most == 1
        watching.kill()
        client.close()


def test_members_that_stand_still_do_not_hold_up_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them have the time of one request."""
    monkeypatch.setattr(etcd_client, "REQUEST_LIMIT", 0.1)
    asked: list[str] = []
    silence = Event()

    def answers(path: str, what: dict[str, Any]) -> Iterator[bytes]:
        asked.append(path)
        silence.wait()
        yield b""

    with false_etcd(answers) as endpoint:
        client = Client([endpoint] * 20)
        client.prefer_leader()
        assert 1 <= len(asked) <= 2
        client.close()


# ---- another etcd, or one of the past ----------------------------------------------------------------------


def test_another_etcd_at_an_endpoint_is_not_taken_for_ours() -> None:
    theirs: dict[str, Any] = {"header": {**HEADER, "cluster_id": "9", "revision": "99"}}
    ours: dict[str, Any] = {"header": HEADER}
    with false_etcd(lambda *asked: told(ours)) as one, false_etcd(lambda *asked: told(theirs)) as other:
        client = Client([one, other])
        assert client.range(operations.range_of(b"key")).revision == 7
        client.go_on()
        assert client.range(operations.range_of(b"key")).revision == 7
        client.go_on()
        with pytest.raises(InDoubt, match=f"{other} belongs to another etcd than the endpoints that answ"):
            client.transact([], [])
        client.close()


def test_an_etcd_that_has_forgotten_is_not_trusted() -> None:
    revisions = iter([9, 5])
    with false_etcd(
        lambda *asked: told({"header": {**HEADER, "revision": str(next(revisions))}})
    ) as endpoint:
        client = Client([endpoint])
        client.range(operations.range_of(b"key"))
        with pytest.raises(
            StoreUnreachable, match=r"has forgotten what it knew \(revision 5 after 9\): if a b"
        ):
            client.range(operations.range_of(b"key"))
        client.close()


def test_a_watch_of_an_etcd_that_has_forgotten_says_so() -> None:
    created = json.dumps({"result": {"header": {**HEADER, "revision": "20"}, "created": True}}).encode()

    def answers(path: str, asked: dict[str, Any]) -> bytes:
        return http(created + b"\n") if path == "/v3/watch" else told({"header": HEADER})

    with false_etcd(answers) as endpoint:
        client = Client([endpoint])
        with pytest.raises(StoreUnreachable, match="has forgotten what it knew"):
            next(watch(client, b"/prefix/", 90))
        client.close()


# ---- a store on it -----------------------------------------------------------------------------------------


def altering(etcd: Etcd, alter: Any) -> Answers:
    """The truth, but for what is altered of transactions."""
    (endpoint,) = etcd.endpoints

    def answers(path: str, asked: dict[str, Any]) -> bytes:
        answer = truth(endpoint, path, asked)
        if path == "/v3/kv/txn" and alter.on:
            answer = alter.how(answer)
        return told(answer)

    return answers


class Alter:
    """What becomes of answers, while it is ``on``."""

    on = False

    def how(self, answer: dict[str, Any]) -> dict[str, Any]:
        return answer


class Fails(Alter):
    """As if no comparison had held, though all is done."""

    def how(self, answer: dict[str, Any]) -> dict[str, Any]:
        look: dict[str, Any] = {"response_range": {"header": {}}}
        return {"header": answer["header"], "responses": [look]}


class NestedFail(Alter):
    """The same of nested transactions, the seat being good."""

    def how(self, answer: dict[str, Any]) -> dict[str, Any]:
        for response in answer.get("responses", ()):
            nested = response.get("response_txn", {})
            if nested.pop("succeeded", False) and "response_range" not in nested.get("responses", [{}])[0]:
                nested["responses"] = []
        return answer


class Few(Alter):
    """Some responses are missing."""

    def how(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "responses": []}


@pytest.mark.parametrize("alter", [Fails(), NestedFail(), Few()], ids=lambda alter: type(alter).__name__)
def test_a_creation_of_which_etcd_lies_ends(
    etcd: Etcd, alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_store, "PATIENCE", 0.2)
    monkeypatch.setattr(etcd_client, "RETRY", 0.01)
    with false_etcd(altering(etcd, alter)) as endpoint:
        store = EtcdStore(Client([endpoint]), etcd.new_prefix(), [b"secret"])
        alter.on = True
        with gevent.Timeout(20), pytest.raises(StoreError):
            create(store, "room", 5)
        alter.on = False
        assert create(store, "hall", 7)
        store.close()
