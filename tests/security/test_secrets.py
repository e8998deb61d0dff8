"""No secret is in a log, a text, a command line or an environment."""

from __future__ import annotations

import base64
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zmq.utils import z85

import stractory
from stractory.proof import keys
from stractory.proof.handshake import holders
from stractory.proof.tickets import Issuer, Tickets
from tests.factory.test_factory import exchange
from tests.security.guarded import DENIED, Guarded, prove_by_hand
from tests.support.actors import echo

adder = stractory.rpc(lambda options: {"add": lambda a, b: a + b})


def spellings(secret: bytes) -> set[bytes]:
    """How a secret might be written; the beginning of each is enough to find it by."""
    ways = (
        secret,
        secret.hex().encode(),
        base64.b64encode(secret),
        z85.encode(secret),
        repr(secret)[2:].encode(),
    )
    either = {way[:16] for way in ways}
    return {*either, secret.hex().upper().encode()[:16]}


def shown(secrets: dict[str, bytes], text: bytes) -> list[str]:
    """Which of the secrets are in it."""
    return [name for name, secret in secrets.items() if any(way in text for way in spellings(secret))]


def family(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def own_secrets(guarded: Guarded, client: stractory.Client, name: str) -> dict[str, bytes]:
    """All that this cluster and this client have."""
    place = guarded.look_up(name, keys.OPERATOR, "alice")
    found = {"master": guarded.master.secret, "ticket": place.secret}
    found["store"] = keys.KeyRing([guarded.master], guarded.master.path).secrets_for(b"store")[0]
    for role, who in [
        (keys.OPERATOR, "alice"),
        (keys.CLIENT, "bob"),
        *((keys.NODE, n) for n in guarded.workers),
    ]:
        found[f"{role} {who}"] = guarded.key(role, who).secret
    curve = client.endpoint(name).curve
    assert curve is not None
    found["curve"] = z85.decode(curve.secret_key)
    sessions = {link.session for link in client._workers._links.values()}
    found |= {f"session {number}": session for number, session in enumerate(sessions)}
    assert len(set(found.values())) == len(found) >= 9
    return found


@pytest.fixture(autouse=True, scope="module")
def only_own() -> Iterator[None]:
    """What is looked through has nothing of what the tests before these have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def used(guarded: Guarded, strac: stractory.Client, name: str) -> stractory.Client:
    """A client that has done all sorts of things, good and bad, with actors of that name."""
    strac.create(name, adder)
    strac.create(f"{name}.alone", echo, isolate=True)
    strac.create(f"{name}.child", stractory.spawn("cat"))
    for direct in (False, True):
        with strac.connect(name, direct=direct) as client:
            assert client.add(1, 2) == 3
        for each in ("alone", "child"):
            with strac.connect(f"{name}.{each}", direct=direct) as stream:
                assert exchange(stream) == b"hello"
    place = guarded.look_up(name)
    assert prove_by_hand(place.info.worker, place.claim, bytes(32)) == DENIED
    assert prove_by_hand(guarded.address, guarded.master.claim, bytes(32)) == DENIED
    return strac


def test_the_search_finds_what_is_there(guarded: Guarded) -> None:
    line = guarded.master.as_line().encode()
    assert shown({"master": guarded.master.secret}, line) == ["master"]
    assert shown({"master": guarded.master.secret}, repr(guarded.master.secret).encode()) == ["master"]


def test_no_secret_is_in_a_log(guarded: Guarded, used: stractory.Client, name: str) -> None:
    """At log-level debug, of all that the tests before this one did too."""
    log = guarded.cluster.errors().encode()
    assert b"DEBUG" in log or b"INFO" in log
    assert shown(own_secrets(guarded, used, name), log) == []


def test_no_secret_is_in_the_record(guarded: Guarded, used: stractory.Client, name: str) -> None:
    record = (guarded.cluster.folder / "registry/audit.log").read_bytes()
    assert name.encode() in record
    assert shown(own_secrets(guarded, used, name), record) == []


def test_no_secret_is_in_a_command_line_or_environment(
    guarded: Guarded, used: stractory.Client, name: str
) -> None:
    secrets = own_secrets(guarded, used, name)
    pids = [pid for daemon in guarded.daemons for pid in family(daemon.pid)]
    assert len(pids) > len(guarded.daemons) + 3  # the isolated one, and the keeper of the child's
    for pid in pids:
        for file in ("cmdline", "environ"):
            assert shown(secrets, Path(f"/proc/{pid}/{file}").read_bytes()) == []


def test_no_worker_is_told_where_the_master_key_is(
    guarded: Guarded, used: stractory.Client, name: str
) -> None:
    for worker in guarded.workers.values():
        for pid in family(worker.pid):
            for file in ("cmdline", "environ"):
                assert b"cluster.key" not in Path(f"/proc/{pid}/{file}").read_bytes()


def things_of_ours() -> Iterator[Any]:
    """Every object in this process whose class is the project's, and every error that is not a test's."""
    for thing in gc.get_objects():
        home = str(type(thing).__module__)
        if home.startswith("stractory.") or (home == "builtins" and isinstance(thing, BaseException)):
            yield thing


def test_no_secret_is_in_the_text_of_an_object(guarded: Guarded, used: stractory.Client, name: str) -> None:
    place = guarded.look_up(name, keys.OPERATOR, "alice")
    ring = keys.load(guarded.cluster.key_file)
    node = keys.load(guarded.key_file(keys.NODE, "node1"))
    issued = Issuer(keys.CLIENT, "bob").issue(node.keys[0], name, 7)
    key = ring.credential(keys.OPERATOR)
    kept = [
        place, ring, node, key, holders(ring, keys.ROLES)(key.claim), Tickets(node),
        Tickets(node).admit({"t": issued[0]}), used.endpoint(name), used.endpoint(name).curve,
        used.get(name), used.connect(f"{name}.alone"),
    ]  # fmt: skip
    secrets = {**own_secrets(guarded, used, name), "own key": key.secret, "another ticket": issued[1]}
    seen = [*kept, *things_of_ours()]
    assert len({type(thing) for thing in seen}) > 30
    for thing in seen:
        for text in (repr(thing), str(thing)):
            assert shown(secrets, text.encode(errors="replace")) == [], type(thing)


def test_no_secret_is_in_the_text_of_an_error(
    guarded: Guarded, used: stractory.Client, name: str, tmp_path: Path
) -> None:
    """Nor in what a traceback shows beside it: its arguments, notes and causes."""
    secrets = own_secrets(guarded, used, name)
    bob = guarded.key(keys.CLIENT, "bob")
    wrong = tmp_path / "wrong.key"
    keys.write_key(wrong, keys.Key(bob.id, bob.role, "alice", bob.secret, wrong))
    broken = tmp_path / "broken.key"
    broken.touch(mode=0o600)
    broken.write_text(guarded.master.as_line().replace("master", "king"))
    for key_file in (wrong, broken, guarded.key_file(keys.NODE, "node1")):
        with guarded.client(key_file=key_file) as client, pytest.raises(stractory.AuthError) as raised:
            client.list(timeout=10)
        error: BaseException | None = raised.value
        while error is not None:
            assert shown(secrets, f"{error} {error!r} {vars(error)}".encode()) == []
            error = error.__cause__ or error.__context__
