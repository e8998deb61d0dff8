"""Those who have a key, and do with it what they can: a client's, and a node's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

import stractory
from stractory.net import process
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.stream import Stream
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.codec import encode
from stractory.wire.dialling import Dial
from stractory.wire.life import NAME_LIMIT
from stractory.wire.messages import Call
from tests.support.actors import echo
from tests.support.cluster import Cluster
from tests.support.faults import resident
from tests.support.green import green_until
from tests.support.tickets import located
from tests.wire.test_collisions import ARRAYS, TIMESTAMPS

Insider = Callable[[str], Stream]
"""A stream to the registry by a key of this role."""


@pytest.fixture
def insider(breakable: Cluster) -> Iterator[Insider]:
    links = []

    def open(role: str) -> Stream:
        key = keys.load(breakable.key_file).keys[0].derive(role, "eve")
        link = dial(address(breakable.address), "registry", key)
        links.append(link)
        stream = link.open(Dial("registry"), label="registry")
        stream.wait_accepted()
        return stream

    yield open
    for link in links:
        link.close(linger=0)


def call_with(argument: bytes) -> bytes:
    return b"\x96\x00\x01" + msgpack.packb("list") + b"\x91" + argument + b"\x80\xc0"


@pytest.mark.parametrize("argument", [ARRAYS, TIMESTAMPS], ids=["arrays", "timestamps"])
def test_keys_that_share_a_hash_end_the_stream(
    strac: stractory.Client, insider: Insider, argument: bytes
) -> None:
    stream = insider(keys.CLIENT)
    stream.sendall(call_with(argument))
    with pytest.raises(stractory.StreamReset):
        stream.recv(1)
    assert strac.list() == []


def test_a_pattern_that_takes_for_ever(strac: stractory.Client, insider: Insider) -> None:
    calls = Calls(insider(keys.CLIENT))
    for method in ("list", "watch"):
        with pytest.raises(stractory.InvalidName, match="pattern"):
            calls.call(method, "[" * 500_000)
    assert strac.list() == []


def test_calls_whose_failure_nobody_hears_do_not_fill_the_log(
    breakable: Cluster, strac: stractory.Client, insider: Insider
) -> None:
    strac.create("a", stractory.rpc(adder))
    before = len(breakable.errors())
    calls, own = Calls(insider(keys.CLIENT)), strac.get("a")
    for number in range(1000):
        calls.post("wait", (), {})
        calls.post(f"x{number}" * 100, (), {})
        own.add.send(1)
    calls.post("x\n1999-01-01 00:00:00 ERROR forged\x1b[2J", (), {})
    calls.call("workers")
    assert own.add(1, 2) == 3
    errors = breakable.errors()
    assert len(errors) - before < 100_000
    assert "\n1999" not in errors
    assert "\x1b" not in errors


def adder(options: dict[str, Any]) -> dict[str, Any]:
    return {"add": lambda a, b: a + b}


WORKER: dict[str, Any] = {"address": "127.0.0.1:1", "process": list(process.own()), "runtime": "none"}


@pytest.mark.parametrize(
    "lie",
    [
        {"address": ""},
        {"address": "host\n1999-01-01 ERROR forged:1"},
        {"address": "\x1b[2J:1"},
        {"address": "127.0.0.1:70000"},
        {"runtime": "\x1b[2J"},
        {"process": ["m" * 1000, 1, 1]},
        {"process": ["m", -1, 1]},
    ],
    ids=repr,
)
def test_a_worker_that_says_what_others_must_not_be_told(
    strac: stractory.Client, insider: Insider, lie: dict[str, Any]
) -> None:
    with pytest.raises(stractory.ProtocolError, match="malformed"):
        Calls(insider(keys.NODE)).call("register", os.urandom(16), **{**WORKER, **lie}, reports=[])
    assert len(strac.workers()) == 2


def test_a_look_up_of_many_names_is_answered(strac: stractory.Client, insider: Insider) -> None:
    strac.create("a", echo)
    found = Calls(insider(keys.CLIENT)).call("lookup", ["a", "b" * NAME_LIMIT] * 1000)
    assert [bool(row) for row in found] == [True, False] * 1000


def much(options):
    return {"much": lambda: bytes(2 << 20)}


def test_who_asks_for_much_and_reads_nothing(breakable: Cluster) -> None:
    """Calls begin when there is room for their answers."""
    with breakable.client() as strac:
        info = strac.create("much", stractory.rpc(much))
        (pid,) = (worker.pid for worker in strac.workers() if worker.address == info.worker)
        place = located(keys.load(breakable.key_file), "much", info.epoch)
        link = dial(address(info.worker), "worker", place)
        stream = link.open(Dial("actor", "much", info.epoch, place.ticket), label="hog")
        stream.wait_accepted()
        before, most = resident(pid), 0
        for number in range(1, 501):
            stream.sendall(encode(Call(number, "much", [], {}, None)))

        def given_up() -> bool:
            nonlocal most
            most = max(most, resident(pid) - before)
            return stream.closed

        green_until(given_up)
        assert most < 150 << 20
        assert len(strac.get("much").much()) == 2 << 20
        link.close()
