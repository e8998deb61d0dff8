"""TLS under the handshake: streams, what others make of it, and who stands in the middle."""

from __future__ import annotations

import itertools
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from stractory.clients.direct import DirectTlsStream
from stractory.errors import AuthError, ConfigError, ProtocolError, StreamReset
from stractory.net.address import Address
from stractory.net.certificates import certificate
from stractory.net.link import Link
from stractory.net.listener import Listener, Ports, TransportSecurity
from stractory.net.secured import Connection, TlsStream
from stractory.net.trust import ANYBODY, Trust
from stractory.proof import handshake, keys
from stractory.proof.handshake import holders
from stractory.wire.dialling import Dial
from tests.proof.test_handshake import meet
from tests.support.tls import a_certificate, connected, secured, signed_by

LIMIT = 20.0


@pytest.fixture
def ends() -> Any:
    """Two ends of a connection in TLS."""
    near, far = secured(*connected())
    with gevent.Timeout(LIMIT):
        yield near, far
    near.close()
    far.close()


Ends = tuple[TlsStream, TlsStream]


def read_all(stream: Connection) -> bytes:
    return b"".join(iter(lambda: stream.recv(65536), b""))


# ---- the engine ------------------------------------------------------------------------------------------


def test_all_that_came_is_read_whatever_the_pieces() -> None:
    client, server = ANYBODY.engine(), a_certificate().engine()
    while not all([client.handshake(), server.handshake()]):
        for source, target in ((client, server), (server, client)):
            for byte in source.output():
                target.receive(b"%c" % byte)
    assert client.binding == server.binding and client.binding.startswith(b"tls|")
    said = os.urandom(40_000)
    client.write(said)
    sent = client.output()
    assert said[:32] not in sent
    cuts = [0, 1, 5, 6, 16_000, 16_500, 40_000, len(sent)]
    pieces = [server.decrypt(sent[start:end]) for start, end in itertools.pairwise(cuts)]
    assert b"".join(pieces) == said and len(pieces[-1]) > 0


# ---- streams -----------------------------------------------------------------------------------------------


def test_much_in_both_directions_at_once(ends: Ends) -> None:
    said = [os.urandom(5_000_000), os.urandom(5_000_000)]

    def say(end: TlsStream, data: bytes) -> None:
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)

    tasks = [gevent.spawn(say, *pair) for pair in zip(ends, said, strict=True)]
    heard = [gevent.spawn(read_all, end) for end in ends]
    assert [task.get() for task in heard] == said[::-1]
    gevent.joinall(tasks, raise_error=True)


def test_who_has_finished_still_hears(ends: Ends) -> None:
    """Also what was under way then, of which OpenSSL looks for the other side's last word in vain."""
    near, far = ends
    before, after = os.urandom(300_000), os.urandom(300_000)
    sending = gevent.spawn(far.sendall, before)
    assert near.recv(100) == before[:100]
    near.shutdown(socket.SHUT_WR)
    assert far.recv(100) == b""
    with pytest.raises(OSError, match="shut for writing"):
        near.sendall(b"more")
    heard = gevent.spawn(read_all, near)
    sending.get()
    far.sendall(after)
    far.close()
    assert heard.get() == before[100:] + after
    assert near.recv(100) == b""


def test_who_finishes_loses_nothing_of_what_was_over_before(ends: Ends) -> None:
    near, far = ends
    far.sendall(b"hello")
    far.shutdown(socket.SHUT_WR)
    assert near.recv(1) == b"h"  # and the rest is in the engine by now, with the end
    near.shutdown(socket.SHUT_WR)
    assert read_all(near) == b"ello"


@pytest.mark.parametrize("end", [DirectTlsStream.close, DirectTlsStream.abort])
def test_the_end_of_a_clients_connection_is_told_once(ends: Ends, end: Callable[[Any], None]) -> None:
    told: list[Exception | None] = []
    stream = DirectTlsStream.over(ends[0])
    stream.call_at_end(told.append)
    end(stream)
    assert told == [None] and stream.closed
    stream.close()
    assert told == [None]


def test_two_writers_do_not_mix(ends: Ends) -> None:
    near, far = ends
    writers = [gevent.spawn(near.sendall, letter * 500_000) for letter in (b"a", b"b")]
    heard = gevent.spawn(read_all, far)
    gevent.joinall(writers, raise_error=True)
    near.close()
    assert heard.get() in (b"a" * 500_000 + b"b" * 500_000, b"b" * 500_000 + b"a" * 500_000)


