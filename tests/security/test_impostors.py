"""Somebody else listens where a registry, a worker or an own port was; a worker meets a false registry."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

import stractory
from stractory.actors.code import DILL_VERSION, PYTHON_TAG
from stractory.net.address import address
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.dialling import Dial, encode_dial
from stractory.wire.frames import DATA, SYN, header
from stractory.wire.life import Life
from stractory.wire.shipping import Code, Definition
from tests.factory.test_factory import exchange
from tests.security.conftest import Door
from tests.security.guarded import ByHand, Guarded, hear, say
from tests.security.peers import Answer, Impostor, guess, knowing, posing, reflect, refuse
from tests.support.actors import echo
from tests.support.canary import Canary
from tests.support.green import green_until


@pytest.mark.parametrize("answer", [refuse, guess, reflect])
def test_a_client_says_nothing_secret_to_who_only_poses(door: Door, answer: Answer) -> None:
    with (
        Impostor(posing(door.purpose, answer)) as impostor,
        pytest.raises(stractory.AuthError, match=impostor.address),
    ):
        dial(address(impostor.address), door.purpose, door.credential)
    assert door.credential.secret not in impostor.heard
    assert len(impostor.heard) < 500  # a claim and its proof: not a word of what it came for


def test_a_client_whose_registry_is_another_by_now() -> None:
    """Also if that plays back all that the true one has ever said."""
    with Guarded(["node1"]) as guarded, guarded.client() as strac:
        strac.create("a", echo)
        stream = strac.connect("a")
        where = guarded.address
        with ByHand(where) as peer:
            bob = guarded.key(keys.CLIENT, "bob")
            say(peer.sock, peer.proof(bob.claim, bob.secret))
            answered = hear(peer.sock)
        guarded.cluster.kill_registry()
        for played in (guess, lambda greeting, proof: answered):
            with Impostor(posing("registry", played, greeting=peer.greeting), where):
                with pytest.raises(stractory.AuthError, match=f"registry {where}: it does not know the key"):
                    strac.list(timeout=10)
                with pytest.raises(stractory.AuthError):
                    strac.create("b", echo, options={"password": "hush"}, timeout=10)
                green_until(lambda: guarded.told("ERROR", "the registry refuses this worker"))
        assert exchange(stream) == b"hello"  # nobody is dropped by it
        guarded.cluster.env["STRACTORY_KEY_FILE"] = str(guarded.cluster.key_file)
        guarded.cluster.restart_registry()
        green_until(lambda: [info.name for info in strac.list()] == ["a"])
        assert exchange(strac.connect("a")) == b"hello"


def test_a_client_whose_worker_is_another_by_now(name: str) -> None:
    with Guarded(["node1"]) as guarded:
        with guarded.client() as strac:
            strac.create(name, echo)
            place, own = guarded.look_up(name), strac.endpoint(name).removeprefix("tcp://")
        guarded.workers.pop("node1").kill()
        for purpose, where in (("worker", place.info.worker), ("actor", own)):
            with Impostor(posing(purpose, guess), where) as squatter:
                with pytest.raises(
                    stractory.AuthError, match=f"it does not know the registry's ticket to {name!r}"
                ):
                    dial(address(where), purpose, place)
                assert place.secret not in squatter.heard


def orders(canary: Canary) -> bytes:
    """Frames that have a worker make an actor, as its registry would send them."""
    definition = Definition("stream", Code.shipped(canary.bytes, PYTHON_TAG, DILL_VERSION), None, {})
    life = list(Life("evil", "stream", 1, 1.0, b"", False))
    define = [0, None, "define", [definition.packed], {}, None]
    create = [0, None, "create", [life, definition.digest, {}, None], {}, None]
    said = encode_dial(Dial("worker")) + msgpack.packb(define) + msgpack.packb(create)
    return header(DATA, SYN, 2, len(said)) + said


def test_a_worker_takes_no_orders_from_a_false_registry(guarded: Guarded, tmp_path: Path) -> None:
    canary = Canary(tmp_path / "canary")
    with Impostor(posing("registry", guess, then=orders(canary))) as impostor:
        worker = guarded.start_worker(guarded.key_file(keys.NODE, "node3"), registry=impostor.address)
        green_until(lambda: guarded.told("stractory-worker: ", impostor.address))
    worker.join()  # its status may be gone: gevent's loop takes those of all children, once it had one itself
    (line,) = guarded.told("stractory-worker: ", impostor.address)
    assert "it does not know the key" in line
    assert not canary.heard()


def test_a_registry_that_knows_the_workers_key_is_none_of_those(guarded: Guarded, tmp_path: Path) -> None:
    """Whoever has a worker's own key can have it run anything. (So the orders above were well spelled.)"""
    canary = Canary(tmp_path / "canary")
    key = guarded.key(keys.NODE, "node3")
    answer = knowing(key.secret, lambda: impostor.address)
    with Impostor(posing("registry", answer, then=orders(canary))) as impostor:
        worker = guarded.start_worker(guarded.key_file(keys.NODE, "node3"), registry=impostor.address)
        green_until(lambda: canary.heard() == {worker.pid})
        worker.kill()
