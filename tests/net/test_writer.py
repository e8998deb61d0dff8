"""A link's way out, with a kernel that takes what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from socket import socketpair
from typing import Any

import gevent
import pytest

from stractory.net.writer import HIGH_WATER, PIECES, Writer
from stractory.wire.frames import DATA, SYN, FrameReader, header
from stractory.wire.growth import LARGEST
from stractory.wire.session import MAX_FRAME, Session


class Kernel:
    """A socket that takes ``room`` bytes, and a descriptor that the loop may watch."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.room = 1 << 40
        self.calls = 0
        self.within: Callable[[], None] = lambda: None  # called in the middle of the next send
        self._ends = socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def send(self, data: bytes) -> int:
        self.calls += 1
        within, self.within = self.within, lambda: None
        within()
        size = min(self.room, len(data))
        if not size:
            raise BlockingIOError
        self.room -= size
        self.taken += data[:size]
        return size

    def sendmsg(self, pieces: Sequence[bytes]) -> int:
        assert len(pieces) <= 1024
        return self.send(b"".join(pieces))

    def streams(self) -> list[int]:
        """Of which streams it took data, in order."""
        frames = FrameReader(LARGEST).feed(bytes(self.taken))
        return [frame.stream_id for frame in frames if frame.type == DATA and frame.length]

    def close(self) -> None:
        for end in self._ends:
            end.close()


class Bulk:
    """A stream with so much to send."""

    def __init__(self, writer: Writer, session: Session, size: int) -> None:
        self.id = session.open()
        self.left = size
        self._writer = writer

    def pump(self) -> None:
        while self.left and (size := self._writer.send(self, bytes(min(self.left, MAX_FRAME)))):
            self.left -= size

    def gather(self) -> None:
        raise AssertionError


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def session() -> Session:
    return Session(dialled=True)


@pytest.fixture
def writer(kernel: Kernel, session: Session) -> Iterator[Writer]:
    def broken(error: OSError) -> None:
        raise AssertionError

    writer = Writer(kernel, session, broken)
    yield writer
    writer.close()


def test_streams_take_turns_with_a_frame_each(kernel: Kernel, session: Session, writer: Writer) -> None:
    kernel.room = 0
    full, *waiting = (Bulk(writer, session, 3 * MAX_FRAME) for _ in range(5))
    full.left = HIGH_WATER  # all of its window
    for stream in (full, *waiting):
        stream.pump()
    kernel.room = 1 << 40
    while writer._draining:
        writer._drain()
    assert kernel.streams()[-12:] == [stream.id for stream in waiting] * 3


def test_nobody_overtakes_who_waits_for_room(kernel: Kernel, session: Session, writer: Writer) -> None:
    kernel.room = 0
    ahead, waiting, newcomer = (
        Bulk(writer, session, HIGH_WATER),
        Bulk(writer, session, 1),
        Bulk(writer, session, 1),
    )
    for stream in (ahead, waiting):
        stream.pump()
    writer._rest = session.output()  # as when the kernel has just taken the rest of what was before
    newcomer.pump()
    kernel.room = 1 << 40
    while writer._draining:
        writer._drain()
    assert kernel.streams()[-2:] == [waiting.id, newcomer.id]


def test_many_small_pieces_are_not_looked_through_again_and_again(
    kernel: Kernel, session: Session, writer: Writer
) -> None:
    session.receive(header(2, SYN, 0, 7) * 50 * PIECES)
    writer.flush()
    assert len(kernel.taken) == 12 * 50 * PIECES and kernel.calls == 1


def test_a_flush_in_the_middle_of_another(kernel: Kernel, session: Session, writer: Writer) -> None:
    def flush() -> None:  # as a collected object does that closes its stream
        session.ping(2)
        writer.flush()

    kernel.within, kernel.room = flush, 5
    session.ping(1)
    writer.flush()
    kernel.room = 1 << 40
    while writer._draining:
        writer._drain()
    assert [frame.length for frame in FrameReader(0).feed(bytes(kernel.taken))] == [1, 2]


def test_a_break_is_not_told_in_the_middle_of_a_flush(session: Session) -> None:
    class Broken:
        def send(self, data: bytes) -> int:
            raise ConnectionResetError

    told: list[Any] = []
    writer = Writer(Broken(), session, told.append)
    session.ping(1)
    writer.flush()
    session.ping(2)
    writer.flush()
    assert not told
    gevent.idle()
    assert [type(error) for error in told] == [ConnectionResetError]


def test_a_guard_may_cut_what_is_about_to_leave(kernel: Kernel, session: Session) -> None:
    broken: list[OSError] = []
    writer = Writer(kernel, session, broken.append)
    stream, error = Bulk(writer, session, 10), OSError("too late")
    looks: list[bool] = []
    writer.guard = lambda: looks.append(True)
    stream.pump()
    writer.flush()
    assert looks and kernel.streams() == [stream.id]
    writer.guard = lambda: writer.cut(error)
    stream.left = 10
    stream.pump()
    writer.flush()
    assert not stream.left and kernel.streams() == [stream.id]
    assert not broken  # but soon
    gevent.idle()
    assert broken == [error]
    writer.close()
