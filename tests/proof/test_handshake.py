from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from stractory.errors import AuthError, ProtocolError, StractoryError
from stractory.net.headers import LeftAtOnce
from stractory.proof import handshake, keys
from stractory.proof.handshake import Claim
from stractory.wire.info import ActorInfo, Location


def meet(server: Callable[[Any], Any], client: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What each side's function returns or raises, over a TCP connection between them."""
    outcome: list[Any] = [None]

    def serve(sock: Any, address: Any) -> None:
        outcome[0] = attempt(server, sock)

    def attempt(function: Callable[[Any], Any], sock: Any) -> Any:
        try:
            return function(sock)
        except (StractoryError, OSError) as error:
            return error
        finally:
            sock.close()

    listening = StreamServer(("127.0.0.1", 0), serve)
    listening.start()
    try:
        mine = attempt(client, socket.create_connection(listening.address))
        with gevent.Timeout(10):
            while outcome[0] is None:
                gevent.idle()
        return outcome[0], mine
    finally:
        listening.stop()


def test_who_leaves_without_a_word_only_looked(ring: keys.KeyRing) -> None:
    theirs, _ = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: sock.recv(4096),
    )
    assert isinstance(theirs, LeftAtOnce)


def test_both_prove(ring: keys.KeyRing) -> None:
    key = ring.credential(keys.OPERATOR)
    identity, proved = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: handshake.prove_to_server(sock, "registry", key),
    )
    assert identity[:3] == (keys.OPERATOR, key.name, proved.session)
    assert identity.key.secret == key.secret
    assert len(proved.session) == 32 and repr(proved.session) not in repr(identity)
    assert isinstance(proved.connection, socket.socket)
    again, _ = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: handshake.prove_to_server(sock, "registry", key),
    )
    assert again.session != identity.session


def test_a_wrong_key_is_refused(ring: keys.KeyRing, tmp_path: Path) -> None:
    stranger = keys.load(tmp_path / "other.key", create=True).credential(keys.OPERATOR)
    for key in (stranger, keys.Key(ring.keys[0].id, keys.OPERATOR, "x", b"0" * 32, stranger.path)):
        theirs, mine = meet(
            lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
            lambda sock, key=key: handshake.prove_to_server(sock, "registry", key),
        )
        assert isinstance(theirs, AuthError) and isinstance(mine, AuthError)
        assert f"the key {key.id} of {stranger.path} (role operator, name {key.name})" in str(mine)
        assert "STRACTORY_KEY_FILE" in str(mine)


def test_a_revoked_name_is_refused_as_an_unknown_key(ring: keys.KeyRing) -> None:
    key = ring.keys[0].derive(keys.CLIENT, "mallory")
    ring.revoked = frozenset({"mallory"})
    theirs, mine = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: handshake.prove_to_server(sock, "registry", key),
    )
    assert isinstance(theirs, AuthError) and isinstance(mine, AuthError)
    assert "it refuses the key" in str(mine) and "is revoked" not in str(mine)


def test_a_role_that_is_not_wanted_is_refused(ring: keys.KeyRing) -> None:
    theirs, mine = meet(
        lambda sock: handshake.prove_to_client(sock, "worker", handshake.holders(ring, (keys.OPERATOR,))),
        lambda sock: handshake.prove_to_server(sock, "worker", ring.credential(keys.NODE)),
    )
    assert isinstance(theirs, AuthError) and isinstance(mine, AuthError)


def test_another_kind_of_port_is_named(ring: keys.KeyRing) -> None:
    _, mine = meet(
        lambda sock: handshake.prove_to_client(sock, "worker", handshake.holders(ring, keys.ROLES)),
        lambda sock: handshake.prove_to_server(sock, "registry", ring.credential(keys.CLIENT)),
    )
    assert isinstance(mine, AuthError) and "worker" in str(mine)


def test_what_a_port_may_not_be_is_not_repeated(ring: keys.KeyRing) -> None:
    _, mine = meet(
        lambda sock: handshake.prove_to_client(sock, "\x1b[2J", handshake.holders(ring, keys.ROLES)),
        lambda sock: handshake.prove_to_server(sock, "registry", ring.credential(keys.CLIENT)),
    )
    assert isinstance(mine, ProtocolError) and "\x1b" not in str(mine)


def test_a_server_that_reflects_the_proof_is_refused(ring: keys.KeyRing) -> None:
    def reflect(sock: Any) -> str:
        handshake._send(sock, {"v": 1, "p": "registry", "n": b"x" * 32})
        answer, _ = handshake._receive(sock)
        handshake._send(sock, {"m": answer["m"]})
        return "reflected"

    _, mine = meet(
        reflect, lambda sock: handshake.prove_to_server(sock, "registry", ring.credential(keys.CLIENT))
    )
    assert isinstance(mine, AuthError) and "does not know" in str(mine)


def test_without_a_secret_nothing_is_taken_for_a_proof() -> None:
    """Else whoever listens where a worker was could pass for it."""
    nowhere = Location(ActorInfo("room", "stream", "", 7, "running", 0.0, False, False))
    _, mine = meet(
        lambda sock: handshake.prove_to_client(sock, "worker", lambda hello: Claim("client", "x", b"")),
        lambda sock: handshake.prove_to_server(sock, "worker", nowhere),
    )
    assert isinstance(mine, AuthError) and "the registry's ticket to 'room' has no secret" in str(mine)


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"STRC\xff\xff" + b"a" * 3000, b"STRC\x00\x01\xc1", b"STRC\x00\x01\x07", b""],
)
def test_garbage_is_refused(ring: keys.KeyRing, garbage: bytes) -> None:
    theirs, _ = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: sock.sendall(garbage),
    )
    assert isinstance(theirs, (ProtocolError, OSError))


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", ": it sent HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", ": it sent TLS"),
        (b"EHLO example.org\r\n", ""),
    ],
)
def test_what_was_sent_instead_is_told(ring: keys.KeyRing, sent: bytes, told: str) -> None:
    theirs, _ = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES)),
        lambda sock: [sock.sendall(sent), sock.recv(4096), sock.recv(4096)],
    )
    assert str(theirs) == f"it does not speak stractory's handshake{told}"


def test_a_peer_that_drips_is_dropped_in_time(ring: keys.KeyRing) -> None:
    admit = handshake.holders(ring, keys.ROLES)
    theirs, _ = meet(
        lambda sock: handshake.prove_to_client(sock, "registry", admit, limit=0.05),
        lambda sock: [sock.sendall(b"S"), sock.recv(4096), sock.recv(4096)],
    )
    assert isinstance(theirs, ProtocolError) and "too long" in str(theirs)


def test_a_recorded_proof_is_of_no_use_again(ring: keys.KeyRing) -> None:
    recorded: list[bytes] = []

    class Recorder:
        def __init__(self, sock: Any) -> None:
            self._sock = sock

        def sendall(self, data: bytes) -> None:
            recorded.append(data)
            self._sock.sendall(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sock, name)

    def prove(sock: Any) -> Any:
        return handshake.prove_to_client(sock, "registry", handshake.holders(ring, keys.ROLES))

    meet(
        prove,
        lambda sock: handshake.prove_to_server(Recorder(sock), "registry", ring.credential(keys.CLIENT)),
    )
    theirs, _ = meet(
        prove, lambda sock: [handshake._receive(sock), sock.sendall(recorded[0]), sock.recv(100)]
    )
    assert isinstance(theirs, AuthError)
