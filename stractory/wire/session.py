"""A yamux session: any number of flow-controlled streams over one ordered byte connection.

Pure: bytes go in by :meth:`Session.receive`, which returns events; what must be written comes out of
:meth:`Session.output`. It knows no socket, clock or green thread, and never waits.
What is collected in the middle of a method may use it: so pieces are made first, then put in place at once.

The rules are HashiCorp's specification (see :mod:`stractory.wire.frames`) and, where that is silent, the Go
implementation: at most :data:`BACKLOG` streams may await acknowledgement a side, a FIN closes one direction,
a RST both, and frames for a stream that is over are ignored.
"""

from __future__ import annotations

from stractory.errors import LinkClosed, ProtocolError
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
    HEADER,
    PING,
    RST,
    SYN,
    VERSION,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    new,
)
from stractory.wire.growth import LARGEST, Growth
from stractory.wire.transitions import OVER, TRANSITIONS, Kept, Move

WINDOW = 256 * 1024
"""Bytes of credit a stream has to begin with, in each direction; fixed by the specification."""

PROBE = 0x77696E64
"""The value of our own pings. Should another have the same, it does not matter whose answer comes first."""

BACKLOG = 256
"""Streams one side may have opened that the other has not acknowledged; Go's AcceptBacklog."""

MAX_FRAME = 64 * 1024
"""Most payload bytes put in one frame, so that a bulk stream leaves gaps for the others."""

LAST_STREAM_ID = 0xFFFFFFFF

NORMAL, PROTOCOL_ERROR, INTERNAL_ERROR = range(3)
"""Codes of a go-away frame."""

ENDED, SUSPENDED = 1, 2
"""Codes of a reset: what the stream was for has ended in order, or may live elsewhere. 0 tells nothing."""


