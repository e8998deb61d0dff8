"""The harnesses: one for each decoder of what others send, or write into files."""

from __future__ import annotations

import atexit
import io
import re
import shutil
import tempfile
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import zmq

from stractory.actors.zerorpc_port import _ValidEvents
from stractory.commands.config import Settings
from stractory.commands.workers import make_parser
from stractory.errors import (
    AuthError,
    ProtocolError,
    StaleTicket,
    StoreError,
    StractoryError,
    UnreachableError,
    VersionMismatch,
)
from stractory.http.access import PUBLIC, Access
from stractory.http.api import Api
from stractory.http.files import Files
from stractory.http.pages import Health, Pages
from stractory.http.request import Request
from stractory.http.server import receive
from stractory.http.sessions import Sessions
from stractory.net.address import Address
from stractory.net.certificates import AUTO, Certificate, certificate
from stractory.net.headers import receive_header
from stractory.net.process import Process
from stractory.net.trust import ANYBODY
from stractory.proof import keys
from stractory.proof.handshake import (
    _TLS_FOLLOWS,
    Admit,
    Credential,
    Identity,
    holders,
    prove_to_client,
    prove_to_server,
)
from stractory.proof.keys import Key, KeyRing
from stractory.proof.tickets import Issuer, Tickets
from stractory.registry.directory import Directory
from stractory.store.database import Database
from stractory.wire import frames
from stractory.wire.codec import MessageReader, encode, pack, unpack
from stractory.wire.definitions import Definitions
from stractory.wire.dialling import (
    ACCEPTED,
    Dial,
    HeaderReader,
    decode_answer,
    decode_dial,
    encode_dial,
    encode_refusal,
)
from stractory.wire.facts import ActorFacts, Busy, Load
from stractory.wire.frames import HEADER, header
from stractory.wire.info import ActorInfo, Location, WorkerInfo
from stractory.wire.life import Life, Report, Terms
from stractory.wire.messages import Call, Failure, Item, More, Release, Result
from stractory.wire.occasions import JsonLines, Msgpack
from stractory.wire.references import References
from stractory.wire.session import Session
from stractory.wire.shipping import Code, Definition
from tests.fuzz.harness import HARNESSES, Socket, attempt, cut, harness, read

__all__ = ["HARNESSES"]

FOLDER = Path(tempfile.mkdtemp(prefix="stractory-fuzz-"))
"""Where files are that are read."""

atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

KEYS = keys.KeyRing([keys.Key("0123abcd", keys.MASTER, "*", bytes(32), FOLDER)], FOLDER, ["mallory"])
CLIENT = KEYS.keys[0].derive(keys.CLIENT, "alice")
NODE = KEYS.keys[0].derive(keys.NODE, "pool")


# ---- a link ------------------------------------------------------------------------------------------------


@harness(
    b"\0" + header(frames.DATA, frames.ACK, 1, 2) + b"hi" + header(frames.WINDOW_UPDATE, frames.FIN, 3, 0),
    b"\7" + header(frames.WINDOW_UPDATE, frames.SYN, 1, 0) + header(frames.PING, frames.SYN, 0, 7),
    b"\xff" + header(frames.WINDOW_UPDATE, frames.RST, 1, 1) + header(frames.GO_AWAY, 0, 0, 0),
)
def session(data: bytes) -> None:
    """Frames, at either end: each is answered by one at most, and begins no more than one stream."""
    data, parts = cut(data)
    for dialled in (True, False):
        told = set()
        for fed in ([data], parts):
            end = Session(dialled=dialled)
            own = [end.open(b"first"), end.open()]
            begun = end.output_size
            told.add(read(end.receive, fed, ProtocolError, VersionMismatch))
            assert end.output_size - begun <= len(data) + HEADER.size
            assert end.streams <= len(own) + len(data) // HEADER.size
        assert len(told) == 1


@harness(
    encode_dial(Dial("actor", "room", 7, b"ticket")) + b"hello",
    encode_dial(Dial("registry")),
    ACCEPTED,
    encode_refusal(StractoryError("it does not")),
)
def headers(data: bytes) -> None:
    """What a stream begins with, and the answer."""
    for decode in (decode_dial, decode_answer):
        ended = StractoryError("ended")
        received = attempt(
            partial(receive_header, Socket(data), decode, ended), ProtocolError, StractoryError
        )
        reader = HeaderReader(decode)
        fed = attempt(partial(reader.feed, data), ProtocolError)
        if fed is None:
            assert received is ended
        elif isinstance(fed, tuple):
            assert (str(fed[0]), repr(fed[0])) == (str(received), repr(received))
            assert data.endswith(fed[1])


# ---- messages ----------------------------------------------------------------------------------------------

