"""A link: one proved connection between two processes, holding any number of streams.

The loop itself reads: bytes to the session, its events to the streams. Whoever waits for what came goes on at
once, until it waits again; what all have to say then leaves together, by :mod:`stractory.net.writer`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any, cast
from weakref import ref

import gevent
from gevent.event import Event

from stractory.errors import ActorEnded, LinkClosed, LinkError, ProtocolError, StractoryError, StreamReset
from stractory.net.counters import counters
from stractory.net.secured import Connection, TlsConnection, unwrapped
from stractory.net.stream import Stream
from stractory.net.threads import threads
from stractory.net.writer import Writer
from stractory.wire import events
from stractory.wire.dialling import ACCEPTED, Dial, HeaderReader, decode_dial, encode_dial, encode_refusal
from stractory.wire.session import ENDED, SUSPENDED, Session

READ_SIZE = 64 * 1024
"""Bytes read at a time."""

MOST_READ = 512 * 1024
"""Bytes read at a time while there is so much."""

READ = 1
"""The event of the loop's watchers (libev's EV_READ)."""

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of them at which a peer is given up: beyond HIGH_WATER they can only be answers to its frames."""

Serve = Callable[["Link", Stream, Dial], None]
"""Accepts or refuses a stream the peer opened. The loop calls it: it must not wait."""


