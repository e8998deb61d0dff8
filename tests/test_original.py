"""What the tests of the Node.js original show, on a real cluster of four workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import AsyncResult, Event
from gevent.pool import Pool

import stractory
from tests.support.actors import echo, multicast
from tests.support.cluster import Cluster
from tests.support.green import next_event

PATIENCE = 20.0
"""Seconds after which something awaited counts as lost."""

MANY = 1000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=4) as started:
        yield started


def exchange(stream: Any, data: bytes) -> bytes:
    """What comes back for ``data``, as many bytes."""
    stream.settimeout(PATIENCE)
    stream.sendall(data)
    return read(stream, len(data))


def read(stream: Any, size: int) -> bytes:
    stream.settimeout(PATIENCE)
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        assert more, "the stream ended"
        data += more
    return data


def test_an_actor_that_is_not_there_and_then_is(strac, name):
    for way in (strac.get, strac.connect):
        with pytest.raises(stractory.ActorNotFound, match=name):
            way(name)
    strac.create(name, echo)
    assert exchange(strac.connect(name), b"hello") == b"hello"
    assert exchange(strac.get(name), b"again") == b"again"


def test_a_worker_made_and_ended_twice(name):
    with Cluster(workers=0) as cluster, cluster.client() as strac:
        where = "127.0.0.1:0"
        for _ in range(2):
            worker = cluster.daemon("stractory-worker", f"--listen={where}", f"--registry={cluster.address}")
            try:
                where = worker.wait_line("stractory worker ready at ").rpartition(" ")[2]
                assert [(info.address, info.pid) for info in strac.workers()] == [(where, worker.pid)]
                assert strac.create(name, echo).worker == where  # the name is free again the second time
                assert exchange(strac.get(name), b"hello") == b"hello"
            finally:
                assert worker.end() == 0
            assert strac.workers() == [] and strac.list() == []
            with pytest.raises(stractory.NoWorkers):
                strac.create(name, echo)


def test_an_adder_with_a_callback(strac, name):
    def adder(options):
        return {"add": lambda one, other, tell: tell(one + other)}

    strac.create(name, stractory.dnode(adder))
    sum: AsyncResult[int] = AsyncResult()
    strac.get(name).add(1, 2, sum.set)
    assert sum.get(timeout=PATIENCE) == 3


def people_tracker(options):
    people: dict[str, int] = {}

    def join(person):
        people[person] = people.get(person, 0) + 1

    return {
        "join": join,
        "part": lambda person: people.pop(person, None),
        "list": lambda tell: tell(people),
    }


def test_people_are_tracked_on_four_workers(strac, cluster, name):
    names = [f"{name}.{number}" for number in range(40)]
    definition = stractory.dnode(people_tracker)
    homes = {strac.create(one, definition).worker for one in names}
    assert homes == {worker.address for worker in strac.workers()} and len(homes) == 4

    def people(client, one):
        told: AsyncResult[Any] = AsyncResult()
        client.get(one).list(told.set)
        return told.get(timeout=PATIENCE)

    with cluster.client() as other:
        for one in names:
            strac.get(one).join("Alex")
            other.get(one).join(f"Bob of {one}")
            other.get(one).join("Carl")
            strac.get(one).part("Carl")
        for one in names:
            expected = {"Alex": 1, f"Bob of {one}": 1}
            assert people(strac, one) == people(other, one) == expected


def test_what_cat_is_told_another_client_sees(strac, cluster, name):
    strac.create(name, stractory.spawn("cat"))
    with cluster.client() as other:
        mine, theirs = strac.get(name), other.get(name)
        assert exchange(mine, b"from one") == b"from one"
        assert read(theirs, 8) == b"from one"
        assert exchange(theirs, b"from the other") == b"from the other"
        assert read(mine, 14) == b"from the other"


def test_an_event_is_echoed_to_both(strac, cluster, name):
    strac.create(name, stractory.eventemitter(multicast))
    with cluster.client() as other:
        mine, theirs = strac.get(name), other.get(name)
        for emitter in (mine, theirs):  # an answer shows that the actor has it among its clients
            counted = next_event(emitter, "counted")
            emitter.emit("count")
            assert counted.get(timeout=PATIENCE) in (1, 2)
        told = [next_event(emitter, "echo") for emitter in (mine, theirs)]
        mine.emit("echo", {"hello": "world"})
        assert [one.get(timeout=PATIENCE) for one in told] == [{"hello": "world"}] * 2


def test_a_thousand_actors_created_connected_and_messaged(strac, name):
    names = [f"{name}.{number}" for number in range(MANY)]
    several = Pool(50)
    infos = several.map(lambda one: strac.create(one, echo), names)
    assert [info.name for info in infos] == names
    assert len({info.epoch for info in infos}) == MANY
    assert len(strac.list(f"{name}.*")) == MANY
    assert len(Counter(info.worker for info in infos)) == 4

    streams = several.map(strac.connect, names)
    words = [one.encode() for one in names]
    for stream, word in zip(streams, words, strict=True):
        stream.sendall(word)
    assert [read(stream, len(word)) for stream, word in zip(streams, words, strict=True)] == words
    for stream in streams:
        stream.close()


def test_a_thousand_rpc_actors_that_answer_all_at_once(strac, name):
    names = [f"{name}.{number}" for number in range(MANY)]
    definition = stractory.rpc(people_tracker)
    Pool(50).map(lambda one: strac.create(one, definition), names)
    told = {}
    all_told = Event()

    def tell(one, people):
        told[one] = people
        if len(told) == MANY:
            all_told.set()

    for one, client in zip(names, strac.connect(names), strict=True):
        client.join(one)
        client.list.send(lambda people, one=one: tell(one, people))
    assert all_told.wait(PATIENCE)
    assert told == {one: {one: 1} for one in names}
