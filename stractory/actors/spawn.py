"""Spawn actors: a child process whose output goes to every client, and whose input is what they send.

Over a link what the child writes travels as msgpack, each piece a bin, and its exit status as the last
value, an int. On the actor's own port its bytes travel as they are.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from stractory.actors.child import Child, Command
from stractory.actors.kinds import Owner
from stractory.errors import ActorExited, ProtocolError
from stractory.net.carrier import Carrier, over_socket
from stractory.net.runner import Runner
from stractory.net.serving import Share
from stractory.net.socketlike import CHUNK, SocketLike
from stractory.net.sockets import OwnStream
from stractory.net.stream import Stream
from stractory.wire.codec import ValueReader, pack
from stractory.wire.session import ENDED

EARLY_LIMIT = 64 * 1024
"""Bytes of output kept for the first client; of more, the last."""

LINGER = 10.0
"""Seconds for which a child that has ended waits for its first client, who may still hear of it."""

HALF_CLOSED_LIMIT = 60.0
"""Seconds for which a client at the own port may go on to listen that sends no more."""

DRAIN_LIMIT = 1.0
"""Seconds in which more of its output must come, once the child has ended, to be waited for."""


class SpawnServer:
    """One child for all connections."""

    def __init__(self, made: Command, owner: Owner) -> None:
        self._owner = owner
        self._child = Child(made)
        self._clients: list[_Client] = []
        self._early = bytearray()
        self._written = 0  # bytes of output
        self._had_clients = Event()
        self._input: Runner[tuple[Carrier, bytes]] = Runner(self._write_input, owner.run, in_turn=True)
        self._output = owner.spawn(self._read_output)
        owner.spawn(self._log_errors)
        owner.spawn(self._await_exit)

    def connect(self, stream: Any, address: Any) -> None:
        client = _Client(stream, f"actor {self._owner.name!r}", self._input, self._left)
        self._clients.append(client)
        if not self._had_clients.is_set():
            self._had_clients.set()
            early, self._early = bytes(self._early), bytearray()
            if early:
                self._send(early)

    def _left(self, client: _Client) -> None:
        self._clients = [each for each in self._clients if each is not client]

    def destroy(self) -> None:
        self._child.end()
        for client in self._clients:
            client.end()

    def _drain(self) -> None:
        """Wait for the last of its output. What it left behind may keep that open without a word."""
        before = -1
        while self._written > before and not self._output.ready():
            before = self._written
            self._output.join(DRAIN_LIMIT)

    def _read_output(self) -> None:
        for data in self._child.output():
            self._written += len(data)
            if self._had_clients.is_set():
                self._send(data)
            else:
                self._early += data
                del self._early[:-EARLY_LIMIT]

    def _send(self, data: bytes) -> None:
        """To every client. One that has left, or takes nothing for too long, is dropped; the others go on."""
        for client in self._clients:
            client.queue(data)
        for client in self._clients:
            client.make_room()

    def _write_input(self, piece: tuple[Carrier, bytes]) -> None:
        carrier, data = piece
        with contextlib.suppress(OSError, ValueError):  # it reads no more; the clients go on to hear it
            self._child.write(data)
        carrier.consumed(len(data))

    def _log_errors(self) -> None:
        for line in self._child.errors():
            self._owner.log.warning("%s", line)

    def _await_exit(self) -> None:
        status = self._child.wait()
        if status is not None:
            self._drain()
            self._had_clients.wait(LINGER)
            for client in self._clients:
                client.finish(status)
            self._owner.exited(status)


class _Client:
    """One connection, as the receiver of what it sends."""

    def __init__(
        self,
        stream: Any,
        label: str,
        input: Runner[tuple[Carrier, bytes]],
        left: Callable[[_Client], None],
    ) -> None:
        self.gone = False
        self._left = left
        self._raw = isinstance(stream, OwnStream)
        self._carrier: Carrier = over_socket(stream, label) if self._raw else stream
        self._input = input
        self._carrier.deliver_to(self)

    def data_received(self, data: bytes) -> None:
        self._input.add((self._carrier, data))
        self._input.go()

    def stream_ended(self, error: Exception | None) -> None:
        if error is not None:
            self._leave()
        elif self._raw:  # it may go on to listen, or have left: which, only writing tells
            gevent.spawn_later(HALF_CLOSED_LIMIT, self._carrier.abort)

    def queue(self, data: bytes) -> None:
        self._attempt(self._carrier.queue, data if self._raw else pack(data))

    def make_room(self) -> None:
        self._attempt(self._carrier.make_room)

    def finish(self, status: int) -> None:
        if not self._raw:
            self._attempt(self._carrier.queue, pack(status))
        self._carrier.close()

    def _attempt(self, way: Callable[..., object], *arguments: Any) -> None:
        if not self.gone:
            try:
                way(*arguments)
            except OSError:
                self._leave()

    def _leave(self) -> None:
        self.gone = True
        self._left(self)

    def end(self) -> None:
        self._carrier.abort(ENDED)


class SpawnClient(SocketLike):
    """A connection to a spawn actor: reading gives what the child writes, writing is its input.

    ``exit_status`` is None until the child has ended. Reading comes to an end then; where the status is not
    0 it raises ActorExited.
    """

    def __init__(self, stream: Stream) -> None:
        self.exit_status: int | None = None
        self._stream = stream
        self._reader = ValueReader(_piece)
        self._chunks: deque[bytes] = deque()
        self._io_refs = 0
        self._close_asked = False

    def __repr__(self) -> str:
        return f"<spawn client of {self._stream.label}{', closed' if self.closed else ''}>"

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At least one and at most ``size`` bytes; b"" at the end. Raises ActorExited there."""
        while not self._chunks:
            data = self._stream.recv(CHUNK, flags)
            if not data:
                if self.exit_status:
                    raise ActorExited(
                        f"{self._stream.label}: its child ended with status {self.exit_status}",
                        status=self.exit_status,
                    )
                return b""
            for piece in self._reader.feed(data):
                if isinstance(piece, int):
                    self.exit_status = piece
                elif piece:
                    self._chunks.append(piece)
        chunk = self._chunks.popleft()
        if len(chunk) > size:
            self._chunks.appendleft(chunk[size:])
        return chunk[:size]

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._stream.sendall(data)

    def shutdown(self, how: int) -> None:
        """Send no more. The child's input stays open for others."""
        self._stream.shutdown(how)

    def settimeout(self, seconds: float | None) -> None:
        self._stream.settimeout(seconds)

    def gettimeout(self) -> float | None:
        return self._stream.gettimeout()

    def getpeername(self) -> Any:
        return self._stream.getpeername()

    def getsockname(self) -> Any:
        return self._stream.getsockname()

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def close(self) -> None:
        """Leave. Unlike shutdown(SHUT_WR) it tells the actor that nobody listens here any more."""
        self._close_asked = True
        if self._io_refs <= 0:
            self._stream.abort()


def _piece(value: Any) -> bytes | int:
    if type(value) in (bytes, int):
        piece: bytes | int = value
        return piece
    raise ProtocolError("malformed output of a spawn actor")


class SpawnKind:
    def serve(self, made: Any, owner: Owner) -> SpawnServer:
        return SpawnServer(made, owner)

    def wrap(self, stream: Any, failed: Callable[[str, BaseException], None], share: Share) -> Any:
        return stream if isinstance(stream, OwnStream) else SpawnClient(stream)


KIND = SpawnKind()
