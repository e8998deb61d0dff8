"""The client of etcd's gateway: which member it asks, what it tries again, leases and watches."""

from __future__ import annotations

import itertools
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue

from stractory.errors import ConfigError, StoreUnreachable, StoreWithoutQuorum
from stractory.store.etcd import operations, watches
from stractory.store.etcd.client import KEEP_ALIVES, Client, InDoubt
from stractory.store.etcd.connection import Credentials
from stractory.store.etcd.leases import Leases
from stractory.store.etcd.operations import Entry
from stractory.store.etcd.reasons import Remedy, refusal
from stractory.store.etcd.watches import Compacted, Deleted, Written, watch
from tests.support.etcd import Etcd, running
from tests.support.green import green_until
from tests.support.tls import signed_by

FD_SETSIZE = 1024


@pytest.fixture
def client(etcd: Etcd) -> Iterator[Client]:
    client = Client(etcd.endpoints)
    yield client
    client.close()


@pytest.fixture
def of_three(three_members: Etcd) -> Iterator[Client]:
    client = Client(three_members.endpoints)
    yield client
    client.close()


@pytest.fixture
def key(etcd: Etcd) -> bytes:
    return etcd.new_prefix().encode() + b"/key"


def put(client: Client, key: bytes, value: bytes, lease: int = 0) -> int:
    """The revision of it."""
    while True:
        try:
            return client.transact([], [operations.put(key, value, lease)]).revision
        except (InDoubt, StoreUnreachable):
            gevent.idle()


def get(client: Client, key: bytes) -> bytes | None:
    found = client.range(operations.range_of(key), patience=20.0).entries
    return found[0].value if found else None


# ---- keys --------------------------------------------------------------------------------------------------


def test_a_transaction_is_done_if_its_comparisons_hold(client: Client, key: bytes) -> None:
    first = client.transact([operations.unchanged(key, 0)], [operations.put(key, b"\x00one")])
    assert first.succeeded
    second = client.transact(
        [operations.unchanged(key, 0)], [operations.put(key, b"two")], [operations.look(key)]
    )
    assert not second.succeeded
    assert operations.looked(second.responses[0]) == Entry(key, b"\x00one", first.revision)
    third = client.transact([operations.unchanged(key, first.revision)], [operations.delete(key)])
    assert third.succeeded and third.revision > first.revision
    assert get(client, key) is None


def test_nested_transactions_are_done_each_for_itself(client: Client, key: bytes) -> None:
    put(client, key + b"1", b"taken")

    def creation(key: bytes) -> operations.Operation:
        made = operations.transaction([operations.unchanged(key, 0)], [operations.put(key, b"made")])
        return operations.nested(made)

    outcome = client.transact([], [creation(key + b"1"), creation(key + b"2")])
    assert [operations.of_nested(response).succeeded for response in outcome.responses] == [False, True]
    found = client.range(operations.range_of(key, operations.end_of(key)))
    assert [entry.value for entry in found.entries] == [b"taken", b"made"]


def test_whether_any_key_begins_so(client: Client, key: bytes) -> None:
    assert client.transact([operations.none_below(key)], []).succeeded
    put(client, key + b"\xff", b"")
    assert not client.transact([operations.none_below(key)], []).succeeded
    assert client.transact([operations.present(key + b"\xff")], []).succeeded
    assert not client.transact([operations.present(key)], []).succeeded


def test_a_range_in_pages_at_a_revision(client: Client, key: bytes) -> None:
    for number in range(5):
        put(client, key + b"/%d" % number, b"value")
    first = client.range(operations.range_of(key, operations.end_of(key), limit=2, keys_only=True))
    assert [entry.value for entry in first.entries] == [b"", b""] and first.more
    put(client, key + b"/9", b"later")
    asked = operations.range_of(
        first.entries[-1].key + b"\0", operations.end_of(key), limit=9, revision=first.revision
    )
    rest = client.range(asked)
    assert len(rest.entries) == 3 and not rest.more


