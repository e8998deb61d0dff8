"""What is told of real workers and actors to those who look."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import zerorpc

import stractory
from tests.support.actors import echo, multicast
from tests.support.cluster import Cluster, until


def talker(options: Any) -> Any:
    def fail(text: str = "no") -> None:
        raise ValueError(text)

    return {"add": lambda a, b: a + b, "fail": fail, "spell": lambda word: iter(word)}


@pytest.fixture
def talk(strac: stractory.Client, name: str) -> Any:
    strac.create(name, stractory.rpc(talker), public=True)
    return strac.connect(name)


def counted(strac: stractory.Client, name: str) -> tuple[int, int, int]:
    return strac.facts(name)[:3]


def test_calls_of_an_rpc_actor(strac: stractory.Client, talk: Any, name: str) -> None:
    assert strac.facts(name) == (1, 0, 0, "", 0.0)
    began = time.time()
    assert talk.add(1, 2) == 3 and list(talk.spell("abc")) == ["a", "b", "c"]
    with pytest.raises(stractory.RemoteError):
        talk.fail("no\nway")
    until(lambda: counted(strac, name) == (1, 3, 1))
    facts = strac.facts(name)
    assert facts.last_error == "ValueError: no way"
    assert began - 5 < facts.last_error_at < time.time() + 5
    with pytest.raises(stractory.UnknownMethod):
        talk.unknown()
    until(lambda: counted(strac, name) == (1, 4, 2))
    assert strac.facts(name).last_error.startswith("UnknownMethod: ")
    talk.close()
    until(lambda: counted(strac, name) == (0, 4, 2))


def test_an_error_whose_text_cannot_travel(strac: stractory.Client, talk: Any, name: str) -> None:
    def half(options: Any) -> Any:
        def fail() -> None:
            raise ValueError("\ud800")

        return {"fail": fail}

    strac.create(name, stractory.rpc(half), if_exists="replace")
    with pytest.raises(stractory.RemoteError):
        strac.connect(name).fail()
    until(lambda: strac.facts(name).last_error == "ValueError: \\ud800")


def test_at_an_own_port(strac: stractory.Client, talk: Any, name: str) -> None:
    stock = zerorpc.Client(strac.endpoint(name))
    assert stock.add(1, 2) == 3
    until(lambda: counted(strac, name) == (1, 1, 0))  # zerorpc has no connections
    with pytest.raises(zerorpc.RemoteError):
        stock.fail()
    stock.close()
    with strac.connect(name, direct=True) as ours:
        ours.add(1, 2)
        until(lambda: counted(strac, name) == (2, 3, 1))
    until(lambda: counted(strac, name) == (1, 3, 1))


def test_events_and_what_fails_for_them(strac: stractory.Client, name: str) -> None:
    strac.create(name, stractory.eventemitter(multicast))
    with strac.connect(name) as board, strac.connect(name):
        board.emit("echo")
        board.emit("nobody.listens")
        board.emit("count", "of which it takes none")
        until(lambda: counted(strac, name) == (2, 3, 1))
        assert strac.facts(name).last_error.startswith("TypeError: ")


def test_of_a_stream_only_the_connections(strac: stractory.Client, name: str) -> None:
    strac.create(name, echo)
    with strac.connect(name) as stream, strac.connect(name, direct=True):
        stream.sendall(b"hello")
        assert stream.recv(5) == b"hello"
        until(lambda: strac.facts(name) == (2, 0, 0, "", 0.0))


def test_a_process_of_its_own_is_asked_as_well(strac: stractory.Client, name: str) -> None:
    info = strac.create(name, stractory.rpc(talker), isolate=True)
    strac.connect(name).add(1, 2)
    until(lambda: counted(strac, name)[1:] == (1, 0))
    load = until(lambda: strac.load().get(info.worker))
    assert load.calls == 1 and load.memory > 1_000_000
    strac.destroy(name)


def test_there_are_no_facts_of_nobody(strac: stractory.Client) -> None:
    with pytest.raises(stractory.ActorNotFound, match="no actor is named 'nobody'"):
        strac.facts("nobody")
    with pytest.raises(stractory.InvalidName):
        strac.facts("")


def test_what_workers_tell(cluster: Cluster, strac: stractory.Client, talk: Any, name: str) -> None:
    (info,) = strac.list(name)
    before = strac.load()[info.worker]
    for _ in range(10):
        talk.add(1, 2)
    with pytest.raises(stractory.RemoteError):
        talk.fail()
    until(lambda: strac.load()[info.worker].calls >= before.calls + 11)
    after = strac.load()[info.worker]
    assert after.errors == before.errors + 1 and after.received > before.received
    assert after.links >= 1 and after.streams >= 1
    assert after.cpu > 0 and after.memory > 1_000_000 and after.lag >= 0
    assert strac.load().keys() == {worker.address for worker in strac.workers()}


def test_the_busiest(strac: stractory.Client, talk: Any, name: str) -> None:
    (info,) = strac.list(name)

    def rows() -> Any:
        talk.add(1, 2)
        return [row for row in strac.load()[info.worker].busiest if row.name == name]

    (row,) = until(rows)
    assert row.epoch == info.epoch and row.calls >= 1


def test_in_the_background(cluster: Cluster, strac: stractory.Client, talk: Any, name: str) -> None:
    with cluster.client(background=True) as client:
        assert client.facts(name).clients == 1
        assert client.load().keys() == {worker.address for worker in strac.workers()}


def test_who_made_it(strac: stractory.Client, name: str) -> None:
    made = strac.create(name, echo)
    assert re.fullmatch(r"\S+ at 127\.0\.0\.1", made.creator)
    assert strac.list(name) == [made]