_LIMIT = 1024
_MESSAGES = (
    Call(1, "say", ["hello", b"\0", 1.5, None, True], {"to": {"all": [1]}}, 2.0),
    Call(None, 3, [], {}, None),
    Result(2**60, {("a", 1): [[]]}),
    Failure(3, "RemoteError", "no", {"type": "ValueError"}),
    Item(4, -1),
    More(4, 64),
    Release(1, 1),
)


@harness(
    *(b"\xff" + encode(message) for message in _MESSAGES),
    b"\0" + b"".join(map(encode, _MESSAGES)),
    bytes.fromhex("ff c714059600 02a26f6e91d4010180cb403e000000000000"),
    bytes.fromhex("03 c70c0392930101d4040101 9201d40401"),
)
def messages(data: bytes) -> None:
    """Rpc messages, of those who may pass functions and of those who may not."""
    data, parts = cut(data)
    told = set()
    for fed in ([data], parts):
        for functions in (None, References(_Remote)):
            words = read(MessageReader(functions, _LIMIT).feed, fed, ProtocolError)
            told.add((functions is None, words))
    assert len(told) == 2


class _Remote:
    """What stands for a function of the other side's."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.received = 0

    def __repr__(self) -> str:
        return f"<function {self.number}, {self.received} times>"


@harness(b"\xff" + Msgpack.encode(["draw.line", 0, [1.5, {"a": b"b"}]]), b"\0" + Msgpack.encode(["x"]) * 3)
def events(data: bytes) -> None:
    """Events over a link."""
    data, parts = cut(data)
    told = {read(Msgpack().feed, fed, ProtocolError) for fed in ([data], parts)}
    assert len(told) == 1


@harness(
    b"\xff" + JsonLines.encode(["draw.line", 0, [1.5, {"a": "b"}]]),
    b'\2["a", 1e400]\n["b", null, true, "\\ud800\\u00e9"]\r\n\n["c"]',
)
def lines(data: bytes) -> None:
    """Events at an own port. What is taken can be sent on, over a link too."""
    data, parts = cut(data)
    told = {read(JsonLines().feed, fed, ProtocolError) for fed in ([data], parts)}
    assert len(told) == 1
    if isinstance(heard := attempt(partial(JsonLines().feed, data), ProtocolError), list):
        for event in heard:
            attempt(partial(Msgpack.encode, event), ValueError)
            attempt(partial(JsonLines.encode, event), ValueError)


class _Events(_ValidEvents):  # type: ignore[misc]  # zerorpc has no types
    """What a zerorpc server takes of what comes, without a socket."""

    def __init__(self, came: list[zmq.Frame]) -> None:
        self._debug = False
        self._came = iter([came])

    def _recv(self, timeout: float | None = None) -> list[zmq.Frame]:
        try:
            return next(self._came)
        except StopIteration:
            raise OSError("no more") from None

    def __del__(self) -> None:
        pass


_EVENT = {"message_id": b"0123", "v": 3}


@harness(
    *(
        b"\2" + pack([_EVENT, name, args])
        for name, args in (("add", [1, 2]), ("_zpc_hb", [0]), ("OK", [None]))
    ),
    b"\0" + pack([{**_EVENT, "response_to": b"9"}, "_zpc_more", [64]]),
    b"\1" + pack([None, "add", []]),
)
def zerorpc(data: bytes) -> None:
    """Events at the own port of an rpc actor: proper ones, whatever comes."""
    came = [b"identity", b"", data[1:]][data[0] % 3 if data else 0 :]
    event = attempt(_Events([zmq.Frame(part) for part in came]).recv, OSError)
    if not isinstance(event, OSError):
        assert isinstance(event.name, str) and event.header["message_id"]
        hash((event.header["message_id"], event.header.get("response_to")))


# ---- proofs ------------------------------------------------------------------------------------------------


def _fixed(size: int) -> bytes:
    """In place of random bytes, so that an answer of yesterday's is right."""
    return bytes(size)


def _conversation(admit: Admit, credential: Credential) -> tuple[bytes, bytes]:
    """What each side of a handshake sends, the listening one first."""
    there = Socket(b"")
    for _ in range(2):  # each goes a step further with what the other has said
        here = Socket(there.sent)
        attempt(partial(prove_to_client, cast("Any", here), "worker", admit), StractoryError)
        there = Socket(here.sent)
        attempt(partial(prove_to_server, cast("Any", there), "worker", credential), StractoryError)
    return here.sent, there.sent


_KEYS_ADMITTED = holders(KEYS, keys.ROLES)
_TICKETS = Tickets(keys.KeyRing([NODE], FOLDER, ["mallory"]), now=lambda: 0.0)
_HOLDER = Identity(keys.CLIENT, "alice", bytes(32))

