"""The worked example of docs/protocol.md, to which others compare what they made of it, is what ours do."""

from __future__ import annotations

import os
import re
import time
from itertools import count
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from stractory.proof import handshake, keys
from stractory.proof.tickets import LIFETIME, Issuer
from stractory.wire.codec import encode, unpack
from stractory.wire.dialling import ACCEPTED, Dial, encode_dial
from stractory.wire.messages import Call, Result

DOCUMENT = Path(__file__).parents[2] / "docs/protocol.md"
LINE = re.compile(r"    (?P<name>[A-Za-z][A-Za-z0-9' ]*?)?  +(?P<value>\S+)")

_, _, EXAMPLE = DOCUMENT.read_text().partition("**A worked example.**")
_, KEY_LINE, TABLE, *_ = EXAMPLE.split("\n\n")


@pytest.fixture
def master(tmp_path: Path) -> keys.Key:
    """The key of the example."""
    path = tmp_path / "cluster.key"
    path.touch(mode=0o600)
    path.write_text(KEY_LINE.strip())
    return keys.load(path).keys[0]


@pytest.fixture(scope="module")
def told() -> dict[str, bytes]:
    """What the example has, by name. Text there is in quotes, all else hex, also on more than one line."""
    lines: dict[str, str] = {}
    name = ""
    for line in TABLE.splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        name = match["name"] or name
        lines[name] = lines.get(name, "") + match["value"]
    return {name: as_bytes(text) for name, text in lines.items()}


def as_bytes(text: str) -> bytes:
    return text[1:-1].encode() if text.startswith('"') else bytes.fromhex(text)


def test_keys(master: keys.Key, told: dict[str, bytes]) -> None:
    assert master.derive(keys.CLIENT, "alex").secret == told["key of client alex"]
    assert master.derive(keys.NODE, "w1").secret == told["key of node w1"]


def test_handshake(master: keys.Key, told: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, Any]] = []
    say = handshake._send

    def listen_in(sock: handshake.Connection, message: dict[str, Any]) -> bytes:
        said.append(message)
        return say(sock, message)

    nonces = count(1)
    monkeypatch.setattr(handshake, "_send", listen_in)
    monkeypatch.setattr(handshake, "_binding", lambda sock, address: told["binding"])
    monkeypatch.setattr(os, "urandom", lambda size: bytes([0x11 * next(nonces)] * size))
    listener, dialler = socket.socketpair()
    admit = handshake.holders(keys.KeyRing([master], master.path), keys.ROLES)
    listening = gevent.spawn(handshake.prove_to_client, listener, "registry", admit)
    proved = handshake.prove_to_server(dialler, "registry", master.derive(keys.CLIENT, "alex"))
    identity = listening.get(timeout=20)
    listener.close()
    dialler.close()

    greeting, hello = told["listener's map"], told["hello"]
    assert keys.digest(b"transcript", greeting, hello, told["binding"]) == told["T"]
    assert [unpack(greeting), {"h": hello, "m": told["dialler's m"]}, {"m": told["listener's m"]}] == said
    assert identity.session == proved.session == told["session"]


def test_ticket(master: keys.Key, told: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: bytes([0x33] * size))
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000 - LIFETIME)
    issued = Issuer(keys.CLIENT, "alex").issue(master.derive(keys.NODE, "w1"), "room", 7)
    assert issued == (told["ticket"], told["secret of the ticket"])
    assert unpack(told["ticket"])[0] == told["body"]


def test_look_up() -> None:
    _, _, rest = DOCUMENT.read_text().partition("Example: a look-up")
    frames = rest.split("\n\n")[1].splitlines()
    dial, accepted, call, _, nobody = ["".join(line.split("  ")[2].split()[1:]) for line in frames]
    assert bytes.fromhex(dial) == encode_dial(Dial("registry"))
    assert bytes.fromhex(accepted) == ACCEPTED
    assert bytes.fromhex(call) == encode(Call(1, "lookup", [["room"]], {}, None))
    assert bytes.fromhex(nobody) == encode(Result(1, [None]))
