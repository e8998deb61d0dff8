"""Every harness in short, with inputs that bytes by chance seldom become. scripts/fuzz goes on for longer."""

from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack import ExtType, packb

from tests.fuzz.decoders import HARNESSES
from tests.fuzz.harness import Harness

LENGTH = Struct(">H")

every_harness = pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(["running", "never", "on-failure", "each call", "rpc", "package.module:function"])
    | st.builds(ExtType, st.integers(0, 6), st.binary(max_size=9) | st.builds(packb, st.integers(0, 9)))
)
keys = st.text(max_size=3) | st.integers(0, 3)
values = st.recursive(
    scalars,
    lambda parts: (
        st.lists(parts, max_size=7)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), parts, max_size=4)
    ),
    max_leaves=20,
)


def within_lengths(packed: bytes) -> bytes:
    """Behind the length that some ask for."""
    return LENGTH.pack(len(packed)) + packed


packed = st.builds(packb, values)
shaped = packed | packed.map(within_lengths) | st.lists(packed, max_size=3).map(b"".join)


@st.composite
def altered(draw: st.DrawFn, corpus: list[bytes]) -> bytes:
    """One of the corpus, some of its bytes replaced, others added or lost."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.binary(max_size=4)) + data[start + draw(st.integers(0, 4)) :]
    return data


def inputs(harness: Harness) -> st.SearchStrategy[bytes]:
    begun = st.tuples(st.sampled_from([b"", b"\0", b"\1", b"\xff"]), shaped).map(b"".join)
    return st.binary(max_size=100) | begun | altered(harness.corpus())


@every_harness
def test_what_is_known_to_get_somewhere(harness: Harness) -> None:
    for data in harness.corpus():
        harness.run(data)


@every_harness
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_comes(harness: Harness, data: st.DataObject) -> None:
    harness.run(data.draw(inputs(harness)))
