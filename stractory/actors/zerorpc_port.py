"""An rpc actor's own port: a zerorpc server, for any zerorpc client, and for ours with callbacks.

A zerorpc client calls the actor's methods as those of any zerorpc server; a method that returns a generator
is a zerorpc stream. A client of ours calls :data:`SESSION` with the actor's name and epoch, and the channel
that this opens carries rpc messages (:mod:`stractory.wire.messages`) both ways, as many in an event as
there are at the time: one argument, bin. It ends with an event named :data:`END`.

What zerorpc 0.6.3 leaves open is closed here: events that would end its dispatcher are dropped, a channel
whose client sends more than it may is cut off, and Python above 3.10 can tell a method's arguments.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import gevent
import zmq
from gevent.event import AsyncResult, Event
from gevent.queue import Full
from zerorpc import Client, Context, LostRemote, TimeoutExpired
from zerorpc.channel import BufferedChannel, ChannelMultiplexer
from zerorpc.core import Server as ZerorpcServer
from zerorpc.core import ServerBase
from zerorpc.decorators import DecoratorBase
from zerorpc.events import Events
from zerorpc.heartbeat import HeartBeatOnChannel
from zerorpc.patterns import ReqRep, ReqStream

from stractory.errors import LinkClosed, ProtocolError, StaleLocation, WorkerUnavailable
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.carrier import BlockingCarrier
from stractory.net.serving import Methods, Serving

log = logging.getLogger(__name__)

SESSION = "_stractory_session"
"""The method that turns a channel into a connection of ours."""

MESSAGES, END = "messages", "end"
"""Names of events on such a channel."""

MOST_SOCKETS = 65_000
"""ZeroMQ sockets of a process; without a word it allows 1,023."""

LINGER = 1000
"""Milliseconds for which a closed socket still tries to send; without a word ZeroMQ tries for ever."""

STUCK = 1.0
"""Seconds in which a channel must take an event; the others of its port wait meanwhile."""

HEARTBEAT = 5.0
"""Seconds between signs of life on a session; after twice as long without one it is over."""

TIME_LIMIT = 5.0
"""Seconds in which a port must answer."""

_ID_LIMIT = 64


def context() -> Context:
    """The process's ZeroMQ context, with room for as many actors as it has descriptors."""
    shared = Context.get_instance()
    if shared.get(zmq.MAX_SOCKETS) < MOST_SOCKETS:
        shared.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
    return shared


class Port(ZerorpcServer):  # type: ignore[misc]  # zerorpc has no types
    """The server of one actor. ``bind`` it, ``run`` it in a green thread, ``close`` it."""

    def __init__(self, name: str, epoch: int, methods: Methods, serving: Serving) -> None:
        open_ = {word: method for word, method in methods.items() if not word.startswith("_")}
        own = {word: _Method(serving.guard(method)) for word, method in open_.items()}
        self._sessions: set[BlockingCarrier] = set()
        own[SESSION] = _Session(_Admission(name, epoch, serving, self._sessions))
        self._events = _ValidEvents(zmq.ROUTER, context())
        self._events.setsockopt(zmq.LINGER, LINGER)
        ServerBase.__init__(self, self._events, own, name, self._events.context)
        self._multiplexer.close()
        self._multiplexer: Any = _Multiplexer(self._events)

    def close(self) -> None:
        """End it; connections of ours are told."""
        for carrier in list(self._sessions):
            carrier.abort()
        gevent.sleep(0)  # lets the green thread of zerorpc's that sends take that to ZeroMQ
        self._task_pool.kill(block=False)
        super().close()

    @property
    def endpoint(self) -> str:
        """Where it is bound."""
        bound: bytes = self._events._socket.getsockopt(zmq.LAST_ENDPOINT)
        return bound.rstrip(b"\0").decode()


class OpenPort:
    """A :class:`Port` that runs at ``address``."""

    def __init__(self, port: Port, address: Address) -> None:
        self.address = address
        self._port = port
        self._running = gevent.spawn(port.run)

    def close(self) -> None:
        """End it, and the connections of ours at it."""
        self._port.close()
        self._running.kill(block=False)


class _ValidEvents(Events):  # type: ignore[misc]
    def recv(self, timeout: float | None = None) -> Any:
        while True:
            try:
                event = super().recv(timeout)
            except (gevent.Timeout, OSError):
                raise
            except Exception as error:
                log.warning("zerorpc: an event was dropped: %s", type(error).__name__)
                continue
            if _is_valid(event):
                return event
            log.warning("zerorpc: a malformed event was dropped")


def _is_valid(event: Any) -> bool:
    header = event.header
    answers = header.get("response_to")
    version = header.get("v", 1)
    return (
        _is_id(header.get("message_id"))
        and (answers is None or _is_id(answers))
        and type(version) is int
        and type(event.name) is str
        and type(event.args) in (list, tuple)
    )


def _is_id(value: Any) -> bool:
    return type(value) in (bytes, str) and 0 < len(value) <= _ID_LIMIT


