"""A link: one proved connection between two processes, holding any number of streams.

One green thread reads (:meth:`Link.run`): bytes to the session, its events to the streams. It never waits for
anything but its socket. Whatever is written in one turn of the loop leaves in one send; when the kernel takes
no more, a writer green thread drains the rest and streams queue up for room, one frame each in turn.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any, cast

import gevent
from gevent.event import Event
from gevent.socket import socket

from stractory.errors import (
    LinkClosed,
    LinkError,
    ProtocolError,
    StractoryError,
    StreamReset,
    UnreachableError,
)
from stractory.net import sockets
from stractory.net.address import Address
from stractory.net.handshake import prove_to_server
from stractory.net.keys import Key
from stractory.net.stream import Stream
from stractory.wire import events
from stractory.wire.dialling import ACCEPTED, Dial, HeaderReader, decode_dial, encode_dial, encode_refusal
from stractory.wire.session import Session

READ_SIZE = 64 * 1024
READS_IN_A_ROW = 16
HIGH_WATER = 256 * 1024
"""Bytes of frames waiting for the kernel at which streams stop making more."""

Serve = Callable[["Link", Stream, Dial], None]
"""Accepts or refuses a stream the peer opened. It runs in the reader's green thread: it must not wait."""


class Link:
    """One end of a link. ``peer`` says in words who is at the other, for errors and logs.

    ``on_end`` functions are called once, with the reason, when the link is over.
    """

    def __init__(self, sock: socket, *, dialled: bool, peer: str, serve: Serve | None = None) -> None:
        self.peer = peer
        self.peer_address: Any = sock.getpeername()
        self.own_address: Any = sock.getsockname()
        self.on_end: list[Callable[[str], None]] = []
        self.activity = 0  # grows with every read
        self.ended: str | None = None
        self.failure: Exception | None = None  # what broke it, if it did not end in order
        self._socket = sock
        self._serve = serve
        self._session = Session(dialled=dialled)
        self._streams: dict[int, Stream] = {}
        self._dialling: dict[int, HeaderReader[Dial]] = {}
        self._acknowledged = Event()  # set when a stream was: there may be room to open another
        self._flush_armed = False
        self._writer: gevent.Greenlet[..., Any] | None = None
        self._waiting: deque[Stream] = deque()  # streams with bytes to send, while the kernel takes no more
        self._loop = gevent.get_hub().loop
        self._reader: gevent.Greenlet[..., Any] | None = None

    def __repr__(self) -> str:
        return f"<Link to {self.peer}, {self.ended or f'{len(self._streams)} streams'}>"

    @property
    def usable(self) -> bool:
        """Whether new streams can be opened here."""
        return self.ended is None and not self._session.exhausted

    # ---- streams -------------------------------------------------------------------------------------

    def open(self, dial: Dial, label: str, lost: Callable[[str], StractoryError] = LinkClosed) -> Stream:
        """Open a stream without waiting for the answer (:meth:`Stream.wait_accepted` does).

        Waits only while 256 streams are unanswered. Raises what ``lost`` makes when the link is over.
        """
        while self.usable and not self._session.can_open:
            self._acknowledged.clear()
            self._acknowledged.wait()
        if not self.usable:
            raise lost(f"{label}: {self.ended or f'the link to {self.peer} takes no new streams'}")
        stream = Stream(self, self._session.open(encode_dial(dial)), label, lost)
        self._streams[stream.id] = stream
        self.flush_soon()
        return stream

    def accept_stream(self, stream: Stream) -> None:
        """Tell the peer that its stream is served."""
        self._session.accept(stream.id, ACCEPTED)
        self.flush_soon()

    def refuse_stream(self, stream: Stream, error: StractoryError) -> None:
        """Tell the peer why its stream is not served."""
        self._session.accept(stream.id, encode_refusal(error))
        stream.close()

    # ---- what streams ask for --------------------------------------------------------------------------

    def has_room(self, stream: Stream) -> bool:
        """Whether a frame may be made now; if not, the stream is pumped when there is room."""
        if self._session.output_size < HIGH_WATER:
            return True
        self.flush()
        if self._writer is None:
            return True
        if stream not in self._waiting:
            self._waiting.append(stream)
        return False

    def send(self, stream_id: int, view: memoryview) -> int:
        """Frame what the window allows; returns how much."""
        size = self._session.send(stream_id, view)
        self.flush_soon()
        return size

    def consumed(self, stream_id: int, size: int) -> None:
        self._session.consume(stream_id, size)
        if self._session.output_size:
            self.flush_soon()

    def finish(self, stream_id: int) -> None:
        self._session.finish(stream_id)
        self.flush_soon()

    def release(self, stream: Stream, abort: bool) -> None:
        """The stream was closed here; what still comes for it is refused."""
        if self._streams.pop(stream.id, None) is not None:
            if abort:
                self._session.reset(stream.id)
            else:
                self._session.finish(stream.id)
            self.flush()

    # ---- writing ---------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop."""
        if not self._flush_armed:
            self._flush_armed = True
            self._loop.run_callback(self.flush)

    def flush(self) -> None:
        """Send what is queued as far as the kernel takes it now; a green thread sends the rest."""
        self._flush_armed = False
        if self._writer is not None or self.ended is not None:
            return
        output = b"".join(self._session.output())
        if not output:
            return
        try:
            sent = self._socket.send(output, 0, 0.0)  # type: ignore[call-arg]  # 0.0: do not wait
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._break(error)
            return
        if sent < len(output):
            self._writer = gevent.spawn(self._drain, memoryview(output)[sent:])

    def _drain(self, rest: memoryview | bytes) -> None:
        try:
            while rest:
                self._socket.sendall(rest)
                self._pump_waiting()
                rest = b"".join(self._session.output())
        except OSError as error:
            self._break(error)
        finally:
            self._writer = None

    def _pump_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            if self._session.output_size >= HIGH_WATER:
                break
            self._waiting.popleft().pump()

    # ---- reading ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Read until the link is over, in the calling green thread."""
        self._reader = cast("gevent.Greenlet[..., Any]", gevent.getcurrent())
        try:
            while data := self._socket.recv(READ_SIZE):
                self.activity += 1
                if self.activity % READS_IN_A_ROW == 0:
                    gevent.sleep(0)  # recv() does not let others run while there is always more to read
                for event in self._session.receive(data):
                    _HANDLERS[type(event)](self, event)
                if self._session.output_size:
                    self.flush_soon()
        except OSError as error:  # LinkError is one
            self.flush()  # the go-away that tells a peer what it did wrong
            self._break(error)
        finally:
            self._end(f"the link to {self.peer} was closed by it")

    def _stream_opened(self, event: events.StreamOpened) -> None:
        if self._serve is None:
            self._session.reset(event.stream_id)
        else:
            self._dialling[event.stream_id] = HeaderReader(decode_dial)

    def _data_received(self, event: events.DataReceived) -> None:
        stream_id, data = event
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.receive(data)
        elif stream_id in self._dialling:
            self._dial_received(stream_id, data)
        else:
            self._session.reset(stream_id)  # closed here; the peer did not know yet

    def _dial_received(self, stream_id: int, data: bytes) -> None:
        header = self._dialling[stream_id].feed(data)
        if header is None:
            self._session.consume(stream_id, len(data))
            return
        del self._dialling[stream_id]
        dial, rest = header
        self._session.consume(stream_id, len(data) - len(rest))
        stream = self._streams[stream_id] = Stream(self, stream_id, f"{dial.service} {dial.name}".rstrip())
        if rest:
            stream.receive(rest)
        assert self._serve is not None
        self._serve(self, stream, dial)

    def _stream_accepted(self, event: events.StreamAccepted) -> None:
        self._acknowledged.set()

    def _window_opened(self, event: events.WindowOpened) -> None:
        if stream := self._streams.get(event.stream_id):
            stream.pump()

    def _stream_finished(self, event: events.StreamFinished) -> None:
        if stream := self._streams.get(event.stream_id):
            stream.finished()
        elif self._dialling.pop(event.stream_id, None):
            self._session.reset(event.stream_id)

    def _stream_was_reset(self, event: events.StreamWasReset) -> None:
        self._dialling.pop(event.stream_id, None)
        self._acknowledged.set()
        if stream := self._streams.pop(event.stream_id, None):
            stream.fail(StreamReset(f"{stream.label}: the other side gave the stream up"))

    def _went_away(self, event: events.GoAway) -> None:
        self._acknowledged.set()
        if event.code:
            raise ProtocolError(f"it complains of our bytes (go away, code {event.code})")

    def _ping_answered(self, event: events.PingAnswered) -> None:
        pass  # any read is the sign of life that counts

    # ---- ending ----------------------------------------------------------------------------------------

    def close(self, linger: float = 1.0) -> None:
        """End it in order: what is queued is sent, within ``linger`` seconds, and the peer told.

        Our direction is shut first and the rest read, because closing a socket with unread bytes would
        destroy what the peer has not read yet.
        """
        if self.ended is None:
            self._session.go_away()
            self.flush()
            if self._writer is not None:
                self._writer.join(linger)
            with contextlib.suppress(OSError):
                self._socket.shutdown(SHUT_WR)
            if self._reader is not None and gevent.getcurrent() is not self._reader:
                self._reader.join(linger)
            self._end(f"the link to {self.peer} was closed here")

    def _break(self, error: OSError) -> None:
        text = str(error) if isinstance(error, LinkError) else error.strerror or str(error)
        if self.ended is None:
            self.failure = error
        self._end(f"the link to {self.peer} broke: {text}")

    def _end(self, reason: str) -> None:
        if self.ended is not None:
            return
        self.ended = reason
        self._socket.close()
        for task in (self._reader, self._writer):
            if task is not None and task is not gevent.getcurrent():
                task.kill(block=False)
        self._acknowledged.set()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose(reason)
        for callback in self.on_end:
            callback(reason)


