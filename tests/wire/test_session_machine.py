"""Two sessions joined in memory, driven at random; and random bytes into every parser.

Windows, frames and the backlog are made small, so that a few steps reach their edges. STRACTORY_LONG=1 runs
many more examples.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stractory.errors import LinkClosed, ProtocolError, VersionMismatch
from stractory.wire import growth
from stractory.wire import session as session_module
from stractory.wire.codec import MessageReader, encode, unpack
from stractory.wire.events import (
    DataReceived,
    Event,
    GoAway,
    PingAnswered,
    StreamAccepted,
    StreamFinished,
    StreamOpened,
    StreamWasReset,
    WindowOpened,
)
from stractory.wire.frames import FrameReader, header
from stractory.wire.messages import Call, Failure, Result
from stractory.wire.session import Session
from stractory.wire.shipping import Code, Definition

WINDOW, MAX_FRAME, BACKLOG = 64, 16, 3
LARGEST, MOST_GROWTH = 4 * WINDOW, 6 * WINDOW
MOST_STREAMS = 5  # alive on one side, so that each sees a good deal

LONG = bool(os.environ.get("STRACTORY_LONG"))
pytestmark = pytest.mark.timeout(1200 if LONG else 60)
MACHINE = settings(
    max_examples=1000 if LONG else 200,
    stateful_step_count=200 if LONG else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
FUZZ = settings(max_examples=5_000 if LONG else 100, deadline=None)

sides = st.sampled_from([0, 1])
anyone = st.integers(0, 63)
sizes = st.integers(0, 2 * WINDOW)


@dataclass
class End:
    """One side's view of one stream, as its application sees it."""

    ours: bool
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    consumed: int = 0
    accepted: bool = False
    blocked: bool = False
    finished: bool = False
    their_finish: bool = False
    reset: bool = False

    @property
    def over(self) -> bool:
        return self.reset or (self.finished and self.their_finish)


@dataclass
class Side:
    session: Session
    arriving: bytearray = field(default_factory=bytearray)
    ends: dict[int, End] = field(default_factory=dict)
    pings: deque[int] = field(default_factory=deque)
    went_away: bool = False

    def pick(self, number: int) -> tuple[int, End] | None:
        """One of the streams; mostly one that lives."""
        ids = [stream_id for stream_id, end in self.ends.items() if number > 56 or not end.over]
        if not ids:
            return None
        stream_id = ids[number % len(ids)]
        return stream_id, self.ends[stream_id]


