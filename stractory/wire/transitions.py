"""A yamux stream: its states, what can happen to it, legal transitions as data, and what is kept of it."""

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


class Kept:
    """What a session keeps about one stream. ``window`` is the credit that both sides begin with."""

    __slots__ = (
        "acknowledged",
        "consumed",
        "ours",
        "receive_window",
        "receives",
        "send_window",
        "sends",
        "state",
        "window",
    )

    def __init__(self, ours: bool, window: int) -> None:
        self.ours = ours
        self.enter(State.OPEN)
        self.acknowledged = False
        self.send_window = window
        self.window = window  # how much the peer may have on its way
        self.receive_window = window  # and how much of that is left
        self.consumed = 0  # read by the application, not yet given back to the peer

    def enter(self, state: State) -> None:
        self.state = state
        self.sends = Move.SEND_DATA in TRANSITIONS[state]
        self.receives = Move.RECEIVE_DATA in TRANSITIONS[state]