with patch("os.urandom", _fixed), patch("time.time", lambda: 0.0):
    _TICKET, _SECRET = Issuer(keys.CLIENT, "alice").issue(NODE, "room", 7)
    _LISTENING, _BY_KEY = _conversation(_KEYS_ADMITTED, CLIENT)
    _, _BY_TICKET = _conversation(_TICKETS.admit, Location(cast("Any", None), _TICKET, _SECRET))


CERTIFICATE = cast("Certificate", certificate(AUTO))


def _hellos() -> tuple[bytes, bytes]:
    """What either end begins with."""
    server, client = CERTIFICATE.engine(), ANYBODY.engine()
    client.handshake()
    hello = client.output()
    server.receive(hello)
    server.handshake()
    return hello, server.output()


_HELLO = _hellos()


@harness(_BY_KEY, _BY_TICKET)
def listening(data: bytes) -> None:
    """The side that lets in who proves a key, or a ticket: nobody else."""
    for admit, proof in ((_KEYS_ADMITTED, _BY_KEY[-32:]), (_TICKETS.admit, _BY_TICKET[-32:])):
        sock: Any = Socket(data)
        with patch("os.urandom", _fixed):
            prove = partial(prove_to_client, sock, "worker", admit)
            who = attempt(prove, AuthError, StaleTicket, ProtocolError)
        assert isinstance(who, Exception) or proof in data
        assert len(sock.sent) < 256


@harness(_LISTENING, _LISTENING.replace(b"worker", b"banker"), _TLS_FOLLOWS + _HELLO[1])
def dialling(data: bytes) -> None:
    """The side that proves a key: to nobody who does not know it."""
    sock: Any = Socket(data)
    with patch("os.urandom", _fixed):
        prove = partial(prove_to_server, sock, "worker", CLIENT)
        who = attempt(prove, AuthError, StaleTicket, ProtocolError, VersionMismatch, UnreachableError)
    assert isinstance(who, Exception) or _LISTENING[-32:] in data
    assert len(sock.sent) < 4096


@harness(*_HELLO)
def tls(data: bytes) -> None:
    """Both ends, of whoever speaks no TLS, or breaks it in the middle."""
    for engine in (CERTIFICATE.engine(), ANYBODY.engine()):
        engine.receive(data)
        done = attempt(engine.handshake, AuthError, ProtocolError)
        assert done is not True  # nobody can have answered what the other side has just made up
        assert len(engine.output()) < 4096


@harness(_TICKET)
def tickets(data: bytes) -> None:
    """Tickets: what is none of the registry's opens nothing."""
    check = partial(_TICKETS.check, data, "room", 7, _HOLDER)
    assert isinstance(attempt(check, AuthError, StaleTicket), Exception) or _TICKET[-32:] in data


# ---- what actors are made of -------------------------------------------------------------------------------

_IMPORTED = Code.imported("package.module:function")
_SHIPPED = Code.shipped(b"no pickle at all", "cpython-311", "0.4.0")


@harness(
    Definition("rpc", _IMPORTED, None, {"a": [1]}, {"concurrency": 1}).packed,
    Definition("stream", _SHIPPED, _IMPORTED, {}).packed,
)
def definitions(data: bytes) -> None:
    """Definitions, whose code stays unopened. What is taken is kept as it came."""
    known = Definitions()
    digest = attempt(partial(known.add, data), ProtocolError)
    if isinstance(digest, bytes):
        definition = known.find(digest)
        assert definition.packed == data
        for code in (definition.init, definition.wrapper):
            if code is not None:
                assert Code.from_wire(code.to_wire()) == code
                assert code.runtime is None or isinstance(code.runtime, str)
                code.intact()


_TERMS = Terms(True, "on-failure", 2.5, True)
_LIFE = Life("room", "rpc", 7, 1.5, b"0123", False, _TERMS, "alice at 10.0.0.7")

_ACTOR = ActorInfo(
    "room", "rpc", "127.0.0.1:9001", 7, "running", 1.5, False, False, creator="alice at 10.0.0.7"
)
_WORKER = WorkerInfo("127.0.0.1:9001", 7, "cpython-311 dill-0.4", 1, "running")
_LOAD = Load(9.5, 5, 1, 2, 3, 0.25, 4096, 0.5, 70, [Busy("room", 7, 4)])
_FACTS = ActorFacts(2, 30, 1, "ValueError: no", 1.5)
_ROWS = (Terms, Life, Report, Process, ActorInfo, Location, WorkerInfo, Load, ActorFacts)


