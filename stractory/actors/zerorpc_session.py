"""Connections of ours over zerorpc: a channel that carries rpc messages, and what dials one.

A client calls :data:`SESSION` with the actor's name and epoch, and the channel that this opens carries rpc
messages (:mod:`stractory.wire.messages`) both ways, as many in an event as there are at the time: one
argument, bin. It ends with an event named :data:`END`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, cast

import gevent
import zmq
from gevent.event import AsyncResult, Event
from zerorpc import Client, Context, LostRemote, TimeoutExpired
from zerorpc.channel import BufferedChannel
from zerorpc.heartbeat import HeartBeatOnChannel
from zmq.utils.monitor import parse_monitor_message

from stractory.actors.curve import CurveKeys
from stractory.errors import AuthError, LinkClosed, ProtocolError, StaleLocation, WorkerUnavailable
from stractory.net.carrier import BlockingCarrier
from stractory.wire.codec import MESSAGE_LIMIT

log = logging.getLogger(__name__)

SESSION = "_stractory_session"
"""The method that turns a channel into a connection of ours."""

MESSAGES, END = "messages", "end"
"""Names of events on such a channel."""

MOST_SOCKETS = 65_000
"""ZeroMQ sockets of a process; without a word it allows 1,023."""

LINGER = 1000
"""Milliseconds for which a closed socket still tries to send; without a word ZeroMQ tries for ever."""

HEARTBEAT = 5.0
"""Seconds between signs of life on a session; with none for two to three times as long it is over."""

SILENCE = 600.0
"""As HEARTBEAT, at the port of an actor that may block: clients give more signs of life than it asks for."""

LAST_WORDS = 1.0
"""Seconds in which what came before the end of a connection is still taken."""

TIME_LIMIT = 5.0
"""Seconds in which a port must answer."""

DROPS = 2
"""Connections that may end without a word, before their keys are taken: one may be the end of a worker."""

_KEEPALIVE = (
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, 8),
    (zmq.TCP_KEEPALIVE_INTVL, 4),
    (zmq.TCP_KEEPALIVE_CNT, 3),
)
"""As of all our sockets."""

_WATCHED = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_CURVE = (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY)

_numbers = count()


def context() -> Context:
    """The process's ZeroMQ context, with room for as many actors as it has descriptors."""
    shared = Context.get_instance()
    if shared.get(zmq.MAX_SOCKETS) < MOST_SOCKETS:
        shared.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
    return shared


class _OneWayHeartBeat(HeartBeatOnChannel):  # type: ignore[misc]  # zerorpc has no types
    """Gives signs of life, and asks for none."""

    def _heartbeat(self) -> None:
        while True:
            gevent.sleep(self._heartbeat_freq)
            self._channel.emit("_zpc_hb", (0,))


def carrier_over(channel: BufferedChannel, label: str, ended: Callable[[], Any]) -> BlockingCarrier:
    """A carrier over a zerorpc channel. ``ended`` is called when it is over."""

    def read() -> Iterator[bytes]:
        while (event := channel.recv()).name != END:
            match event.args:
                case [bytes() as data] if event.name == MESSAGES:
                    yield data
                case _:
                    raise ProtocolError(f"{label}: malformed event")

    def shut(broken: bool) -> None:
        try:
            channel.channel.emit(END, ())  # past the flow control, which would wait
        except Exception as error:  # of a channel that is gone, anything
            log.debug("%s: %s", label, error)
        ended()

    return BlockingCarrier(label, read=read(), write=lambda data: channel.emit(MESSAGES, [data]), shut=shut)


def dial(
    endpoint: str,
    label: str,
    name: str,
    epoch: int,
    *,
    curve: CurveKeys | None = None,
    may_block: bool = False,
) -> BlockingCarrier:
    """A connection of ours to an rpc actor's own port, by the keys ``curve`` unless it is public.

    One that ``may_block`` has no limit of time, and is asked for no signs of life: TCP has keepalive.

    Raises StaleLocation, WorkerUnavailable, and AuthError when it refuses the keys or has another.
    """
    opened: AsyncResult[Any] = AsyncResult()
    # In a green thread of its own: a lost heartbeat raises in the one that made the channel.
    keeping = gevent.spawn(_keep_session, endpoint, label, (name, epoch), opened, curve, may_block)
    try:
        return cast("BlockingCarrier", opened.get())
    except BaseException:
        if opened.exception is None:  # or it is closing what it opened already
            keeping.kill(block=False)
        raise


def _keep_session(
    endpoint: str,
    label: str,
    life: tuple[str, int],
    opened: AsyncResult[Any],
    curve: CurveKeys | None,
    may_block: bool,
) -> None:
    client = Client(context=context())
    socket = client._events._socket
    socket.setsockopt(zmq.LINGER, LINGER)
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT)
    over = Event()
    monitor = socket.get_monitor_socket(_WATCHED, f"inproc://stractory.{next(_numbers)}")
    refused = None
    if curve is not None:
        refused = AuthError(f"{label}: its own port at {endpoint} does not take the key that its worker told")
        for option, key in zip(_CURVE, curve, strict=True):
            socket.setsockopt(option, key)
    watching = gevent.spawn(_watch, monitor, over, refused, cast("Any", gevent.getcurrent()))
    if may_block:
        socket.setsockopt(zmq.HANDSHAKE_IVL, int(SILENCE * 1000))
        for option, value in _KEEPALIVE:
            socket.setsockopt(option, value)
    client.connect(endpoint)
    signs = _OneWayHeartBeat if may_block else HeartBeatOnChannel
    channel = BufferedChannel(signs(client._multiplexer.channel(), freq=HEARTBEAT))
    carrier = None
    try:
        channel.emit(SESSION, life)
        answer = channel.recv(timeout=None if may_block else TIME_LIMIT)
        if answer.name == "ERR":
            raise StaleLocation(str(answer.args[1]))
        carrier = carrier_over(channel, label, over.set)
        opened.set(carrier)
        over.wait()
    except BaseException as error:
        if carrier is not None:
            carrier.give_up(LinkClosed(f"{label}: {error}"))
        elif isinstance(error, (LostRemote, TimeoutExpired)):
            opened.set_exception(WorkerUnavailable(f"{label}: nobody answers at {endpoint}"))
        else:
            opened.set_exception(error)
        if not isinstance(error, (Exception, gevent.GreenletExit)):
            raise
    finally:
        watching.kill()
        socket.disable_monitor()
        monitor.close()
        channel.close()
        client.close()


def _watch(monitor: Any, over: Event, refused: AuthError | None, keeping: gevent.Greenlet[..., Any]) -> None:
    """Have a session end with its TCP connection: ZeroMQ would dial anew, and nobody there would know it.

    Also when its keys are ``refused``, if it has any: ZeroMQ would say nothing.
    """
    if refused is not None and not _is_let_in(monitor):
        keeping.kill(refused, block=False)
        return
    while _next_event(monitor) != zmq.EVENT_DISCONNECTED:
        pass
    if not over.wait(LAST_WORDS):
        keeping.kill(LostRemote("the connection ended"), block=False)


def _is_let_in(monitor: Any) -> bool:
    for _ in range(DROPS):
        event = _next_event(monitor)
        if event != zmq.EVENT_DISCONNECTED:
            return event == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return False


def _next_event(monitor: Any) -> int:
    return int(parse_monitor_message(monitor.recv_multipart())["event"])
