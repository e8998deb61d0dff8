from __future__ import annotations

import pytest

from stractory.errors import ProtocolError, UnknownDefinition
from stractory.wire.definitions import Definitions
from stractory.wire.shipping import Code, Definition


def definition(number: int, size: int = 0) -> Definition:
    return Definition("rpc", Code.imported(f"module:init{number}"), None, {"blob": bytes(size)})


def test_by_digest() -> None:
    known = Definitions()
    one, other = definition(1), definition(2)
    assert known.add(one.packed) == one.digest != other.digest
    assert known.find(one.digest) == one and known.find(one.digest).packed == one.packed
    known.add(one.packed)
    assert len(known) == 1
    for digest in (other.digest, b"", None, []):
        with pytest.raises(UnknownDefinition):
            known.find(digest)  # type: ignore[arg-type]


def test_what_is_no_definition() -> None:
    with pytest.raises(ProtocolError):
        Definitions().add(b"\xc0")


def test_those_not_asked_for_longest_go_first() -> None:
    known = Definitions(limit=3_500)
    some = [definition(number, 1000) for number in range(4)]
    for each in some[:3]:
        known.add(each.packed)
    known.find(some[0].digest)
    known.add(some[3].packed)
    assert len(known) == 3 and known.find(some[0].digest)
    with pytest.raises(UnknownDefinition):
        known.find(some[1].digest)


def test_the_last_is_kept_whatever_its_size() -> None:
    known = Definitions(limit=10)
    large = definition(1, 1000)
    known.add(definition(2).packed)
    assert known.find(known.add(large.packed)) == large and len(known) == 1