@harness(
    *map(pack, (_TERMS, _LIFE, (_LIFE, "running"), Process("boot pid", 7, 9))),
    *map(pack, (_ACTOR, Location(_ACTOR, b"ticket", b"secret"), _WORKER, _LOAD, _FACTS)),
)
def lives(data: bytes) -> None:
    """What registry, workers and clients tell each other. What is taken travels on as it was."""
    value = attempt(partial(unpack, data), ProtocolError)
    if not isinstance(value, Exception):
        for row in _ROWS:
            made = attempt(partial(row.from_wire, value), ProtocolError)
            if isinstance(made, tuple):
                assert repr(row.from_wire(unpack(pack(made)))) == repr(made)


# ---- files -------------------------------------------------------------------------------------------------


def _file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@harness(
    b"# a comment\n" + KEYS.keys[0].as_line().encode() + b"\nstractory-revoked-v1 mallory\n",
    NODE.as_line().encode() * 2,
)
def key_file(data: bytes) -> None:
    """Key files: keys, or one line that names what is wrong."""
    ring = attempt(partial(keys.load, _file("key", data)), AuthError)
    if isinstance(ring, keys.KeyRing):
        assert ring.keys and all(len(key.secret) == 32 for key in ring.keys)
    else:
        assert "\n" not in str(ring)


@harness(
    b"[workers]\nlisten = 9001,[::1]:9002\nblock-report = 0.5\n; more\n[registry]\nx = y\n",
    b"\xef\xbb\xbf[workers]\nworkers = 4\nactor_port_range = 9100-9199\nlog-level = info\n",
    b"[workers]\nlisten = host\nmax-actors = -1\n",
)
def ini_file(data: bytes) -> None:
    """Settings, or one line and status 2."""
    said = io.StringIO()
    argv = ["-c", str(_file("ini", data))]
    with redirect_stderr(said):
        settings = attempt(partial(make_parser().parse, argv, {}), SystemExit)
    if not isinstance(settings, Settings):
        assert isinstance(settings, SystemExit) and settings.code == 2
        assert said.getvalue().count("\n") == 1


_RING = KeyRing([Key.new_master(Path("key"))], Path("key"))
_SITE = Address("127.0.0.1", 9080)
_DIRECTORY = Directory()
_API = Api(_DIRECTORY, cast("Any", SimpleNamespace(look=dict, facts=str)), dict)
_PAGES = [
    Pages(Access(_RING, Sessions(_RING), is_open=is_open), Files(), _API, Health(lambda: b"number 1", str))
    for is_open in (True, False)
]


@harness(
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n\r\n",
    b"HEAD /readyz?a=b HTTP/1.0\r\nHost: localhost:9080\r\nOrigin: null\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /%6c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n1\r\na\r\n0\r\n\r\n",
    b"GET /api/actors/a%2Fb HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nCookie: a=b; stractory-9080=c\r\n\r\n",
    b"GET /api/actors?match=*a* HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nAuthorization: Bearer a.b.c.d\r\n\r\n",
    b"GET /?once=abc HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n\r\n",
    b"GET http://evil/ HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nHost: evil\r\nConnection: upgrade\r\n\r\n",
)
def http_request(data: bytes) -> None:
    """One answer, whatever is asked for, and without a key none but that it is needed."""
    request = attempt(partial(receive, cast("Any", Socket(data)), _SITE), ProtocolError)
    if isinstance(request, Request):
        shown, hidden = (pages.answer(request) for pages in _PAGES)
        for answer in (shown, hidden):
            head = answer.head()
            assert re.fullmatch(rb"HTTP/1\.1 [0-9]{3} [A-Za-z ]+\r\n([A-Za-z-]+: [ -~]+\r\n)+\r\n", head)
        assert hidden.status[0] == "4" or request.path in PUBLIC


def _database(secret: bytes) -> bytes:
    """A small file of a registry's."""
    path = FOLDER / "seed.db"
    database = Database(path, secret)
    database.write({b"rroom": b"content", b"e": b"\7"})
    database.close()
    return path.read_bytes()


_DATABASE = _database(b"secret")


@harness(b"", b"\0\0\1", b"\0\0\1\x10\7\xff")
def store(data: bytes) -> None:
    """The registry's file, altered at some places: whatever is in it then, was in it before."""
    content = bytearray(_DATABASE)
    for start in range(0, len(data) - 2, 3):
        content[int.from_bytes(data[start : start + 2], "big") % len(content)] = data[start + 2]
    for old in FOLDER.glob("registry.db*"):
        old.unlink()
    database = attempt(partial(Database, _file("registry.db", bytes(content)), b"secret"), StoreError)
    if isinstance(database, Database):
        kept = dict(database.entries())
        database.close()
        assert kept.items() <= {b"rroom": b"content", b"e": b"\7"}.items()