class _Multiplexer(ChannelMultiplexer):  # type: ignore[misc]
    def _channel_dispatcher(self) -> None:
        while True:
            event = self._events.recv()
            id = event.header.get("response_to")
            channel = self._active_channels.get(id)
            if id is None:
                self._broadcast_queue.put(event)
            elif channel is not None:
                try:
                    channel._queue.put(event, timeout=STUCK)
                except Full:  # its client sent more than it may, and broke it
                    log.warning("zerorpc: a channel takes no more events and is cut off")
                    self._active_channels.pop(id, None)


class _Either:
    """A result, or a stream where the method returns an iterator."""

    def process_call(self, context: Any, channel: Any, request: Any, method: Any) -> None:
        value = method(*request.args)
        if isinstance(value, Iterator):
            ReqStream().process_call(context, channel, request, lambda *args: value)
        else:
            ReqRep().process_call(context, channel, request, lambda *args: value)

    def accept_answer(self, event: Any) -> bool:
        return True


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Method(DecoratorBase):  # type: ignore[misc]
    pattern = _Either()

    def _zerorpc_args(self) -> list[Any]:
        """As inspect.getargspec() told up to Python 3.10: names, *args, **kwargs, defaults of the last."""
        try:
            parameters = inspect.signature(self._functor).parameters.values()
        except (TypeError, ValueError):  # some builtins tell none
            return [[], None, None, None]
        positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
        defaults = [parameter.default for parameter in positional if parameter.default is not parameter.empty]
        return [[parameter.name for parameter in positional], None, None, defaults or None]


class _Admission:
    """What a client of ours calls first. Raises StaleLocation for another life of the name."""

    def __init__(self, name: str, epoch: int, serving: Serving, sessions: set[BlockingCarrier]) -> None:
        self.serving = serving
        self.sessions = sessions
        self._name = name
        self._epoch = epoch

    def __call__(self, name: str, epoch: int) -> Serving:
        if (name, epoch) != (self._name, self._epoch):
            raise StaleLocation(f"{name!r} is not at this port any more")
        return self.serving


class _SessionPattern:
    def process_call(self, context: Any, channel: Any, request: Any, admission: Any) -> None:
        serving = admission(*request.args)
        over = Event()
        carrier = carrier_over(channel, f"a client of {admission._functor._name!r}", over.set)
        channel.emit("OK", (None,))
        Calls(carrier, serving)
        sessions = admission._functor.sessions
        sessions.add(carrier)
        try:
            over.wait()
        except LostRemote as error:
            carrier.give_up(LinkClosed(str(error)))
        finally:
            sessions.discard(carrier)

    def accept_answer(self, event: Any) -> bool:
        return True


class _Session(DecoratorBase):  # type: ignore[misc]
    pattern = _SessionPattern()

    def _zerorpc_args(self) -> list[Any]:
        return [["name", "epoch"], None, None, None]


def carrier_over(channel: BufferedChannel, label: str, ended: Callable[[], Any]) -> BlockingCarrier:
    """A carrier over a zerorpc channel. ``ended`` is called when it is over."""

    def read() -> Iterator[bytes]:
        while (event := channel.recv()).name != END:
            match event.name, event.args:
                case "messages", [bytes() as data]:
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


def dial(endpoint: str, label: str, name: str, epoch: int) -> BlockingCarrier:
    """A connection of ours to a :class:`Port`. Raises StaleLocation and WorkerUnavailable."""
    opened: AsyncResult[Any] = AsyncResult()
    # In a green thread of its own: a lost heartbeat raises in the one that made the channel.
    keeping = gevent.spawn(_keep_session, endpoint, label, (name, epoch), opened)
    try:
        return cast("BlockingCarrier", opened.get())
    except BaseException:
        keeping.kill(block=False)
        raise


def _keep_session(endpoint: str, label: str, life: tuple[str, int], opened: AsyncResult[Any]) -> None:
    client = Client(context=context())
    client._events.setsockopt(zmq.LINGER, LINGER)
    client.connect(endpoint)
    channel = BufferedChannel(HeartBeatOnChannel(client._multiplexer.channel(), freq=HEARTBEAT))
    carrier = None
    try:
        channel.emit(SESSION, life)
        answer = channel.recv(timeout=TIME_LIMIT)
        if answer.name == "ERR":
            raise StaleLocation(str(answer.args[1]))
        over = Event()
        carrier = carrier_over(channel, label, over.set)
        opened.set(carrier)
        over.wait()
    except (LostRemote, TimeoutExpired) as error:
        if carrier is None:
            opened.set_exception(WorkerUnavailable(f"{label}: nobody answers at {endpoint}"))
        else:
            carrier.give_up(LinkClosed(f"{label}: {error}"))
    except BaseException as error:
        opened.set_exception(error)
        if not isinstance(error, (Exception, gevent.GreenletExit)):
            raise
    finally:
        channel.close()
        client.close()