class Link:
    """One end of a link. ``peer`` says in words who is at the other, for errors and logs.

    It holds the streams that have a receiver; any other is given up, as a socket is, when nobody holds it. So
    is the link itself, with all streams, when nobody holds it or one of them.
    """

    session = b""  # a secret of the two ends, of their proof
    _started = False

    def __init__(self, sock: Connection, *, dialled: bool, peer: str, serve: Serve | None = None) -> None:
        self.peer = peer
        self.peer_address: Any = sock.getpeername()
        self.own_address: Any = sock.getsockname()
        self._at_end: tuple[Callable[[str], None], ...] = ()
        self.activity = 0  # grows with every read
        self.ended: str | None = None
        self.failure: Exception | None = None  # what broke it, if it did not end in order
        self._socket = unwrapped(sock)
        self._serve = serve
        self._session = Session(dialled=dialled)
        self.streams: dict[int, Stream | ref[Stream]] = {}  # itself where it is held
        self._parting = False  # one side has said that it goes
        self._closing: str | None = None  # why, if it is this one
        self._dialling: dict[int, HeaderReader[Dial]] = {}
        self._acknowledged = Event()  # set when a stream was: there may be room to open another
        self.writer = Writer(self._socket, self._session, self._break)
        self._threads = threads()
        self._process = os.getpid()
        self._over = Event()
        self._read_size = READ_SIZE
        self._reading = gevent.get_hub().loop.io(self._socket.fileno(), READ)

    def __repr__(self) -> str:
        return f"<Link to {self.peer}, {self.ended or f'{len(self.streams)} streams'}>"

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
        self.streams[stream.id] = ref(stream)
        self.writer.flush_soon()
        return stream

    def accept_stream(self, stream: Stream, answer: bytes = ACCEPTED) -> None:
        """Tell the peer that its stream is served, by one of the answers that say so."""
        self._session.accept(stream.id, answer)
        self.writer.flush_soon()

    def refuse_stream(self, stream: Stream, error: StractoryError) -> None:
        """Tell the peer why its stream is not served."""
        self._session.accept(stream.id, encode_refusal(error))
        stream.close()

    # ---- what streams ask for --------------------------------------------------------------------------

    def hold(self, stream: Stream) -> None:
        """Keep the stream alive until it is over: it has a receiver, and needs nobody to read from it."""
        if stream.id in self.streams:
            self.streams[stream.id] = stream

    def consumed(self, stream_id: int, size: int) -> None:
        self._session.consume(stream_id, size)
        if self._session.output_size:
            self.writer.flush_soon()

    def finish(self, stream_id: int) -> None:
        self._session.finish(stream_id)
        self.writer.flush_soon()

    def release(self, stream_id: int, abort: bool, code: int = 0) -> None:
        """The stream was closed here; what still comes for it is refused."""
        if self.streams.pop(stream_id, None) is None:
            return
        if abort:
            self._session.reset(stream_id, code)
        else:
            self._session.finish(stream_id)
        self._acknowledged.set()  # one less that is not acknowledged, perhaps
        self.writer.flush()

    def drop(self, stream_id: int, abort: bool) -> None:
        """A stream was collected that nobody closed. It may be called from any thread, at any moment."""
        self._later(self.release, stream_id, abort)

    # ---- reading ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read from now on."""
        if self.ended is None:
            self._started = True
            self._threads.links += 1
            self._reading.start(self._read, ref(self))
            if isinstance(self._socket, TlsConnection) and self._socket.pending:
                gevent.get_hub().loop.run_callback(self._read, ref(self))

    def run(self) -> None:
        """Read until the link is over."""
        self.start()
        try:
            self._over.wait()
        finally:
            self._end(f"the link to {self.peer} is no longer read")

    @staticmethod
    def _read(reference: ref[Link]) -> None:
        """The loop calls it when something has come. It must not hold the link."""
        link = reference()
        if link is None:
            return
        link.writer.armed = True  # the flush at the end here
        try:
            data = link._socket.recv(link._read_size)
            link._read_size = MOST_READ if len(data) == link._read_size else READ_SIZE
            if not data:
                link._read_end()
            link.activity += 1
            counters.received += len(data)
            for event in link._session.receive(data):
                _HANDLERS[type(event)](link, event)
                if link.ended is not None:
                    return
            if link._session.output_size > OUTPUT_LIMIT:
                raise ProtocolError("it asks for answers and does not read them")
        except BlockingIOError:
            pass
        except OSError as error:  # LinkError is one
            link.writer.flush()  # the go-away that tells a peer what it did wrong
            link._break(error)
        except BaseException:
            link._end(f"the link to {link.peer} is no longer read")
            raise
        finally:
            link.writer.flush()

    def _read_end(self) -> None:
        if not self._parting:
            raise LinkClosed("it ended without a word")
        self._end(self._closing or f"the link to {self.peer} was closed by it")

    def _stream_opened(self, event: events.StreamOpened) -> None:
        if self._serve is None:
            self._session.reset(event.stream_id)
        else:
            self._dialling[event.stream_id] = HeaderReader(decode_dial)

    def _data_received(self, event: events.DataReceived) -> None:
        stream_id, data = event
        found = self.streams.get(stream_id)
        stream = found() if type(found) is ref else found
        if stream is not None:
            stream.receive(data)  # type: ignore[union-attr]  # mypy does not narrow it by type()
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
        stream = Stream(self, stream_id, f"{dial.service} {dial.name}".rstrip())
        self.streams[stream_id] = ref(stream)
        if rest:
            stream.receive(rest)
        assert self._serve is not None  # noqa: S101  # for the type checker
        self._serve(self, stream, dial)

    def _find(self, stream_id: int) -> Stream | None:
        found = self.streams.get(stream_id)
        return found() if type(found) is ref else cast("Stream | None", found)

    def _stream_accepted(self, event: events.StreamAccepted) -> None:
        self._acknowledged.set()

    def _window_opened(self, event: events.WindowOpened) -> None:
        if stream := self._find(event.stream_id):
            stream.pump()

    def _stream_finished(self, event: events.StreamFinished) -> None:
        if stream := self._find(event.stream_id):
            stream.finished()
        elif self._dialling.pop(event.stream_id, None):
            self._session.reset(event.stream_id)

    def _stream_was_reset(self, event: events.StreamWasReset) -> None:
        self._dialling.pop(event.stream_id, None)
        self._acknowledged.set()
        stream = self._find(event.stream_id)
        self.streams.pop(event.stream_id, None)
        if stream:
            if event.code == ENDED:
                how = "it was destroyed or replaced, or its worker shut down"
                stream.fail(ActorEnded(f"{stream.label} has ended: {how}"))
            elif event.code == SUSPENDED:
                stream.lose(f"{self.peer} is cut off from its registry: it may live elsewhere by now")
            else:
                stream.fail(StreamReset(f"{stream.label}: given up by {self.peer}, whose log may tell why"))

    def _gone_away(self, event: events.GoAway) -> None:
        self._parting = True
        self._acknowledged.set()
        if event.code:
            raise ProtocolError(f"it complains of our bytes (go away, code {event.code})")

    # ---- ending ----------------------------------------------------------------------------------------

    def close(self, linger: float = 1.0, reason: str | None = None) -> None:
        """End it in order: what is queued is sent, within ``linger`` seconds, and the peer told.

        ``reason`` is what the streams that are left are told.

        Our direction is shut first and the rest read, because closing a socket with unread bytes would
        destroy what the peer has not read yet.
        """
        if self.ended is None:
            self._parting = True
            self._closing = reason or f"the link to {self.peer} was closed here"
            self._session.go_away()
            self.writer.finish(linger)
            with contextlib.suppress(OSError):
                self._socket.shutdown(SHUT_WR)
            if self._started:
                self._over.wait(linger)
            self._end(self._closing)

    def _break(self, error: OSError) -> None:
        text = str(error) if isinstance(error, LinkError) else error.strerror or str(error)
        if self.ended is None:
            error.__traceback__ = error.__context__ = None  # their frames hold the link, and what was read
            self.failure = error
        self._end(f"the link to {self.peer} broke: {text}")

    def _end(self, reason: str) -> None:
        if self.ended is not None:
            return
        self.ended = reason
        self._threads.links -= int(self._started)
        self._reading.stop()
        self._reading.close()
        self.writer.close()
        self._socket.close()
        self._over.set()
        self._acknowledged.set()
        streams = [stream for stream_id in self.streams if (stream := self._find(stream_id))]
        self.streams.clear()
        for stream in streams:
            stream.lose(reason)
        callbacks, self._at_end = self._at_end, ()
        for callback in callbacks:
            callback(reason)

    def __del__(self) -> None:
        if self._started and self.ended is None:
            self._later(self._end, f"nobody holds the link to {self.peer}")

    def _later(self, function: Callable[..., None], *args: Any) -> None:
        """Call it in the loop's next turn. Not in a process that was forked off: the link is its parent's."""
        try:
            if os.getpid() == self._process:
                self._threads.call_soon(function, *args)
        except (ValueError, TypeError, AttributeError):  # the loop is gone, or modules are being taken apart
            pass

    def call_at_end(self, callback: Callable[[str], None]) -> None:
        """Call it once, with the reason, when the link is over; at once if it is already."""
        if self.ended is not None:
            callback(self.ended)
        else:
            self._at_end += (callback,)


_HANDLERS: dict[type, Callable[[Link, Any], None]] = {
    events.StreamOpened: Link._stream_opened,
    events.DataReceived: Link._data_received,
    events.StreamAccepted: Link._stream_accepted,
    events.WindowOpened: Link._window_opened,
    events.StreamFinished: Link._stream_finished,
    events.StreamWasReset: Link._stream_was_reset,
    events.GoAway: Link._gone_away,
    events.PingAnswered: lambda link, event: None,  # any read is the sign of life that counts
}