def test_an_end_that_anybody_could_have_made_is_none(ends: Ends) -> None:
    near, far = ends
    near.sendall(b"half of")
    near._socket.close()
    assert far.recv(100) == b"half of"
    with pytest.raises(StreamReset, match="cut off") as caught:
        far.recv(100)
    assert isinstance(caught.value, ConnectionResetError) and far.error is caught.value


def test_what_is_given_up_is_reset(ends: Ends) -> None:
    near, far = ends
    near.abort()
    with pytest.raises(ConnectionResetError):
        far.recv(1)
    assert near.closed


def test_what_was_altered_on_the_way_is_refused(ends: Ends) -> None:
    near, far = ends
    near._engine.write(b"hello")
    record = bytearray(near._engine.output())
    record[-1] ^= 1
    near._socket.sendall(record)
    with pytest.raises(ProtocolError, match="broken TLS"):
        far.recv(5)


def test_a_close_takes_along_what_the_kernel_had_no_room_for(ends: Ends) -> None:
    class Full:
        """A socket to a kernel that takes nothing at once."""

        def send(self, data: bytes, timeout: float | None = None) -> int:
            if timeout == 0.0:
                raise BlockingIOError
            return sock.send(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(sock, name)

    near, far = ends
    sock, near._socket = near._socket, Full()  # type: ignore[assignment]
    near.sendall(b"hello")
    near.close()
    assert read_all(far) == b"hello"


def test_what_a_timeout_held_up_leaves_before_what_is_said_next(ends: Ends) -> None:
    near, far = ends
    near.settimeout(0.05)
    with pytest.raises(TimeoutError):
        near.sendall(bytes(50_000_000))
    heard = gevent.spawn(read_all, far)
    near.settimeout(None)
    near.sendall(b"next")
    near.close()
    assert heard.get().strip(b"\0") == b"next"


def test_timeouts_files_and_names(ends: Ends) -> None:
    near, far = ends
    far.settimeout(0.02)
    assert far.gettimeout() == 0.02
    with pytest.raises(TimeoutError):
        far.recv(1)
    assert far.recv(0) == b""
    far.settimeout(None)
    with near.makefile("rw", encoding="utf-8", newline="\n") as file:
        near.close()  # the file goes on
        file.write("grüße\n")
        file.flush()
        assert far.recv(100).decode() == "grüße\n"
    assert far.recv(1) == b""
    assert far.getpeername()[0] == far.getsockname()[0] == "127.0.0.1"


def test_a_link_gets_what_came_with_the_handshake() -> None:
    near, far = secured(*connected())
    near.sendall(b"x")
    dialler = Link(near, dialled=True, peer="far end")
    opened = dialler.open(Dial("actor", "room", 1), "room")
    dialler.writer.flush()
    assert far.recv(1) == b"x"  # and the rest is in the engine by now
    listener = Link(
        far, dialled=False, peer="near end", serve=lambda link, stream, dial: link.accept_stream(stream)
    )
    dialler.start()
    listener.start()
    with gevent.Timeout(LIMIT):
        opened.wait_accepted()
    dialler.close()
    listener.close()


# ---- those who do not do as they should --------------------------------------------------------------------


def serving(ring: keys.KeyRing, tls: bool = True) -> Callable[[Any], Any]:
    def serve(sock: Any) -> Any:
        end = TlsStream(sock, a_certificate().engine()) if tls else sock
        return handshake.prove_to_client(end, "registry", holders(ring, keys.ROLES))

    return serve


def dialling(ring: keys.KeyRing, trust: Trust = ANYBODY) -> Callable[[Any], Any]:
    key = ring.credential(keys.OPERATOR)
    return lambda sock: handshake.prove_to_server(sock, "registry", key, trust=trust)


def test_both_prove_in_tls(ring: keys.KeyRing) -> None:
    identity, proved = meet(serving(ring), dialling(ring))
    assert identity[0] == keys.OPERATOR and isinstance(proved.connection, TlsStream)


def test_a_wrong_key_is_refused_in_tls_too(ring: keys.KeyRing, tmp_path: Path) -> None:
    theirs, mine = meet(serving(ring), dialling(keys.load(tmp_path / "other.key", create=True)))
    assert isinstance(theirs, AuthError) and isinstance(mine, AuthError)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\x16\x03\x01\xff\xff" + b"a" * 900]
)
def test_garbage_instead_of_a_client_hello(ring: keys.KeyRing, garbage: bytes) -> None:
    theirs, _ = meet(serving(ring), lambda sock: sock.sendall(garbage))
    assert isinstance(theirs, ProtocolError) and "TLS" in str(theirs)


