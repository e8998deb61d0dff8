"""What is recorded of those who create, destroy, or are refused."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from stractory.errors import ActorExists, ActorNotFound, AuthError, ForbiddenRole, WorkerNotFound
from stractory.proof.handshake import Identity
from stractory.proof.keys import CLIENT, OPERATOR
from stractory.registry.audit import REFUSALS, Audit, missing
from stractory.wire.info import ActorInfo

ALICE = Identity(OPERATOR, "alice", b"a session")
PEER = ("10.0.0.7", 4411)
ROOM = ActorInfo("room", "rpc", "127.0.0.1:9001", 7, "running", 1.0, False, False)
DIGEST = bytes(range(32))


class Record:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.audit = Audit(self.lines.append)

    @property
    def last(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.lines[-1])
        told = datetime.fromisoformat(fields.pop("time"))
        assert told.utcoffset() == timezone.utc.utcoffset(None)
        return fields


@pytest.fixture
def record() -> Record:
    return Record()


WHO = {"by": {"role": "operator", "name": "alice"}, "from": "10.0.0.7:4411"}
OF_ROOM = {"name": "room", "kind": "rpc", "epoch": 7, "worker": "127.0.0.1:9001"}
UNKNOWN = {"kind": None, "epoch": None, "worker": None}


def fail(error: Exception) -> Any:
    def method(*args: Any) -> None:
        raise error

    return method


def test_a_creation(record: Record) -> None:
    create = record.audit.creating(lambda *args: ROOM, ALICE, PEER)
    assert create("room", DIGEST, {"password": "secret"}, "error", b"1", [], 5.0) is ROOM
    definition = {"definition": "000102030405"}
    assert record.last == {"event": "create", **OF_ROOM, **definition, **WHO, "outcome": "ok"}
    assert "secret" not in record.lines[0] and "session" not in record.lines[0]
    assert "\n" not in record.lines[0]


def test_a_creation_that_fails(record: Record) -> None:
    create = record.audit.creating(fail(ActorExists("taken")), ALICE, PEER)
    with pytest.raises(ActorExists):
        create("room", DIGEST)
    fields = {"event": "create", "name": "room", "definition": "000102030405", "outcome": "ActorExists"}
    assert record.last == {**UNKNOWN, **fields, **WHO}


def test_an_end(record: Record) -> None:
    there = {"room": ROOM}
    record.audit.destroying(lambda name, timeout: there.pop(name) and None, there.get, ALICE, PEER)(
        "room", 5.0
    )
    assert record.last == {"event": "destroy", **OF_ROOM, "definition": None, **WHO, "outcome": "ok"}
    with pytest.raises(ActorNotFound):
        record.audit.destroying(fail(ActorNotFound("none")), there.get, ALICE, PEER)("room", 5.0)
    fields = {"event": "destroy", "name": "room", "definition": None, "outcome": "ActorNotFound"}
    assert record.last == {**UNKNOWN, **fields, **WHO}


def test_a_worker_that_is_told_to_leave(record: Record) -> None:
    outcome = [("room", ROOM)]
    assert record.audit.draining(lambda *args: outcome, ALICE, PEER)("10.0.0.2:9001", 5.0) is outcome
    fields = {**UNKNOWN, "event": "drain", "name": None, "definition": None, "worker": "10.0.0.2:9001", **WHO}
    assert record.last == {**fields, "outcome": "ok"}
    with pytest.raises(WorkerNotFound):
        record.audit.draining(fail(WorkerNotFound("none")), ALICE, PEER)("10.0.0.2:9001", 5.0)
    assert record.last == {**fields, "outcome": "WorkerNotFound"}


@pytest.mark.parametrize("name", [["a list"], 5, None, "x" * 10_000, "\ud800\n"])
def test_a_name_that_is_none(record: Record, name: Any) -> None:
    with pytest.raises(ValueError):
        record.audit.creating(fail(ValueError()), ALICE, PEER)(name, 7)
    assert record.last["name"] == (name[:512] if isinstance(name, str) else None)
    assert len(record.lines[0]) < 1000 and "\n" not in record.lines[0]


def test_refusals(record: Record) -> None:
    record.audit.refused("proof", AuthError("a peer failed the proof"), PEER)
    nobody = {**UNKNOWN, "name": None, "definition": None, "from": "10.0.0.7:4411"}
    assert record.last == {**nobody, "event": "proof", "by": None, "outcome": "AuthError"}
    bob = Identity(CLIENT, "bob", b"a session")
    record.audit.refused("create", ForbiddenRole("no"), PEER, bob)
    by = {"by": {"role": "client", "name": "bob"}}
    assert record.last == {**nobody, "event": "create", **by, "outcome": "ForbiddenRole"}


def test_strangers_cannot_fill_it(record: Record) -> None:
    for _ in range(10 * REFUSALS):
        record.audit.refused("proof", AuthError("a peer failed the proof"), PEER)
    assert len(record.lines) == REFUSALS
    record.audit._refusals._look("proof: AuthError")  # when its time has come
    assert record.last["times"] == 9 * REFUSALS


def test_nothing_is_recorded_where_there_is_no_record() -> None:
    create, destroy = (lambda *args: ROOM), (lambda *args: None)
    audit = Audit()
    assert audit.creating(create, ALICE, PEER) is create
    assert audit.destroying(destroy, {}.get, ALICE, PEER) is destroy
    assert audit.draining(destroy, ALICE, PEER) is destroy
    audit.refused("proof", AuthError("no"), PEER)


def test_what_is_missing_has_a_line() -> None:
    fields = json.loads(missing(5))
    assert (fields["event"], fields["times"]) == ("missing", 5)