# ---- members -----------------------------------------------------------------------------------------------


def test_the_next_endpoint_is_asked_where_nobody_listens(etcd: Etcd, key: bytes) -> None:
    client = Client(["http://127.0.0.1:1", *etcd.endpoints])
    assert client.transact([], [operations.put(key, b"value")]).succeeded
    assert client.endpoints == [*etcd.endpoints, "http://127.0.0.1:1"]  # the first is not tried each time
    client.close()


def test_what_is_asked_of_a_member_that_stands_still(three_members: Etcd, of_three: Client) -> None:
    (key,) = (three_members.new_prefix().encode(),)
    put(of_three, key, b"before")
    follower = next(member for member in three_members.members if not member.leads)
    while of_three.endpoints[0] != follower.endpoint:
        of_three.go_on()
    follower.stop()
    with pytest.raises(InDoubt, match="no answer within 1 s"):
        of_three.transact([], [operations.put(key, b"after")])
    while of_three.endpoints[0] != follower.endpoint:
        of_three.go_on()
    assert get(of_three, key) == b"before"  # reading is tried again, elsewhere


def test_a_connection_that_its_member_has_closed_is_not_used(three_members: Etcd, of_three: Client) -> None:
    key = three_members.new_prefix().encode()
    asked = of_three.endpoints[0]
    put(of_three, key, b"one")
    (member,) = (member for member in three_members.members if member.endpoint == asked)
    member.kill()
    three_members.mend()
    while of_three.endpoints[0] != asked:
        of_three.go_on()
    assert of_three.transact([], [operations.put(key, b"two")]).succeeded