def test_who_knows_no_tls_is_told_soon(ring: keys.KeyRing) -> None:
    theirs, mine = meet(serving(ring), handshake._receive)
    assert isinstance(theirs, ProtocolError) and isinstance(mine, ProtocolError)


def test_who_begins_tls_at_a_plain_port_is_told_soon(ring: keys.KeyRing) -> None:
    theirs, mine = meet(serving(ring, tls=False), lambda sock: TlsStream(sock, ANYBODY.engine()).start())
    assert isinstance(theirs, ProtocolError) and isinstance(mine, ProtocolError)


def test_who_drips_in_tls_is_dropped_in_time(ring: keys.KeyRing) -> None:
    theirs, _ = meet(
        lambda sock: handshake.prove_to_client(
            TlsStream(sock, a_certificate().engine()), "registry", holders(ring, keys.ROLES), limit=0.05
        ),
        lambda sock: [sock.sendall(b"\x16"), sock.recv(4096), sock.recv(4096)],
    )
    assert isinstance(theirs, ProtocolError) and "too long" in str(theirs)


# ---- in the middle -----------------------------------------------------------------------------------------


def relay(server: Any, *, tls_there: bool, tls_here: bool) -> Callable[[Any], str]:
    """Ends what it is told to of TLS itself, and passes on all that is said within."""

    def serve(sock: Any) -> str:
        there: Connection = socket.create_connection(server)
        if tls_there:
            assert there.recv(6) == handshake._TLS_FOLLOWS
            there = TlsStream(there, ANYBODY.engine())
            there.start()
        here: Connection = sock
        if tls_here:
            here = TlsStream(sock, certificate("auto").engine())  # type: ignore[union-attr]
            here.start(handshake._TLS_FOLLOWS)
        ways = [gevent.spawn(pass_on, here, there), gevent.spawn(pass_on, there, here)]
        gevent.joinall(ways, timeout=LIMIT)
        return "passed on"

    def pass_on(source: Connection, target: Connection) -> None:
        try:
            while data := source.recv(4096):
                target.sendall(data)
        except OSError:
            pass
        target.close()

    return serve


@pytest.mark.parametrize(
    "tls, tls_here",
    [(True, True), (True, False), (False, True)],
    ids=["another certificate", "taken away", "added"],
)
def test_who_stands_in_the_middle_fails_the_proof(
    ring: keys.KeyRing,
    tls: bool,
    tls_here: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake, "_spell", lambda address: b"one")  # as if it had the server's own
    refused: list[Any] = []

    def handle(sock: Any, peer: Any) -> None:
        try:
            handshake.prove_to_client(sock, "registry", holders(ring, keys.ROLES))
        except AuthError as error:
            refused.append(error)
            raise

    security = TransportSecurity(a_certificate() if tls else None)
    listener = Listener(Address("127.0.0.1", 0), handle, name="test", security=security)
    _, mine = meet(relay(listener.address, tls_there=tls, tls_here=tls_here), dialling(ring))
    assert isinstance(mine, AuthError)
    with gevent.Timeout(LIMIT):
        while not refused:
            gevent.idle()
    listener.close()


# ---- certificates ------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a CA and what it has signed, and another CA."""
    for name in ("ca", "other"):
        (tmp_path / f"{name}.pem").write_bytes(signed_by(None)[0])
    authority = signed_by(None)
    (tmp_path / "ca.pem").write_bytes(authority[0])
    shown, key = signed_by(authority)
    (tmp_path / "server.pem").write_bytes(shown + key)
    (tmp_path / "server.pem").chmod(0o600)
    return tmp_path


def test_a_certificate_by_the_ca(ring: keys.KeyRing, site: Path) -> None:
    made = certificate(str(site / "server.pem"))
    assert made is not None

    def serve(sock: Any) -> Any:
        return handshake.prove_to_client(
            TlsStream(sock, made.engine()), "registry", holders(ring, keys.ROLES)
        )

    for trust in (ANYBODY, Trust(site / "ca.pem")):
        identity, proved = meet(serve, dialling(ring, trust))
        assert identity[0] == keys.OPERATOR and isinstance(proved.connection, TlsStream)
    theirs, mine = meet(serve, dialling(ring, Trust(site / "other.pem")))
    assert isinstance(mine, AuthError) and "its certificate is refused: " in str(mine)
    assert isinstance(theirs, ProtocolError) and "unknown ca" in str(theirs)
    _, mine = meet(serving(ring), dialling(ring, Trust(site / "ca.pem")))
    assert isinstance(mine, AuthError) and "self-signed" in str(mine)


