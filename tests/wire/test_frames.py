from __future__ import annotations

import pytest

from stractory.errors import ProtocolError, VersionMismatch
from stractory.wire.frames import (
    ACK,
    ALL_FLAGS,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    header,
)
from tests.wire.cuts import Cut, every_cut

LIMIT = 100

FRAMES = [
    Frame(WINDOW_UPDATE, SYN, 1, 0),
    Frame(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
    Frame(DATA, SYN, 3, 5, b"hello"),
    Frame(DATA, 0, 3, 0),
    Frame(DATA, FIN, 3, LIMIT, bytes(range(LIMIT))),
    Frame(WINDOW_UPDATE, ACK | FIN, 2, 0),
    Frame(WINDOW_UPDATE, RST, 0xFFFFFFFF, 0),
    Frame(PING, SYN, 0, 0xDEADBEEF),
    Frame(PING, ACK, 0, 0xDEADBEEF),
    Frame(GO_AWAY, 0, 0, 2),
    Frame(DATA, ALL_FLAGS, 4, 1, b"\0"),
]


def encoded(frame: Frame) -> bytes:
    return header(frame.type, frame.flags, frame.stream_id, frame.length) + frame.payload


def read(reader: FrameReader, pieces: object) -> list[Frame]:
    return [frame for piece in pieces for frame in reader.feed(piece)]


def test_header_is_hashicorps() -> None:
    assert header(WINDOW_UPDATE, ACK | FIN, 0x01020304, 0x0A0B0C0D) == bytes.fromhex(
        "00010006010203040a0b0c0d"
    )
    assert HEADER.size == 12


@every_cut
@pytest.mark.parametrize("frame", FRAMES, ids=repr)
def test_each_frame_alone(frame: Frame, cut: Cut) -> None:
    assert read(FrameReader(LIMIT), cut(encoded(frame))) == [frame]


@every_cut
def test_all_frames_in_a_row(cut: Cut) -> None:
    assert read(FrameReader(LIMIT), cut(b"".join(map(encoded, FRAMES)))) == FRAMES


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
def test_a_frame_with_part_of_the_next_behind_it(frame: Frame) -> None:
    following = encoded(Frame(DATA, 0, 9, 4, b"next"))
    for cut in range(1, len(following)):
        reader = FrameReader(LIMIT)
        assert list(reader.feed(encoded(frame) + following[:cut])) == [frame]
        assert list(reader.feed(following[cut:])) == [Frame(DATA, 0, 9, 4, b"next")]


def test_nothing_comes_of_nothing() -> None:
    assert list(FrameReader(LIMIT).feed(b"")) == []


def test_a_frame_over_the_limit_is_refused_by_its_header() -> None:
    for length in (LIMIT + 1, 0xFFFFFFFF):
        with pytest.raises(ProtocolError, match=f"frame of {length} bytes"):
            list(FrameReader(LIMIT).feed(header(DATA, 0, 1, length)))


def test_frames_before_a_bad_one_are_given_first() -> None:
    frames = FrameReader(LIMIT).feed(encoded(FRAMES[0]) + header(DATA, 0, 1, LIMIT + 1))
    assert next(frames) == FRAMES[0]
    with pytest.raises(ProtocolError):
        next(frames)


@pytest.mark.parametrize("version", [1, 2, 0x47, 255])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(VersionMismatch):
        list(FrameReader(LIMIT).feed(HEADER.pack(version, DATA, 0, 1, 0)))


@pytest.mark.parametrize("type", [4, 5, 255])
def test_an_unknown_type_is_refused(type: int) -> None:
    with pytest.raises(ProtocolError, match=f"type {type}"):
        list(FrameReader(LIMIT).feed(header(type, 0, 1, 0)))


@pytest.mark.parametrize("flags", [0x10, 0x100, 0x8000, ALL_FLAGS + 0x10])
@pytest.mark.parametrize("type", [DATA, WINDOW_UPDATE, PING, GO_AWAY])
def test_unknown_flags_are_refused(type: int, flags: int) -> None:
    with pytest.raises(ProtocolError, match=f"flags {flags:#x}"):
        list(FrameReader(LIMIT).feed(header(type, flags, 1, 0)))
