"""Every rule of the session, one end at a time: the peer is a list of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stractory.errors import LinkClosed, ProtocolError, VersionMismatch
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
from stractory.wire.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    header,
)
from stractory.wire.growth import LARGEST, MOST_GROWTH
from stractory.wire.session import (
    BACKLOG,
    ENDED,
    INTERNAL_ERROR,
    LAST_STREAM_ID,
    MAX_FRAME,
    NORMAL,
    PROBE,
    PROTOCOL_ERROR,
    WINDOW,
    Session,
)
from stractory.wire.transitions import OVER, TRANSITIONS, Move, State
from tests.wire.cuts import Cut, byte_by_byte, every_cut

PROTOCOL_ERROR_FRAME = Frame(GO_AWAY, 0, 0, PROTOCOL_ERROR)
PROBING = Frame(PING, SYN, 0, PROBE)


def frame(type: int, flags: int, stream_id: int, length: int = 0, payload: bytes = b"") -> bytes:
    return header(type, flags, stream_id, length or len(payload)) + payload


def data(stream_id: int, payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream_id, payload=payload)


def window(stream_id: int, flags: int = 0, credit: int = 0) -> bytes:
    return frame(WINDOW_UPDATE, flags, stream_id, credit)


def sent(session: Session) -> list[Frame]:
    """What the session wants written, as frames."""
    return list(FrameReader(LARGEST).feed(b"".join(session.output())))


def refused(session: Session, received: bytes, match: str) -> None:
    """The session refuses ``received`` and says so to the peer, last of all."""
    with pytest.raises(ProtocolError, match=match):
        session.receive(received)
    assert sent(session)[-1] == PROTOCOL_ERROR_FRAME
    assert session.exhausted


@pytest.fixture
def dialler() -> Session:
    return Session(dialled=True)


@pytest.fixture
def listener() -> Session:
    return Session(dialled=False)


def test_a_reset_tells_why(listener: Session, dialler: Session) -> None:
    dialler.open()
    listener.receive(b"".join(dialler.output()))
    listener.reset(1, ENDED)
    assert dialler.receive(b"".join(listener.output())) == [StreamWasReset(1, ENDED)]


# ---- all events, however the bytes are cut ------------------------------------------------------------


CONVERSATION: list[tuple[bytes, list[Event]]] = [
    (window(1, ACK), [StreamAccepted(1)]),
    (data(1, b"hello"), [DataReceived(1, b"hello")]),
    (window(1, credit=5), []),  # it had credit already
    (window(3, credit=WINDOW), [WindowOpened(3)]),  # nothing was left
    (data(3, b"and ACK", ACK), [StreamAccepted(3), DataReceived(3, b"and ACK")]),
    (window(2, SYN), [StreamOpened(2)]),
    (data(4, b"first", SYN), [StreamOpened(4), DataReceived(4, b"first")]),
    (data(6, b"all in one", SYN | FIN), [StreamOpened(6), DataReceived(6, b"all in one"), StreamFinished(6)]),
    (window(8, SYN | RST), [StreamOpened(8), StreamWasReset(8)]),
    (frame(PING, SYN, 0, 77), []),
    (frame(PING, ACK, 0, 78), [PingAnswered(78)]),
    (data(1, b"bye", FIN), [DataReceived(1, b"bye"), StreamFinished(1)]),
    (data(1, b""), []),  # nothing, but after the end
    (window(3, FIN), [StreamFinished(3)]),
    (window(2, RST, ENDED), [StreamWasReset(2, ENDED)]),
    (window(2, FIN), []),  # over
    (data(4, b"lost", RST), [StreamWasReset(4)]),  # the length of data is no code
    (data(4, b"lost"), []),  # over
    (frame(GO_AWAY, 0, 0, 0), [GoAway(0)]),
]


def conversing() -> Session:
    session = Session(dialled=True)
    assert (session.open(), session.open()) == (1, 3)
    while session.send(3, bytes(WINDOW)):
        pass
    session.output()
    return session


@every_cut
def test_a_conversation(cut: Cut) -> None:
    session = conversing()
    received = b"".join(bytes for bytes, _ in CONVERSATION)
    events = [event for piece in cut(received) for event in session.receive(piece)]
    assert events == [event for _, events in CONVERSATION for event in events]
    assert sent(session) == [Frame(PING, ACK, 0, 77)]


def test_a_conversation_with_part_of_each_frame_ahead() -> None:
    for ahead in range(1, 12):
        session = conversing()
        given = 0
        received = b"".join(bytes for bytes, _ in CONVERSATION)
        end = 0
        for bytes_, events in CONVERSATION:
            end += len(bytes_)
            assert session.receive(received[given : end + ahead]) == events
            given = min(end + ahead, len(received))


def test_its_repr_counts_streams() -> None:
    assert repr(conversing()) == "<Session of 2 streams>"


# ---- opening ------------------------------------------------------------------------------------------


def test_ids_are_odd_from_the_dialler_and_even_from_the_other(dialler: Session, listener: Session) -> None:
    assert [dialler.open() for _ in range(3)] == [1, 3, 5]
    assert [listener.open() for _ in range(3)] == [2, 4, 6]
    assert sent(listener) == [Frame(WINDOW_UPDATE, SYN, stream_id, 0) for stream_id in (2, 4, 6)]


def test_the_first_bytes_ride_along(dialler: Session, listener: Session) -> None:
    dialler.open(b"hello")
    output = b"".join(dialler.output())
    assert output == data(1, b"hello", SYN)
    assert listener.receive(output) == [StreamOpened(1), DataReceived(1, b"hello")]
    listener.accept(1, b"welcome")
    output = b"".join(listener.output())
    assert output == data(1, b"welcome", ACK)
    assert dialler.receive(output) == [StreamAccepted(1), DataReceived(1, b"welcome")]
    # Both count against the window.
    for session, first in ((dialler, b"hello"), (listener, b"welcome")):
        assert total_credit(session, 1) == WINDOW - len(first)


def total_credit(session: Session, stream_id: int) -> int:
    total = 0
    while size := session.send(stream_id, bytes(WINDOW)):
        total += size
    return total


def test_the_first_bytes_are_one_frame_at_most(dialler: Session, listener: Session) -> None:
    dialler.open(bytes(MAX_FRAME))
    with pytest.raises(ValueError, match="at most"):
        dialler.open(bytes(MAX_FRAME + 1))
    assert dialler.streams == 1
    listener.receive(window(1, SYN) + window(3, SYN))
    with pytest.raises(ValueError, match="at most"):
        listener.accept(1, bytes(MAX_FRAME + 1))
    assert listener.output() == []
    listener.accept(1, bytes(MAX_FRAME))


def test_accepting_again_or_too_late_does_nothing(listener: Session) -> None:
    listener.receive(window(1, SYN) + window(3, SYN) + window(3, RST))
    listener.accept(1)
    listener.output()
    listener.accept(1)
    listener.accept(3)
    listener.accept(5)
    assert listener.output() == []


def test_an_acknowledgement_may_come_twice(dialler: Session) -> None:
    dialler.open()
    assert dialler.receive(window(1, ACK) + window(1, ACK)) == [StreamAccepted(1)]
    assert dialler._our_unacknowledged == 0


@pytest.mark.parametrize("dialled", [True, False])
def test_opening_a_stream_of_the_wrong_parity(dialled: bool) -> None:
    refused(Session(dialled=dialled), window(1 if dialled else 2, SYN), "ours to open")


def test_opening_a_stream_again(listener: Session) -> None:
    listener.receive(window(5, SYN))
    refused(listener, window(5, SYN), "opened stream 5 again")


def test_ids_may_not_go_back(listener: Session) -> None:
    listener.receive(window(5, SYN))
    refused(listener, window(3, SYN), "opened stream 3 again")


def test_an_id_is_not_free_again_when_its_stream_is_over(listener: Session) -> None:
    listener.receive(window(5, SYN) + window(5, RST))
    refused(listener, window(5, SYN), "opened stream 5 again")


def test_acknowledging_ones_own_stream(listener: Session) -> None:
    listener.receive(window(1, SYN))
    refused(listener, window(1, ACK), "acknowledgement of the peer's own stream 1")
    refused(Session(dialled=False), window(1, SYN | ACK), "acknowledgement of the peer's own stream 1")


@pytest.mark.parametrize("stream_id", [1, 2, 3, 0xFFFFFFFF])
@pytest.mark.parametrize("flags", [0, ACK, FIN, RST])
@pytest.mark.parametrize("type", [DATA, WINDOW_UPDATE])
def test_frames_for_a_stream_that_was_never_opened(
    type: int, flags: int, stream_id: int, dialler: Session
) -> None:
    refused(dialler, frame(type, flags, stream_id), f"stream {stream_id}, which was never opened")


def test_ids_run_out() -> None:
    session = Session(dialled=True)
    session._next_id = LAST_STREAM_ID - 2
    assert [session.open(), session.open()] == [LAST_STREAM_ID - 2, LAST_STREAM_ID]
    assert session.exhausted
    with pytest.raises(LinkClosed, match="no new streams"):
        session.open()
    # The streams that live are not touched, and the last id is known as opened.
    assert session.send(LAST_STREAM_ID, b"still") == 5
    assert session.receive(window(LAST_STREAM_ID, ACK)) == [StreamAccepted(LAST_STREAM_ID)]

    session = Session(dialled=False)
    session._next_id = LAST_STREAM_ID - 1
    assert session.open() == LAST_STREAM_ID - 1
    assert session.exhausted


def test_the_peers_last_id(listener: Session) -> None:
    assert listener.receive(window(LAST_STREAM_ID, SYN)) == [StreamOpened(LAST_STREAM_ID)]
    listener.receive(window(1, RST))  # skipped, so it counts as over


# ---- the backlog --------------------------------------------------------------------------------------


def test_our_backlog(dialler: Session) -> None:
    for _ in range(BACKLOG):
        assert dialler.can_open
        dialler.open()
    assert not dialler.can_open and not dialler.exhausted
    with pytest.raises(ValueError, match="256 streams"):
        dialler.open()
    dialler.output()
    dialler.receive(window(7, ACK))
    assert dialler.can_open
    dialler.open()
    assert not dialler.can_open


@pytest.mark.parametrize(
    "end",
    [
        lambda session: session.reset(1),
        lambda session: session.receive(window(1, RST)),
        lambda session: session.receive(window(1, FIN)) and session.finish(1),
    ],
    ids=["we reset", "they reset", "both finished"],
)
def test_the_end_of_an_unacknowledged_stream_frees_our_backlog(end: Callable[[Session], Any]) -> None:
    session = Session(dialled=True)
    for _ in range(BACKLOG):
        session.open()
    end(session)
    assert session.can_open
    session.open()
    assert not session.can_open
    session.receive(window(1, ACK))  # too late to count
    assert not session.can_open


def open_backlog(session: Session) -> int:
    """The peer opens as many streams as it may; returns the next id."""
    for stream_id in range(1, 2 * BACKLOG, 2):
        assert session.receive(window(stream_id, SYN)) == [StreamOpened(stream_id)]
    return 2 * BACKLOG + 1


def test_a_stream_over_the_peers_backlog_is_reset(listener: Session) -> None:
    stream_id = open_backlog(listener)
    assert listener.receive(data(stream_id, b"first", SYN)) == []
    assert sent(listener) == [Frame(WINDOW_UPDATE, RST, stream_id, 0)]
    assert listener.streams == BACKLOG
    # What the peer sent before it knew is ignored; the id is used up.
    assert listener.receive(data(stream_id, b"more") + window(stream_id, FIN)) == []
    refused(listener, window(stream_id, SYN), "again")


@pytest.mark.parametrize(
    "end",
    [
        lambda session: session.accept(1),
        lambda session: session.finish(1),
        lambda session: session.reset(1),
        lambda session: session.receive(window(1, RST)),
    ],
    ids=["accept", "finish", "reset", "they reset"],
)
def test_an_answer_frees_the_peers_backlog(end: Callable[[Session], Any]) -> None:
    session = Session(dialled=False)
    stream_id = open_backlog(session)
    end(session)
    assert session.receive(window(stream_id, SYN)) == [StreamOpened(stream_id)]
    assert session.receive(window(stream_id + 2, SYN)) == []


# ---- windows ------------------------------------------------------------------------------------------


def test_sending_is_cut_into_frames_and_stops_at_the_window(dialler: Session) -> None:
    dialler.open()
    dialler.output()
    payload = bytes(range(256)) * (WINDOW // 256) + b"over"
    position = 0
    while size := dialler.send(1, payload[position:]):
        assert size <= MAX_FRAME
        position += size
    assert position == WINDOW
    frames = sent(dialler)
    assert [frame.length for frame in frames] == [MAX_FRAME] * (WINDOW // MAX_FRAME)
    assert b"".join(frame.payload for frame in frames) == payload[:WINDOW]
    assert dialler.send(1, b"x") == 0 and dialler.output() == []

    assert dialler.receive(window(1, credit=3)) == [WindowOpened(1)]
    assert dialler.receive(window(1, credit=2)) == []
    assert dialler.send(1, b"abcdefg") == 5
    assert sent(dialler) == [Frame(DATA, 0, 1, 5, b"abcde")]
    assert dialler.send(1, b"fg") == 0


def test_sending_nothing_writes_nothing(dialler: Session) -> None:
    dialler.open()
    dialler.output()
    assert dialler.send(1, b"") == 0
    assert dialler.output() == []


def test_sending_a_view_of_what_changes_later(dialler: Session) -> None:
    dialler.open()
    dialler.output()
    buffer = bytearray(b"abc")
    assert dialler.send(1, memoryview(buffer)) == 3
    buffer[:] = b"xyz"
    assert sent(dialler) == [Frame(DATA, 0, 1, 3, b"abc")]


def test_the_peers_window_may_be_larger_from_the_start(dialler: Session) -> None:
    dialler.open()
    dialler.receive(window(1, ACK, credit=WINDOW))
    assert total_credit(dialler, 1) == 2 * WINDOW


def test_credit_may_come_with_the_opening(listener: Session) -> None:
    listener.receive(window(1, SYN, credit=10))
    assert total_credit(listener, 1) == WINDOW + 10


def test_credit_over_32_bits(dialler: Session) -> None:
    dialler.open()
    assert dialler.receive(window(1, credit=0xFFFFFFFF - WINDOW)) == []
    refused(dialler, window(1, credit=1), "over 32 bits")


def test_no_window_opens_where_nothing_can_be_sent(dialler: Session) -> None:
    dialler.open()
    total_credit(dialler, 1)
    dialler.finish(1)
    assert dialler.receive(window(1, credit=WINDOW)) == []


def test_data_just_to_the_window_and_over(listener: Session) -> None:
    listener.receive(window(1, SYN) + window(3, SYN))
    assert listener.receive(data(1, bytes(WINDOW))) == [DataReceived(1, bytes(WINDOW))]
    listener.receive(data(3, b"another stream has a window of its own"))
    refused(listener, data(1, b"x"), "over its window of 0 bytes")


def test_the_first_bytes_count_against_the_window(listener: Session) -> None:
    listener.receive(data(1, b"12345", SYN))
    refused(listener, data(1, bytes(WINDOW - 4)), f"over its window of {WINDOW - 5} bytes")


def test_a_frame_over_any_window_is_refused_by_its_header(listener: Session) -> None:
    listener.receive(window(1, SYN))
    refused(listener, header(DATA, 0, 1, LARGEST + 1), f"frame of {LARGEST + 1} bytes")


def test_credit_is_given_back_at_half_a_window(listener: Session) -> None:
    listener.receive(window(1, SYN) + data(1, bytes(WINDOW)))
    listener.consume(1, WINDOW // 2 - 1)
    assert listener.output() == []
    listener.consume(1, 1)
    assert sent(listener) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW // 2), PROBING]
    listener.consume(1, 10)
    assert listener.output() == []
    # The peer may send exactly that again.
    listener.receive(data(1, bytes(WINDOW // 2)))
    refused(listener, data(1, b"x"), "over its window of 0 bytes")


def test_credit_given_back_late_is_all_of_it(listener: Session) -> None:
    listener.receive(window(1, SYN) + data(1, bytes(WINDOW)))
    listener.consume(1, WINDOW // 2 - 1)
    listener.consume(1, WINDOW // 2 + 1)
    assert sent(listener) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW), PROBING]


def used(session: Session, stream_id: int, size: int) -> list[Frame]:
    """What is said when so many bytes come and are used."""
    while size:
        part = min(size, MAX_FRAME)
        session.receive(data(stream_id, bytes(part)))
        session.consume(stream_id, part)
        size -= part
    return sent(session)


def credit(frames: list[Frame]) -> int:
    return sum(frame.length for frame in frames if frame.type == WINDOW_UPDATE)


def test_a_window_used_up_within_a_round_trip_is_doubled(listener: Session) -> None:
    listener.receive(window(1, SYN))
    assert used(listener, 1, WINDOW // 2) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW // 2), PROBING]
    assert used(listener, 1, WINDOW // 2) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW // 2 + WINDOW)]
    # Once a round trip, at half of what it is now; and the peer may fill it.
    assert used(listener, 1, WINDOW - MAX_FRAME) == []
    assert used(listener, 1, MAX_FRAME) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW)]
    for _ in range(2 * WINDOW // MAX_FRAME):
        listener.receive(data(1, bytes(MAX_FRAME)))
    refused(listener, data(1, b"x"), "over its window of 0 bytes")


def test_a_window_that_lasts_longer_than_a_round_trip_stays(listener: Session) -> None:
    listener.receive(window(1, SYN))
    for _ in range(5):
        assert used(listener, 1, WINDOW // 2) == [Frame(WINDOW_UPDATE, 0, 1, WINDOW // 2), PROBING]
        assert listener.receive(frame(PING, ACK, 0, PROBE)) == []


def test_no_window_grows_over_the_largest(listener: Session) -> None:
    listener.receive(window(1, SYN))
    size = WINDOW
    while size < LARGEST:
        used(listener, 1, size // 2)
        assert credit(used(listener, 1, size // 2)) == size // 2 + size
        listener.receive(frame(PING, ACK, 0, PROBE))
        size *= 2
    assert used(listener, 1, LARGEST // 2) == [Frame(WINDOW_UPDATE, 0, 1, LARGEST // 2)]  # and no more pings


def grow(session: Session, stream_id: int) -> int:
    """Open a stream and use it fast; by how much its window has grown."""
    session.receive(window(stream_id, SYN))
    session.accept(stream_id)
    session.output()
    size, more = WINDOW, WINDOW
    while more:
        used(session, stream_id, size // 2)
        more = credit(used(session, stream_id, size // 2)) - size // 2
        size += max(more, 0)
        session.receive(frame(PING, ACK, 0, PROBE))
        if size == LARGEST:
            break
    return size - WINDOW


def test_all_windows_together_grow_by_so_much_until_streams_end(listener: Session) -> None:
    grown = [grow(listener, stream_id) for stream_id in range(1, 41, 2)]
    assert sum(grown) == MOST_GROWTH
    assert grown[0] == LARGEST - WINDOW and grown[-1] == 0
    listener.reset(1)
    assert grow(listener, 101) == LARGEST - WINDOW
    listener.receive(window(101, FIN))
    listener.finish(101)
    assert grow(listener, 103) == LARGEST - WINDOW


def test_a_ping_of_the_applications_that_looks_like_ours_is_answered_too(listener: Session) -> None:
    listener.receive(window(1, SYN))
    listener.ping(PROBE)
    used(listener, 1, WINDOW // 2)
    answers = frame(PING, ACK, 0, PROBE) * 2
    assert listener.receive(answers) == [PingAnswered(PROBE)]


@pytest.mark.parametrize("end", [window(1, FIN), window(1, RST)], ids=["finished", "reset"])
def test_no_credit_for_a_peer_that_sends_no_more(end: bytes, listener: Session) -> None:
    listener.receive(window(1, SYN) + data(1, bytes(WINDOW)) + end)
    listener.consume(1, WINDOW)
    listener.consume(99, WINDOW)
    assert listener.output() == []


# ---- the life of a stream -----------------------------------------------------------------------------


WAYS: dict[State, list[Move]] = {
    State.OPEN: [],
    State.LOCAL_CLOSED: [Move.SEND_FIN],
    State.REMOTE_CLOSED: [Move.RECEIVE_FIN],
    State.CLOSED: [Move.SEND_FIN, Move.RECEIVE_FIN],
    State.RESET: [Move.SEND_RST],
}
"""A way to each state."""


def move(session: Session, stream_id: int, move: Move) -> list[Event]:
    match move:
        case Move.SEND_DATA:
            session.send(stream_id, b"data")
        case Move.SEND_FIN:
            session.finish(stream_id)
        case Move.SEND_RST:
            session.reset(stream_id)
        case Move.RECEIVE_DATA:
            return session.receive(data(stream_id, b"data"))
        case Move.RECEIVE_FIN:
            return session.receive(window(stream_id, FIN))
        case Move.RECEIVE_RST:
            return session.receive(window(stream_id, RST))
    return []


WRITES = {
    Move.SEND_DATA: [Frame(DATA, 0, 1, 4, b"data")],
    Move.SEND_FIN: [Frame(WINDOW_UPDATE, FIN, 1, 0)],
    Move.SEND_RST: [Frame(WINDOW_UPDATE, RST, 1, 0)],
}
TELLS: dict[Move, list[Event]] = {
    Move.RECEIVE_DATA: [DataReceived(1, b"data")],
    Move.RECEIVE_FIN: [StreamFinished(1)],
    Move.RECEIVE_RST: [StreamWasReset(1)],
}


def in_state(state: State, dialled: bool) -> Session:
    """A session whose stream 1 is acknowledged and in ``state``."""
    session = Session(dialled=dialled)
    if dialled:
        session.open()
        session.receive(window(1, ACK))
    else:
        session.receive(window(1, SYN))
        session.accept(1)
    for step in WAYS[state]:
        move(session, 1, step)
    session.output()
    return session


@pytest.mark.parametrize("dialled", [True, False], ids=["ours", "theirs"])
@pytest.mark.parametrize("step", Move)
@pytest.mark.parametrize("state", State)
def test_every_move_in_every_state(state: State, step: Move, dialled: bool) -> None:
    session = in_state(state, dialled)
    assert session.streams == (state not in OVER)
    after = TRANSITIONS[state].get(step)
    if after is not None:
        assert move(session, 1, step) == TELLS.get(step, [])
        assert sent(session) == WRITES.get(step, [])
        assert session.streams == (after not in OVER)
        if after not in OVER:
            assert session._streams[1].state is after
    elif step is Move.SEND_DATA:
        with pytest.raises(LinkClosed, match="stream 1 is closed for sending"):
            move(session, 1, step)
        assert session.output() == []
    elif step < Move.RECEIVE_DATA or state in OVER:
        # Finishing or resetting what is over, and frames that crossed the end on their way.
        assert move(session, 1, step) == []
        assert session.output() == []
    else:
        with pytest.raises(ProtocolError):
            move(session, 1, step)
        assert sent(session) == [PROTOCOL_ERROR_FRAME]


def paths(state: State, length: int) -> Iterator[list[tuple[Move, State]]]:
    yield []
    if length:
        for step, after in TRANSITIONS[state].items():
            for rest in paths(after, length - 1):
                yield [(step, after), *rest]


def test_the_table_is_whole() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {state for state in State if not TRANSITIONS[state]} == OVER
    reached = {after for path in paths(State.OPEN, 3) for _, after in path}
    assert reached == set(State)
    # A stream can always be given up, by either side, until it is over.
    for state in set(State) - OVER:
        assert TRANSITIONS[state][Move.SEND_RST] is TRANSITIONS[state][Move.RECEIVE_RST] is State.RESET


def test_sending_on_a_stream_that_never_was(dialler: Session) -> None:
    with pytest.raises(LinkClosed):
        dialler.send(1, b"x")
    dialler.finish(1)
    dialler.reset(1)
    dialler.consume(1, 1)
    assert dialler.output() == []


def test_an_acknowledgement_rides_along_with_the_end(listener: Session) -> None:
    listener.receive(window(1, SYN))
    listener.finish(1)
    assert sent(listener) == [Frame(WINDOW_UPDATE, ACK | FIN, 1, 0)]
    listener.accept(1)
    assert listener.output() == []


def test_a_stream_of_ours_is_finished_before_it_is_acknowledged(dialler: Session) -> None:
    dialler.open()
    dialler.finish(1)
    assert sent(dialler)[-1] == Frame(WINDOW_UPDATE, FIN, 1, 0)
    assert dialler.receive(window(1, ACK | FIN)) == [StreamAccepted(1), StreamFinished(1)]
    assert dialler.streams == 0


# ---- the session itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF])
def test_ping(value: int, dialler: Session, listener: Session) -> None:
    dialler.ping(value)
    assert listener.receive(b"".join(dialler.output())) == []
    assert dialler.receive(b"".join(listener.output())) == [PingAnswered(value)]


@pytest.mark.parametrize("flags", [0, SYN | ACK, FIN, RST])
def test_pings_with_other_flags(flags: int, dialler: Session) -> None:
    refused(dialler, frame(PING, flags, 0, 1), "ping with flags")


@pytest.mark.parametrize("type", [DATA, WINDOW_UPDATE])
@pytest.mark.parametrize("flags", [0, SYN, ACK, FIN, RST])
def test_stream_frames_for_stream_0(type: int, flags: int, dialler: Session) -> None:
    refused(dialler, frame(type, flags, 0), "for stream 0")


@pytest.mark.parametrize("type", [PING, GO_AWAY])
def test_session_frames_for_a_stream(type: int, listener: Session) -> None:
    listener.receive(window(1, SYN))
    refused(listener, frame(type, SYN, 1), "for stream 1")


def test_going_away(dialler: Session, listener: Session) -> None:
    dialler.open()
    listener.receive(b"".join(dialler.output()))
    listener.accept(1)
    listener.go_away()
    listener.go_away(INTERNAL_ERROR)  # said already
    assert listener.exhausted
    with pytest.raises(LinkClosed):
        listener.open()
    dialler.open(b"crossed the go away")
    crossing = b"".join(dialler.output())
    assert dialler.receive(b"".join(listener.output())) == [StreamAccepted(1), GoAway(NORMAL)]
    assert dialler.exhausted
    with pytest.raises(LinkClosed):
        dialler.open()
    assert listener.receive(crossing) == []
    assert dialler.receive(b"".join(listener.output())) == [StreamWasReset(3)]
    # What is open ends in peace.
    dialler.send(1, b"bye")
    dialler.finish(1)
    assert listener.receive(b"".join(dialler.output())) == [DataReceived(1, b"bye"), StreamFinished(1)]
    listener.finish(1)
    assert dialler.receive(b"".join(listener.output())) == [StreamFinished(1)]
    assert dialler.streams == listener.streams == 0


@pytest.mark.parametrize("code", [0, 1, 2, 3, 0xFFFFFFFF])
def test_going_away_for_any_reason(code: int, dialler: Session) -> None:
    assert dialler.receive(frame(GO_AWAY, 0, 0, code)) == [GoAway(code)]
    assert dialler.exhausted


def test_the_reason_is_told_even_after_going_away(dialler: Session) -> None:
    dialler.go_away()
    refused(dialler, window(1, SYN), "ours to open")


def test_another_version(dialler: Session) -> None:
    with pytest.raises(VersionMismatch):
        dialler.receive(b"GET / HTTP/1.1\r\n")
    assert sent(dialler) == [PROTOCOL_ERROR_FRAME]


@pytest.mark.parametrize("bad", [frame(7, 0, 1), frame(DATA, 0x10, 1), header(DATA, 0, 1, LARGEST + 1)])
def test_malformed_frames_are_refused_as_soon_as_their_header_is_there(bad: bytes, dialler: Session) -> None:
    for piece in byte_by_byte(bad[:11]):
        assert dialler.receive(piece) == []
    refused(dialler, bad[11:12], "yamux frame")


def test_output_is_given_once(dialler: Session) -> None:
    dialler.open(b"x")
    assert dialler.output()
    assert dialler.output() == []