_HANDLERS: dict[type, Callable[[Link, Any], None]] = {
    events.StreamOpened: Link._stream_opened,
    events.DataReceived: Link._data_received,
    events.StreamAccepted: Link._stream_accepted,
    events.WindowOpened: Link._window_opened,
    events.StreamFinished: Link._stream_finished,
    events.StreamWasReset: Link._stream_was_reset,
    events.GoAway: Link._went_away,
    events.PingAnswered: Link._ping_answered,
}


def dial(address: Address, purpose: str, credential: Key, serve: Serve | None = None) -> Link:
    """A proved link to what listens at ``address`` for ``purpose`` ("registry" or "worker").

    Raises UnreachableError, AuthError, VersionMismatch or ProtocolError, all naming the address.
    """
    sock = sockets.connect(address)
    peer = f"{purpose} {address}"
    try:
        prove_to_server(sock, purpose, credential)
    except StractoryError as error:
        sock.close()
        raise type(error)(f"{peer}: {error}") from None
    except OSError as error:
        sock.close()
        raise UnreachableError(f"{peer} broke off the handshake: {error.strerror or error}") from None
    except BaseException:
        sock.close()
        raise
    link = Link(sock, dialled=True, peer=peer, serve=serve)
    gevent.spawn(link.run)
    return link