class Session:
    """One end of a yamux session. ``dialled``: whether this side opened the connection."""

    def __init__(self, *, dialled: bool) -> None:
        self._reader = FrameReader(limit=LARGEST)
        self._growth = Growth()
        self._streams: dict[int, Kept] = {}
        self._next_id = 1 if dialled else 2
        self._their_parity = 0 if dialled else 1
        self._their_last_id = 0
        self._our_unacknowledged = 0
        self._their_unacknowledged = 0
        self._output: list[bytes] = []
        self.output_size = 0
        self._we_went_away = False
        self._they_went_away = False

    def __repr__(self) -> str:
        return f"<Session of {len(self._streams)} streams>"

    # ---- what the application does -----------------------------------------------------------------

    @property
    def streams(self) -> int:
        """How many streams are alive."""
        return len(self._streams)

    @property
    def can_open(self) -> bool:
        """Whether fewer than BACKLOG of our streams are unacknowledged. If not, wait for StreamAccepted."""
        return self._our_unacknowledged < BACKLOG

    @property
    def exhausted(self) -> bool:
        """Whether no new stream can ever be opened here: dial a new connection."""
        return self._they_went_away or self._we_went_away or self._next_id > LAST_STREAM_ID

    def open(self, first: bytes = b"") -> int:
        """Open a stream, its first bytes (at most MAX_FRAME) in the same frame; returns its id.

        Raises LinkClosed when the session is exhausted, and ValueError while can_open is False.
        """
        if self.exhausted:
            raise LinkClosed("the session takes no new streams")
        if not self.can_open:
            raise ValueError(f"{BACKLOG} streams await acknowledgement already")
        if len(first) > MAX_FRAME:
            raise ValueError(f"the first bytes of a stream are at most {MAX_FRAME}")
        stream_id, self._next_id = self._next_id, self._next_id + 2
        stream = self._streams[stream_id] = Kept(ours=True, window=WINDOW)
        stream.send_window -= len(first)
        self._our_unacknowledged += 1
        self._write(DATA if first else WINDOW_UPDATE, SYN, stream_id, len(first), first)
        return stream_id

    def accept(self, stream_id: int, first: bytes = b"") -> None:
        """Acknowledge a stream the peer opened, our first bytes (at most MAX_FRAME) in the same frame."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.acknowledged:
            return  # reset meanwhile
        if len(first) > MAX_FRAME:
            raise ValueError(f"the first bytes of a stream are at most {MAX_FRAME}")
        self._acknowledge(stream)
        stream.send_window -= len(first)
        self._write(DATA if first else WINDOW_UPDATE, ACK, stream_id, len(first), first)

    def send(self, stream_id: int, data: bytes | memoryview) -> int:
        """Queue as much of ``data`` as credit allows, in one frame of at most MAX_FRAME; returns how much.

        0 means that the window is used up: wait for WindowOpened. Raises LinkClosed when our direction
        is over.
        """
        stream = self._streams.get(stream_id)
        if stream is None or not stream.sends:
            raise LinkClosed(f"stream {stream_id} is closed for sending")
        size = whole = len(data)
        window = stream.send_window
        if size > window:
            size = window
        if size > MAX_FRAME:
            size = MAX_FRAME
        if size:
            stream.send_window = window - size
            payload = bytes(data if size == whole else memoryview(data)[:size])
            frame = HEADER.pack(VERSION, DATA, 0, stream_id, size), payload
            self._output += frame
            self.output_size += HEADER.size + size
        return size

    def consume(self, stream_id: int, size: int) -> None:
        """Say that ``size`` received bytes were used, so that the peer may send as many again.

        Credit is given back when it comes to half a window, to spare frames; more where the window grows.
        """
        stream = self._streams.get(stream_id)
        if stream is None or not stream.receives:
            return
        stream.consumed += size
        if stream.consumed >= stream.window // 2:
            more, probe = self._growth.credited(stream_id, stream.window)
            stream.window += more
            stream.receive_window += stream.consumed + more
            self._write(WINDOW_UPDATE, 0, stream_id, stream.consumed + more)
            stream.consumed = 0
            if probe:
                self.ping(PROBE)

    def finish(self, stream_id: int) -> None:
        """Send no more on this stream (FIN). A second time, or after the end, it does nothing."""
        stream = self._streams.get(stream_id)
        if stream is not None and Move.SEND_FIN in TRANSITIONS[stream.state]:
            # An acknowledgement that is still due rides along, or a peer would wait for it for ever.
            flags = FIN
            if not stream.acknowledged and not stream.ours:
                flags |= ACK
                self._acknowledge(stream)
            self._write(WINDOW_UPDATE, flags, stream_id, 0)
            self._advance(stream_id, stream, Move.SEND_FIN)

    def reset(self, stream_id: int, code: int = 0) -> None:
        """Give the stream up in both directions (RST). After the end it does nothing."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._write(WINDOW_UPDATE, RST, stream_id, code)
            self._advance(stream_id, stream, Move.SEND_RST)

    def ping(self, value: int) -> None:
        """Ask for a sign of life; PingAnswered(value) is the answer. ``value`` is a 32-bit number."""
        self._write(PING, SYN, 0, value)

    def go_away(self, code: int = NORMAL) -> None:
        """Take no new streams from now on."""
        if not self._we_went_away:
            self._we_went_away = True
            self._write(GO_AWAY, 0, 0, code)

    def output(self) -> list[bytes]:
        """What must be written, in order; it is the caller's from now on."""
        nothing: list[bytes] = []
        output, self._output = self._output, nothing
        self.output_size = 0
        return output

    # ---- what the peer did -------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """The events in ``data``, which may be cut anywhere.

        Raises ProtocolError or VersionMismatch when the peer breaks a rule: go_away(PROTOCOL_ERROR) is in
        output() then, and the session is of no use any more.
        """
        events: list[Event] = []
        try:
            for frame in self._reader.feed(data):
                type, flags, stream_id, length, payload = frame
                if not (type or flags) and length and (stream := self._streams.get(stream_id)):
                    self._receive_data(stream_id, stream, payload, events)  # as most are
                elif stream_id:
                    self._receive_stream_frame(frame, events)
                else:
                    self._receive_session_frame(frame, events)
        except Exception:
            self._we_went_away = True
            self._write(GO_AWAY, 0, 0, PROTOCOL_ERROR)  # after a NORMAL one too: it is the reason that counts
            raise
        return events

    def _receive_session_frame(self, frame: Frame, events: list[Event]) -> None:
        if frame.type == PING:
            if frame.flags == SYN:
                self._write(PING, ACK, 0, frame.length)
            elif frame.flags == ACK and frame.length == PROBE and self._growth.probing:
                self._growth.answered()
            elif frame.flags == ACK:
                events.append(PingAnswered(frame.length))
            else:
                raise ProtocolError(f"a ping with flags {frame.flags:#x}")
        elif frame.type == GO_AWAY:
            self._they_went_away = True
            events.append(GoAway(frame.length))
        else:
            raise ProtocolError("a data or window frame for stream 0")

    def _receive_stream_frame(self, frame: Frame, events: list[Event]) -> None:
        type, flags, stream_id, length, payload = frame
        if type > WINDOW_UPDATE:
            raise ProtocolError(f"a ping or go away for stream {stream_id}")
        if flags & SYN and not self._receive_opening(stream_id, events):
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            if not self._was_opened(stream_id):
                raise ProtocolError(f"a frame for stream {stream_id}, which was never opened")
            return  # sent before the peer knew that the stream was over
        if flags & ACK:
            if not stream.ours:
                raise ProtocolError(f"an acknowledgement of the peer's own stream {stream_id}")
            if not stream.acknowledged:
                self._acknowledge(stream)
                events.append(StreamAccepted(stream_id))
        if flags & RST:
            self._advance(stream_id, stream, Move.RECEIVE_RST)
            events.append(StreamWasReset(stream_id, length if type == WINDOW_UPDATE else 0))
            return
        if type == WINDOW_UPDATE:
            if length:
                self._receive_credit(stream_id, stream, length, events)
        elif length:
            self._receive_data(stream_id, stream, payload, events)
        if flags & FIN:
            self._advance(stream_id, stream, Move.RECEIVE_FIN)
            events.append(StreamFinished(stream_id))

    def _receive_opening(self, stream_id: int, events: list[Event]) -> bool:
        """Whether the opened stream lives."""
        if stream_id & 1 != self._their_parity:
            raise ProtocolError(f"the peer opened stream {stream_id}, which is ours to open")
        if stream_id <= self._their_last_id:
            raise ProtocolError(f"the peer opened stream {stream_id} again")
        self._their_last_id = stream_id
        if self._we_went_away or self._their_unacknowledged >= BACKLOG:
            self._write(WINDOW_UPDATE, RST, stream_id, 0)
            return False
        self._streams[stream_id] = Kept(ours=False, window=WINDOW)
        self._their_unacknowledged += 1
        events.append(StreamOpened(stream_id))
        return True

    def _receive_data(self, stream_id: int, stream: Kept, payload: bytes, events: list[Event]) -> None:
        if not stream.receives:
            raise ProtocolError(f"data for stream {stream_id} after its end")
        left = stream.receive_window - len(payload)
        if left < 0:
            raise ProtocolError(f"stream {stream_id} sent over its window of {stream.receive_window} bytes")
        stream.receive_window = left
        events.append(new(DataReceived, (stream_id, payload)))

    def _receive_credit(self, stream_id: int, stream: Kept, credit: int, events: list[Event]) -> None:
        if stream.send_window + credit > 0xFFFFFFFF:
            raise ProtocolError(f"the window of stream {stream_id} grew over 32 bits")
        stream.send_window += credit
        if stream.send_window == credit and stream.sends:
            events.append(WindowOpened(stream_id))

    # ---- small parts -------------------------------------------------------------------------------

    def _is_ours(self, stream_id: int) -> bool:
        return stream_id & 1 != self._their_parity

    def _was_opened(self, stream_id: int) -> bool:
        return stream_id < self._next_id if self._is_ours(stream_id) else stream_id <= self._their_last_id

    def _acknowledge(self, stream: Kept) -> None:
        stream.acknowledged = True
        if stream.ours:
            self._our_unacknowledged -= 1
        else:
            self._their_unacknowledged -= 1

    def _advance(self, stream_id: int, stream: Kept, move: Move) -> None:
        after = TRANSITIONS[stream.state].get(move)
        if after is None:
            raise ProtocolError(f"{move.name} on stream {stream_id}, which is {stream.state.name}")
        stream.enter(after)
        if after in OVER:
            del self._streams[stream_id]
            self._growth.ended(stream.window - WINDOW)
            if not stream.acknowledged:
                self._acknowledge(stream)  # nobody waits for it any more

    def _write(self, type: int, flags: int, stream_id: int, length: int, payload: bytes = b"") -> None:
        frame = HEADER.pack(VERSION, type, flags, stream_id, length) + payload
        self._output.append(frame)
        self.output_size += len(frame)