def test_a_process_that_has_many_descriptors(client: Client, key: bytes) -> None:
    """More than select() knows of: a registry of a thousand workers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as many:
        many.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while many.enter_context(open(os.devnull)).fileno() < FD_SETSIZE:
            pass
        for value in (b"one", b"two"):  # the second over a connection that was kept
            put(client, key, value)
        client.close()


def test_the_member_that_leads_is_asked_first(three_members: Etcd, of_three: Client) -> None:
    for _ in three_members.members:
        of_three.prefer_leader()
        assert of_three.endpoints[0] == three_members.leader.endpoint
        of_three.go_on()
    others = [member.endpoint for member in three_members.members if not member.leads]
    apart = Client(others)
    apart.prefer_leader()
    apart.close()
    assert apart.endpoints == others


def test_no_member_leads(three_members: Etcd, of_three: Client) -> None:
    put(of_three, three_members.new_prefix().encode(), b"")
    for member in three_members.members[:2]:
        member.kill()

    def told() -> bool:
        with pytest.raises(StoreUnreachable) as error:
            of_three.range(operations.range_of(b"key"))
        return isinstance(error.value, StoreWithoutQuorum)

    green_until(told)
    with pytest.raises(
        StoreWithoutQuorum, match="knows no leader, so too few of its members reach each other"
    ):
        of_three.transact([], [operations.put(b"key", b"")])  # not in doubt: it was looked for before


@pytest.mark.parametrize(
    ("message", "code", "remedy"),
    [
        ("etcdserver: no leader", 14, Remedy.ELSEWHERE),
        ("etcdserver: too many requests", 8, Remedy.ELSEWHERE),
        ("etcdserver: request timed out", 14, Remedy.IN_DOUBT),
        ("etcdserver: leader changed", 14, Remedy.IN_DOUBT),
        ("context deadline exceeded", 2, Remedy.IN_DOUBT),
        ("etcdserver: mvcc: database space exceeded", 8, Remedy.NONE),
        ("etcdserver: request is too large", 3, Remedy.NONE),
    ],
)
def test_what_may_be_done_about_a_refusal(message: str, code: int, remedy: Remedy) -> None:
    body = b'{"error": "x", "message": "%s", "code": %d}' % (message.encode(), code)
    found = refusal("http://here:1", 503, body)
    assert found.remedy is remedy
    assert message in str(found.error) or "knows no leader" in str(found.error)


def test_what_is_no_etcd() -> None:
    streamed = b'{"error": {"grpc_code": 14, "http_code": 503, "message": "etcdserver: no leader"}}'
    assert refusal("http://here:1", 503, streamed).remedy is Remedy.ELSEWHERE  # of a watch, of leases
    found = refusal("http://here:1", 404, b"<html>")
    assert str(found.error) == "http://here:1 is no etcd: it answers with HTTP status 404"


# ---- TLS ---------------------------------------------------------------------------------------------------


def test_a_client_that_shows_a_certificate(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tls")
    authority = signed_by(None)
    files = {"ca": authority[0]}
    for name in ("server", "client"):
        files[name], files[f"{name}.key"] = signed_by(authority)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    options = [
        *(f"--cert-file={folder / 'server'}", f"--key-file={folder / 'server.key'}"),
        *("--client-cert-auth", f"--trusted-ca-file={folder / 'ca'}"),
    ]
    trusting = Credentials(folder / "ca", folder / "client", folder / "client.key")
    for etcd in running(1, *options):
        client = Client(etcd.endpoints, trusting)
        put(client, b"key", b"value")
        assert get(client, b"key") == b"value"
        client.close()
        for others, told in (
            (Credentials(), "certificate verify failed"),
            (Credentials(folder / "ca"), "no endpoint of etcd answers"),  # who shows none
        ):
            with pytest.raises(StoreUnreachable, match=told):
                Client(etcd.endpoints, others).range(operations.range_of(b"key"))


def test_a_key_with_a_passphrase_is_not_asked_for(tmp_path: Path) -> None:
    shown, key = signed_by(None, passphrase=b"secret")
    (tmp_path / "cert").write_bytes(shown)
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(ConfigError, match=r"the key for etcd in /.*/key has a passphrase"):
        Client(["https://127.0.0.1:1"], Credentials(None, tmp_path / "cert", tmp_path / "key"))


def test_certificates_that_are_not_there(tmp_path: object) -> None:
    with pytest.raises(
        ConfigError, match=r"the certificates for etcd \(.*/none\) cannot be used: No such file"
    ):
        Client(["https://127.0.0.1:2379"], Credentials(tmp_path / "none"))  # type: ignore[operator]


# ---- leases ------------------------------------------------------------------------------------------------


def test_a_lease_lives_as_long_as_it_is_renewed(client: Client, key: bytes) -> None:
    leases = Leases(client, 1, lambda id: None)
    put(client, key, b"value", leases.make())
    passing = put(client, key + b"/passing", b"")
    client.grant(passing, 1)
    put(client, key + b"/passing", b"", passing)
    green_until(lambda: get(client, key + b"/passing") is None)  # so long, and longer
    assert get(client, key) == b"value"
    leases.close()
    green_until(lambda: get(client, key) is None)


def test_a_lease_that_is_not_renewed_is_told_of_once_until_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(["http://127.0.0.1:1"])
    answers = Queue[Exception | None]()
    monkeypatch.setattr(client, "grant", lambda id, seconds: None)

    def keep_alive(ids: list[int]) -> dict[int, int]:
        if error := answers.get():
            raise error
        return dict.fromkeys(ids, 1)

    monkeypatch.setattr(client, "keep_alive", keep_alive)
    leases = Leases(client, 0, lambda id: None)
    leases.make()
    silent = StoreUnreachable("no endpoint answers")
    for answer in (silent, silent, None, silent, None):
        answers.put(answer)
    green_until(lambda: not answers.qsize())
    gevent.idle()
    leases.close()
    assert len(caplog.messages) == 2


def test_a_lease_that_ends_takes_its_keys_along(client: Client, key: bytes) -> None:
    lost: list[int] = []
    leases = Leases(client, 60, lost.append)
    id = leases.make()
    put(client, key, b"value", id)
    leases.end(id)
    assert get(client, key) is None and lost == []
    leases.close()


def test_who_has_lost_a_lease_is_told(client: Client) -> None:
    lost: list[int] = []
    leases = Leases(client, 1, lost.append)
    id = leases.make()
    client.revoke(id)
    green_until(lambda: lost == [id])
    leases.close()


def test_what_is_not_foreseen_does_not_end_a_lease(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = chain([KeyError("result")], repeat({}))
    asked: list[object] = []

    def keep_alive(ids: Sequence[int]) -> dict[int, int]:
        asked.append(ids)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(client, "keep_alive", keep_alive)
    leases = Leases(client, 1, lambda id: None)
    leases.make()
    green_until(lambda: len(asked) == 2)
    leases.close()


def test_leases_may_be_made_and_ended_twice(client: Client) -> None:
    for _ in range(2):
        client.grant(77, 60)
    assert client.keep_alive([77, 78]) == {77: 60, 78: 0}
    for _ in range(2):
        client.revoke(77)


def test_as_many_as_are_renewed_at_a_time(client: Client) -> None:
    ids = [1000 + number for number in range(KEEP_ALIVES)]
    for id in ids:
        client.grant(id, 60)
    assert client.keep_alive(ids) == dict.fromkeys(ids, 60)


# ---- watches -----------------------------------------------------------------------------------------------


class Watched:
    """What a watch tells, by a green thread."""

    def __init__(self, client: Client, prefix: bytes, revision: int, quiet: float = 20.0) -> None:
        self.events: Queue[watches.Event] = Queue()
        self.ended = Event()
        self._thread = gevent.spawn(self._run, client, prefix, revision, quiet)

    def _run(self, client: Client, prefix: bytes, revision: int, quiet: float) -> None:
        for events in watch(client, prefix, revision, quiet):
            for event in events:
                self.events.put(event)
        self.ended.set()

    def next(self) -> watches.Event:
        return self.events.get(timeout=20)

    def close(self) -> None:
        self._thread.kill()


def test_a_watch_tells_all_from_a_revision_on(client: Client, key: bytes) -> None:
    first = put(client, key + b"/1", b"one")
    put(client, key[:-1], b"of nobody")
    second = put(client, key + b"/2", b"two")
    watched = Watched(client, key, first)
    assert watched.next() == Written(Entry(key + b"/1", b"one", first))
    assert watched.next() == Written(Entry(key + b"/2", b"two", second))
    third = client.transact([], [operations.delete(key + b"/1")]).revision
    assert watched.next() == Deleted(key + b"/1", third)
    watched.close()


@pytest.mark.parametrize("harm", ["kill", "stop"])
def test_a_watch_goes_on_without_a_gap_when_its_member_goes_away(
    three_members: Etcd, of_three: Client, harm: str
) -> None:
    key = three_members.new_prefix().encode()
    member = three_members.members[0]
    watching = Client(three_members.endpoints)
    watched = Watched(watching, key, put(of_three, key, b"0"), quiet=0.5)
    told = [watched.next().entry.value]
    getattr(member, harm)()
    for number in range(1, 50):
        put(of_three, key, b"%d" % number)  # once more where that is in doubt
    while told[-1] != b"49":
        told.append(watched.next().entry.value)
    assert [value for value, _ in itertools.groupby(told)] == [b"%d" % number for number in range(50)]
    watched.close()


def test_a_watch_from_what_is_not_known_any_more(client: Client, key: bytes) -> None:
    first = put(client, key, b"one")
    second = put(client, key, b"two")
    client._once("/v3/kv/compaction", b'{"revision": "%d"}' % second, lambda endpoint, body: body)
    watched = Watched(client, key, first)
    told = watched.next()
    assert isinstance(told, Compacted) and told.revision >= second
    green_until(watched.ended.is_set)