class TwoSessions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.small = ExitStack()
        for module, sizes in (
            (session_module, {"WINDOW": WINDOW, "MAX_FRAME": MAX_FRAME, "BACKLOG": BACKLOG}),
            (growth, {"LARGEST": LARGEST, "MOST_GROWTH": MOST_GROWTH}),
        ):
            self.small.enter_context(mock.patch.multiple(module, **sizes))
        self.sides = (Side(Session(dialled=True)), Side(Session(dialled=False)))
        self.byte = 0

    def payload(self, size: int) -> bytes:
        """Bytes that tell of any loss, repetition or exchange."""
        self.byte = (self.byte + size) % 251
        return bytes((self.byte + position) % 251 for position in range(size))

    # ---- what the applications do ------------------------------------------------------------------

    @precondition(lambda self: all(side.session.streams < MOST_STREAMS for side in self.sides))
    @rule(side=sides, size=st.integers(0, MAX_FRAME))
    def open(self, side: int, size: int) -> None:
        me = self.sides[side]
        first = self.payload(size)
        if me.session.exhausted:
            with pytest.raises(LinkClosed):
                me.session.open(first)
        elif me.session.can_open:
            me.ends[me.session.open(first)] = End(ours=True, sent=bytearray(first))
        else:
            waiting = [end for end in me.ends.values() if end.ours and not end.accepted and not end.over]
            assert len(waiting) == BACKLOG
            with pytest.raises(ValueError, match="await"):
                me.session.open(first)

    @rule(side=sides, number=anyone, size=st.integers(0, MAX_FRAME))
    def accept(self, side: int, number: int, size: int) -> None:
        me = self.sides[side]
        waiting = [(i, end) for i, end in me.ends.items() if not (end.ours or end.accepted or end.over)]
        if waiting:
            stream_id, end = waiting[number % len(waiting)]
            first = self.payload(size)
            me.session.accept(stream_id, first)
            end.accepted = True
            end.sent += first

    @rule(side=sides, number=anyone, size=sizes)
    def send(self, side: int, number: int, size: int) -> None:
        me = self.sides[side]
        picked = me.pick(number)
        if picked is None:
            return
        stream_id, end = picked
        if end.over or end.finished:
            with pytest.raises(LinkClosed):
                me.session.send(stream_id, self.payload(size))
        elif end.ours or end.accepted:
            self.send_some(me, stream_id, end, size)

    @rule(side=sides, number=anyone)
    def fill_a_window(self, side: int, number: int) -> None:
        me = self.sides[side]
        picked = me.pick(number)
        if picked is not None:
            stream_id, end = picked
            while not (end.blocked or end.over or end.finished) and (end.ours or end.accepted):
                self.send_some(me, stream_id, end, 2 * WINDOW)

    def send_some(self, me: Side, stream_id: int, end: End, size: int) -> None:
        data = self.payload(size)
        taken = me.session.send(stream_id, data)
        assert 0 <= taken <= min(size, MAX_FRAME)
        assert taken == 0 or not end.blocked
        end.blocked = taken == 0 < size
        end.sent += data[:taken]

    @rule(side=sides, number=anyone, share=st.sampled_from([1, 0.5, 0.1]))
    def consume(self, side: int, number: int, share: float) -> None:
        me = self.sides[side]
        picked = me.pick(number)
        if picked is not None:
            stream_id, end = picked
            size = int((len(end.received) - end.consumed) * share)
            me.session.consume(stream_id, size)
            end.consumed += size

    @rule(side=sides, number=anyone)
    def finish(self, side: int, number: int) -> None:
        me = self.sides[side]
        picked = me.pick(number)
        if picked is not None:
            stream_id, end = picked
            me.session.finish(stream_id)
            if not end.over:
                end.finished = True
                end.accepted |= not end.ours

    @rule(side=sides, number=anyone)
    def reset(self, side: int, number: int) -> None:
        me = self.sides[side]
        picked = me.pick(number)
        if picked is not None:
            stream_id, end = picked
            me.session.reset(stream_id)
            end.reset |= not end.over

    @rule(side=sides, value=st.integers(0, 0xFFFFFFFF))
    def ping(self, side: int, value: int) -> None:
        self.sides[side].session.ping(value)
        self.sides[side].pings.append(value)

    @precondition(lambda self: any(len(side.ends) > 3 for side in self.sides))
    @rule(side=sides)
    def go_away(self, side: int) -> None:
        self.sides[side].session.go_away()
        self.sides[side].went_away = True

    # ---- the wire ----------------------------------------------------------------------------------

    @rule(side=sides, size=st.one_of(st.integers(1, 40), st.just(10_000)))
    def deliver(self, side: int, size: int) -> None:
        me, peer = self.sides[side], self.sides[1 - side]
        data = bytes(me.arriving[:size])
        del me.arriving[:size]
        for event in me.session.receive(data):
            self.told(me, peer, event)

    def told(self, me: Side, peer: Side, event: Event) -> None:
        match event:
            case StreamOpened(stream_id):
                assert stream_id not in me.ends and peer.ends[stream_id].ours
                assert not me.went_away
                me.ends[stream_id] = End(ours=False)
            case StreamAccepted(stream_id):
                end = me.ends[stream_id]
                assert end.ours and not end.accepted and not end.over
                end.accepted = True
            case DataReceived(stream_id, data):
                end, other = me.ends[stream_id], peer.ends[stream_id]
                assert data and not end.over and not end.their_finish
                end.received += data
                assert other.sent.startswith(end.received)
                assert len(end.received) - end.consumed <= LARGEST
            case WindowOpened(stream_id):
                end = me.ends[stream_id]
                assert not end.over and not end.finished
                end.blocked = False
            case StreamFinished(stream_id):
                end = me.ends[stream_id]
                assert not end.over and not end.their_finish
                assert end.received == peer.ends[stream_id].sent
                end.their_finish = True
            case StreamWasReset(stream_id):
                end = me.ends[stream_id]
                assert not end.over
                refused = stream_id not in peer.ends and peer.went_away
                assert refused or peer.ends[stream_id].reset
                end.reset = True
            case PingAnswered(value):
                assert me.pings.popleft() == value
            case GoAway():
                assert peer.went_away

    @rule()
    def deliver_all(self) -> None:
        self.settle()
        for me, stream_id, end in self.everyone():
            other = self.other(me).ends.get(stream_id)
            assert other is not None or end.reset
            if other is not None and not (end.reset or other.reset):  # nothing may be missing
                assert end.received == other.sent
                assert end.their_finish == other.finished
                assert end.accepted == other.accepted
                window = (
                    self.other(me).session._streams[stream_id].window
                    if end.blocked and not end.finished
                    else 0
                )
                assert not window or len(other.received) - other.consumed > window // 2

    @invariant()
    def what_was_written_is_on_its_way(self) -> None:
        for me, peer in (self.sides, self.sides[::-1]):
            peer.arriving += b"".join(me.session.output())

    @invariant()
    def the_sessions_count_right(self) -> None:
        for me in self.sides:
            live = [end for end in me.ends.values() if not end.over]
            assert me.session.streams == len(live)
            assert me.session._our_unacknowledged == sum(end.ours and not end.accepted for end in live)
            assert me.session._their_unacknowledged == sum(not end.ours and not end.accepted for end in live)
            for stream_id, stream in me.session._streams.items():
                end = me.ends[stream_id]
                unread = len(end.received) - end.consumed
                assert stream.send_window >= 0
                assert end.their_finish or stream.receive_window + stream.consumed + unread == stream.window
            grown = sum(stream.window - WINDOW for stream in me.session._streams.values())
            assert 0 <= grown == MOST_GROWTH - me.session._growth._left <= MOST_GROWTH

    # ---- the end -----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Deliver all there is, until nothing moves."""
        self.what_was_written_is_on_its_way()
        while any(side.arriving for side in self.sides):
            for side in (0, 1):
                self.deliver(side, 10_000)
            self.what_was_written_is_on_its_way()
        self.the_sessions_count_right()

    def everyone(self) -> list[tuple[Side, int, End]]:
        return [(me, stream_id, end) for me in self.sides for stream_id, end in me.ends.items()]

    def other(self, me: Side) -> Side:
        return self.sides[me is self.sides[0]]

    def teardown(self) -> None:
        try:
            self.end_in_peace()
        finally:
            self.small.close()

    def end_in_peace(self) -> None:
        self.deliver_all()
        for me, stream_id, end in self.everyone():
            me.session.consume(stream_id, len(end.received) - end.consumed)
            end.consumed = len(end.received)
            if not end.ours and stream_id % 4 < 2:  # the others are finished without
                me.session.accept(stream_id)
                end.accepted = True
        self.settle()
        # With all of it consumed, everyone may send again.
        for me, stream_id, end in self.everyone():
            if not (end.over or end.finished):
                assert not end.blocked
                if end.ours or end.accepted:
                    self.send_some(me, stream_id, end, 5)
                    assert not end.blocked
                me.session.finish(stream_id)
                end.finished = True
                end.accepted |= not end.ours
        self.deliver_all()
        for me in self.sides:
            assert me.session.streams == 0
            assert not me.pings
            assert me.session._our_unacknowledged == me.session._their_unacknowledged == 0


