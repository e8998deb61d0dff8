from __future__ import annotations

import hashlib
from typing import Any

import pytest

from stractory.errors import ProtocolError
from stractory.wire.codec import pack, unpack
from stractory.wire.shipping import Code, Definition

SHIPPED = Code.shipped(b"dill's output", "cpython-311", "0.4.1")
IMPORTED = Code.imported("package.module:function")
DIGEST = b"\x00" * 32

DEFINITIONS = [
    Definition("stream", SHIPPED, None, {}),
    Definition("rpc", IMPORTED, None, {"size": 3, "names": ["a", b"b"], "deep": {"er": None}}),
    Definition("rpc", SHIPPED, IMPORTED, {}, {"concurrency": 1}),
    Definition("", IMPORTED, SHIPPED, {}),
]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=["plain", "imported", "both", "wrapped"])
def test_there_and_back(definition: Definition) -> None:
    arrived = Definition.unpack(definition.packed)
    assert arrived == definition
    assert arrived.packed == definition.packed
    assert arrived.init.intact()


def test_bytes_on_the_wire() -> None:
    assert unpack(DEFINITIONS[2].packed) == [
        "rpc",
        [None, "cpython-311", "0.4.1", hashlib.sha256(b"dill's output").digest(), b"dill's output"],
        ["package.module:function", None, None, hashlib.sha256(b"package.module:function").digest(), b""],
        {},
        {"concurrency": 1},
    ]


def test_a_definition_is_packed_once() -> None:
    definition = Definition("rpc", SHIPPED, None, {})
    assert definition.packed is definition.packed


@pytest.mark.parametrize("definition", DEFINITIONS, ids=["plain", "imported", "both", "wrapped"])
def test_a_definition_cut_short_or_with_something_behind_it(definition: Definition) -> None:
    for end in range(len(definition.packed)):
        with pytest.raises(ProtocolError):
            Definition.unpack(definition.packed[:end])
    with pytest.raises(ProtocolError):
        Definition.unpack(definition.packed + b"\xc0")


@pytest.mark.parametrize("code", [SHIPPED, IMPORTED])
def test_code_that_changed_on_the_way_is_not_intact(code: Code) -> None:
    assert code.intact()
    path, python, dill, digest, body = code.to_wire()
    assert not Code(path, python, dill, digest[:-1] + bytes([digest[-1] ^ 1]), body).intact()
    assert not Code(path, python, dill, b"", body).intact()
    changed = Code(path and path + "2", python, dill, digest, body and body + b"2")
    assert not changed.intact()


CODE = SHIPPED.to_wire()


@pytest.mark.parametrize(
    "code",
    [
        [],
        ["path:f"],
        ["path:f", None, None, DIGEST, b"a body too"],
        ["path:f", "cpython-311", None, DIGEST, b""],
        ["path:f", None, "0.4.1", DIGEST, b""],
        ["path:f", None, None, "digest", b""],
        [b"path:f", None, None, DIGEST, b""],
        [None, None, None, DIGEST, b"body"],
        [None, "cpython-311", None, DIGEST, b"body"],
        [None, None, "0.4.1", DIGEST, b"body"],
        [None, "cpython-311", "0.4.1", "digest", b"body"],
        [None, "cpython-311", "0.4.1", DIGEST, "body"],
        [None, "cpython-311", "0.4.1", DIGEST, None],
        [*CODE, None],
        CODE[:-1],
    ],
    ids=repr,
)
def test_malformed_code(code: Any) -> None:
    for fields in (["rpc", code, None, {}, {}], ["rpc", CODE, code, {}, {}]):
        with pytest.raises(ProtocolError, match="malformed"):
            Definition.unpack(pack(fields))


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        [],
        ["rpc", CODE, None, {}],
        ["rpc", CODE, None, {}, {}, None],
        ["rpc", CODE, None, {}, None],
        ["rpc", CODE, None, {}, []],
        [b"rpc", CODE, None, {}, {}],
        [None, CODE, None, {}, {}],
        ["rpc", None, None, {}, {}],
        ["rpc", "package.module:function", None, {}, {}],
        ["rpc", CODE, "package.module:function", {}, {}],
        ["rpc", CODE, False, {}, {}],
        ["rpc", CODE, None, None, {}],
        ["rpc", CODE, None, [], {}],
    ],
    ids=lambda fields: repr(fields)[:40],
)
def test_malformed_definitions(fields: Any) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        Definition.unpack(pack(fields))