def test_a_ca_asks_for_tls(ring: keys.KeyRing, site: Path) -> None:
    _, mine = meet(serving(ring, tls=False), dialling(ring, Trust(site / "ca.pem")))
    assert isinstance(mine, AuthError) and f"tls-ca = {site / 'ca.pem'}" in str(mine)


def test_mistakes_in_files(site: Path) -> None:
    good = site / "server.pem"
    shown, key = signed_by(None)
    _, another = signed_by(None)
    encrypted = signed_by(None, passphrase=b"secret")[1]
    wrong = {
        "readable": (good.read_bytes(), r"others \(mode 640\): chmod 600 .*readable"),
        "mismatch": (shown + another, "the key in the tls file .*mismatch is not that of its certificate"),
        "no-key": (shown, "no-key is no PEM file with a certificate and its key"),
        "no-certificate": (key, "no-certificate is no PEM file"),
        "empty": (b"", "empty is no PEM file"),
        "encrypted": (shown + encrypted, "encrypted is no PEM file .* without a passphrase"),
    }
    for name, (content, told) in wrong.items():
        (site / name).write_bytes(content)
        (site / name).chmod(0o640 if name == "readable" else 0o600)
        with pytest.raises(ConfigError, match=told):
            certificate(str(site / name))
    with pytest.raises(ConfigError, match="no tls file yes: write no, auto, or the path of one"):
        certificate("yes")
    with pytest.raises(ConfigError, match=f"cannot read the tls file {site}: Is a directory"):
        certificate(str(site))
    with pytest.raises(ConfigError, match="empty has no certificate in PEM form"):
        Trust(site / "empty")
    with pytest.raises(ConfigError, match=r"cannot read the tls-ca file .*missing: No such file"):
        Trust(site / "missing")
    assert certificate("no") is None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"\(pip install cryptography\), or set tls to a PEM file"):
        certificate("auto")


def test_nothing_older_than_tls_1_3() -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        old.wrap_bio(incoming, outgoing).do_handshake()
    server = a_certificate().engine()
    server.receive(outgoing.read())
    with pytest.raises(ProtocolError, match="unsupported protocol"):
        server.handshake()


# ---- where it has to be ------------------------------------------------------------------------------------

EVERYWHERE = Address("0.0.0.0", 0)  # noqa: S104


class Bound:
    endpoint = "tcp://0.0.0.0:1"

    def bind(self, endpoint: str) -> None:
        pass


def test_beyond_loopback_only_in_tls(caplog: pytest.LogCaptureFixture) -> None:
    def serve(sock: Any, peer: Any) -> None:
        raise AssertionError

    told, encrypted = "tls = auto, or insecure-plaintext = yes", TransportSecurity(a_certificate())
    with pytest.raises(ConfigError, match=told):
        Listener(EVERYWHERE, serve, name="test")
    with pytest.raises(ConfigError, match=told):
        Ports(EVERYWHERE.host, None).listen(serve, "test")
    Listener(EVERYWHERE, serve, name="test", security=encrypted).close()
    Ports(EVERYWHERE.host, None, encrypted).listen(serve, "test").close()
    assert Ports(EVERYWHERE.host, None).lend(Bound(), "test", encrypted=True).port == 1
    assert not caplog.records
    Ports(EVERYWHERE.host, None).listen(serve, "public", public=True).close()
    Ports(EVERYWHERE.host, None).lend(Bound(), "lent", public=True)
    Listener(EVERYWHERE, serve, name="trusting", security=TransportSecurity(insecure_plaintext=True)).close()
    assert [record.getMessage().split()[0] for record in caplog.records] == ["public", "lent", "trusting"]


def test_it_is_told_of_the_port_that_is_taken_and_of_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def serve(sock: Any, peer: Any) -> None:
        raise AssertionError

    taken = Listener(Address("127.0.0.1", 0), serve, name="test")
    numbers = range(taken.address.port, taken.address.port + 100)
    free = Ports(EVERYWHERE.host, numbers).listen(serve, "public", public=True)
    free.close()
    taken.close()
    (told,) = caplog.records
    assert f"public listens at {free.address} in plain text" in told.getMessage()
