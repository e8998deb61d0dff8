"""The life of a yamux stream: its states, what can happen to it, and every legal transition, as data."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):  # an int, because Enum hashes in Python and every frame asks the table
    """Which directions of a stream are still open. (Whether it was acknowledged is kept beside it.)"""

    OPEN = 1
    LOCAL_CLOSED = 2
    REMOTE_CLOSED = 3
    CLOSED = 4
    RESET = 5


class Move(IntEnum):
    """What can happen to a stream."""

    SEND_DATA = 1
    SEND_FIN = 2
    SEND_RST = 3
    RECEIVE_DATA = 4
    RECEIVE_FIN = 5
    RECEIVE_RST = 6


# Every legal move. One that is not here is a mistake: the peer's if received, the caller's if sent.
TRANSITIONS: dict[State, dict[Move, State]] = {
    State.OPEN: {
        Move.SEND_DATA: State.OPEN,
        Move.SEND_FIN: State.LOCAL_CLOSED,
        Move.SEND_RST: State.RESET,
        Move.RECEIVE_DATA: State.OPEN,
        Move.RECEIVE_FIN: State.REMOTE_CLOSED,
        Move.RECEIVE_RST: State.RESET,
    },
    State.LOCAL_CLOSED: {
        Move.SEND_RST: State.RESET,
        Move.RECEIVE_DATA: State.LOCAL_CLOSED,
        Move.RECEIVE_FIN: State.CLOSED,
        Move.RECEIVE_RST: State.RESET,
    },
    State.REMOTE_CLOSED: {
        Move.SEND_DATA: State.REMOTE_CLOSED,
        Move.SEND_FIN: State.CLOSED,
        Move.SEND_RST: State.RESET,
        Move.RECEIVE_RST: State.RESET,
    },
    State.CLOSED: {},
    State.RESET: {},
}
OVER = frozenset({State.CLOSED, State.RESET})
