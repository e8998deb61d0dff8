"""What a yamux session tells its owner after it received bytes."""

from __future__ import annotations

from typing import NamedTuple


class StreamOpened(NamedTuple):
    """The peer opened a stream; answer with accept() or reset()."""

    stream_id: int


class StreamAccepted(NamedTuple):
    """The peer acknowledged a stream we opened."""

    stream_id: int


class DataReceived(NamedTuple):
    """Bytes for a stream. Its window stays smaller until they are given to consume()."""

    stream_id: int
    data: bytes


class WindowOpened(NamedTuple):
    """The peer gave credit to a stream that had none: send() takes bytes again."""

    stream_id: int


class StreamFinished(NamedTuple):
    """The peer will send no more on this stream."""

    stream_id: int


class StreamWasReset(NamedTuple):
    """The peer gave the stream up, in both directions; ``code`` may say why."""

    stream_id: int
    code: int = 0


class PingAnswered(NamedTuple):
    """The answer to ping(value)."""

    value: int


class GoAway(NamedTuple):
    """The peer takes no new streams; those that are open may end in peace."""

    code: int


Event = (
    StreamOpened
    | StreamAccepted
    | DataReceived
    | WindowOpened
    | StreamFinished
    | StreamWasReset
    | PingAnswered
    | GoAway
)