TestTwoSessions = TwoSessions.TestCase
TestTwoSessions.settings = MACHINE


# ---- random bytes -------------------------------------------------------------------------------------

WIRE_ERRORS = (ProtocolError, VersionMismatch)

FRAMES = st.builds(
    lambda type, flags, stream_id, length, payload: (
        header(type, flags, stream_id, len(payload) if type == 0 else length)
        + (payload if type == 0 else b"")
    ),
    st.integers(0, 3),
    st.integers(0, 15),
    st.integers(0, 8),
    st.one_of(st.integers(0, 9), st.just(0xFFFFFFFF)),
    st.binary(max_size=20),
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=4), values, max_size=4),
    max_leaves=10,
)
NAMED = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)
IDS = st.integers(0, 2**64 - 1)
MESSAGES = st.one_of(
    st.builds(
        Call,
        st.none() | IDS,
        st.text(max_size=8),
        st.lists(VALUES, max_size=4),
        NAMED,
        st.none() | st.floats(0, 1e9),
    ),
    st.builds(Result, IDS, VALUES),
    st.builds(Failure, IDS, st.text(max_size=8), st.text(max_size=8), NAMED),
)
CODES = st.one_of(
    st.builds(Code.imported, st.text(max_size=12)),
    st.builds(
        Code.shipped,
        st.binary(max_size=40),
        st.sampled_from(["cpython-310", "cpython-313"]),
        st.text(max_size=5),
    ),
)
DEFINITIONS = st.builds(Definition, st.text(max_size=8), CODES, st.none() | CODES, NAMED)


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Valid bytes with some changed, left out or put in."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@st.composite
def pieces(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    whole = draw(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


frame_bytes = st.lists(FRAMES, max_size=12).map(b"".join)
message_bytes = st.lists(MESSAGES.map(encode), max_size=5).map(b"".join)


@FUZZ
@given(pieces(st.binary(max_size=200) | frame_bytes | mutated(frame_bytes)), st.booleans())
@example([header(0, 15, 1, 0)], True)
def test_any_bytes_into_a_session(received: list[bytes], dialled: bool) -> None:
    session = Session(dialled=dialled)
    session.open(b"one")
    session.open()
    session.output()
    try:
        for piece in received:
            session.receive(piece)
    except WIRE_ERRORS:
        assert session.output()[-1] == header(3, 0, 0, 1)
        assert session.exhausted


@FUZZ
@given(pieces(st.binary(max_size=200) | frame_bytes | mutated(frame_bytes)))
def test_any_bytes_into_a_frame_reader(received: list[bytes]) -> None:
    reader = FrameReader(limit=100)
    with suppress(*WIRE_ERRORS):
        for piece in received:
            list(reader.feed(piece))


@FUZZ
@given(pieces(frame_bytes))
def test_frames_are_the_same_however_they_are_cut(received: list[bytes]) -> None:
    cut, whole = FrameReader(limit=100), FrameReader(limit=100)
    assert [frame for piece in received for frame in cut.feed(piece)] == list(whole.feed(b"".join(received)))


@FUZZ
@given(pieces(st.binary(max_size=200) | mutated(message_bytes)))
def test_any_bytes_into_a_message_reader(received: list[bytes]) -> None:
    reader = MessageReader(limit=150)
    with suppress(ProtocolError):
        for piece in received:
            reader.feed(piece)


@FUZZ
@given(st.lists(MESSAGES, max_size=5), st.data())
def test_messages_are_the_same_however_they_are_cut(messages: list[object], data: st.DataObject) -> None:
    received = data.draw(pieces(st.just(b"".join(map(encode, messages)))))
    reader = MessageReader()
    assert [message for piece in received for message in reader.feed(piece)] == messages
    assert reader._unpacker is None


@FUZZ
@given(st.binary(max_size=200) | mutated(DEFINITIONS.map(lambda definition: definition.packed)))
def test_any_bytes_as_a_definition(packed: bytes) -> None:
    for parse in (Definition.unpack, unpack):
        with suppress(ProtocolError):
            parse(packed)


@FUZZ
@given(DEFINITIONS)
def test_definitions_arrive_as_they_were(definition: Definition) -> None:
    arrived = Definition.unpack(definition.packed)
    assert arrived == definition
    assert arrived.init.intact()
