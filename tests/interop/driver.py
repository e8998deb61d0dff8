"""The least that makes a :class:`stractory.wire.session.Session` run: one blocking socket, one thread.

The tests' own, so that what they prove is the wire layer alone. Every wait ends at the socket's timeout.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from stractory.wire.events import (
    DataReceived,
    Event,
    GoAway,
    PingAnswered,
    StreamAccepted,
    StreamFinished,
    StreamOpened,
    StreamWasReset,
)
from stractory.wire.session import Session

TIMEOUT = 20  # seconds, of any one wait


def pattern(size: int) -> bytes:
    """The bytes that peer.js makes too: byte i is i * 31 + i >> 8, cut to eight bits."""
    block = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(65536))
    return (block * (size // 65536 + 1))[:size]


class Stream:
    """What arrived on one stream."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.accepted = self.finished = self.reset = False


class Driver:
    """A session on a connected socket, run until something has happened."""

    def __init__(self, connection: socket.socket, *, dialled: bool) -> None:
        self.session = Session(dialled=dialled)
        self.socket = connection
        connection.settimeout(TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams: dict[int, Stream] = {}
        self.unserved: list[int] = []
        self.pings: list[int] = []
        self.went_away: int | None = None

    def close(self) -> None:
        self.socket.close()

    # ---- our side ----------------------------------------------------------------------------------

    def open(self, first: bytes = b"") -> int:
        stream_id = self.session.open(first)
        self.streams[stream_id] = Stream()
        return stream_id

    def send(self, stream_id: int, data: bytes) -> None:
        """All of ``data``, waiting for credit where there is none."""
        position = 0
        while position < len(data):
            size = self.session.send(stream_id, memoryview(data)[position : position + 65536])
            position += size
            if not size:
                self.step()
        self.flush()

    def flush(self) -> None:
        if output := b"".join(self.session.output()):
            self.socket.sendall(output)

    # ---- their side --------------------------------------------------------------------------------

    def step(self) -> list[Event]:
        """Write what is due, then wait for bytes and take them in."""
        self.flush()
        received = self.socket.recv(65536)
        if not received:
            raise EOFError("the peer closed the connection")
        events = self.session.receive(received)
        for event in events:
            self._take(event)
        self.flush()
        return events

    def _take(self, event: Event) -> None:
        match event:
            case StreamOpened(stream_id):
                self.streams[stream_id] = Stream()
                self.unserved.append(stream_id)
            case StreamAccepted(stream_id):
                self.streams[stream_id].accepted = True
            case DataReceived(stream_id, data):
                self.streams[stream_id].data += data
                self.session.consume(stream_id, len(data))
            case StreamFinished(stream_id):
                self.streams[stream_id].finished = True
            case StreamWasReset(stream_id):
                self.streams[stream_id].reset = True
            case PingAnswered(value):
                self.pings.append(value)
            case GoAway(code):
                self.went_away = code

    def until_over(self, *stream_ids: int) -> Iterator[bytes]:
        """All that arrived on each stream, once the peer has finished or reset it."""
        for stream_id in stream_ids:
            stream = self.streams[stream_id]
            while not (stream.finished or stream.reset):
                self.step()
            yield bytes(stream.data)

    def opened(self) -> int:
        """The next stream the peer opened."""
        while not self.unserved:
            self.step()
        return self.unserved.pop(0)

    def echo(self, stream_id: int) -> None:
        """Accept a stream of the peer's and give back what comes, to its end."""
        self.session.accept(stream_id)
        stream, position = self.streams[stream_id], 0
        while not (stream.finished and position == len(stream.data)):
            if position == len(stream.data):
                self.step()
            part = bytes(stream.data[position : position + 65536])
            self.send(stream_id, part)
            position += len(part)
        self.session.finish(stream_id)
        self.flush()
