"""An rpc actor's own port: a zerorpc server, for any zerorpc client, and for ours with callbacks.

A zerorpc client calls the actor's methods as those of any zerorpc server; a method that returns a generator
is a zerorpc stream. A client of ours opens a session (:mod:`stractory.actors.zerorpc_session`).

What zerorpc 0.6.3 leaves open is closed here: events that would end its dispatcher are dropped, a channel
whose client sends more than it may is cut off, events in a long row let others have their turn, every error
is answered, and Python above 3.10 can tell a method's arguments.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import zmq
from gevent.event import Event
from gevent.queue import Full
from zerorpc import LostRemote
from zerorpc.channel import ChannelMultiplexer
from zerorpc.core import Server as ZerorpcServer
from zerorpc.core import ServerBase
from zerorpc.decorators import DecoratorBase
from zerorpc.events import Events
from zerorpc.patterns import ReqRep, ReqStream

from stractory.actors.kinds import Owner
from stractory.actors.parameters import positional
from stractory.actors.zerorpc_session import HEARTBEAT, LINGER, SESSION, TIME_LIMIT, carrier_over, context
from stractory.errors import LinkClosed, StaleLocation
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.carrier import BlockingCarrier
from stractory.net.seldom import refused
from stractory.net.serving import Methods, Serving, gives_items
from stractory.wire.codec import MESSAGE_LIMIT
from stractory.wire.failures import to_wire

STUCK = 1.0
"""Seconds in which a channel must take an event; the others of its port wait meanwhile."""

IN_A_ROW = 32
"""Events that a port takes or sends before the loop has its turn."""

_ID_LIMIT = 64


class Port(ZerorpcServer):  # type: ignore[misc]  # zerorpc has no types
    """The server of one actor. ``bind`` it, ``run`` it in a green thread, ``close`` it.

    While its owner is suspended it refuses whatever is asked.
    """

    def __init__(
        self, owner: Owner, epoch: int, methods: Methods, serving: Serving, heartbeat: float = HEARTBEAT
    ) -> None:
        name = owner.name
        self._at_end: list[Callable[[Exception | None], None]] = []
        open_ = {word: method for word, method in methods.items() if not word.startswith("_")}
        own = {
            word: _Method(_refused_while_suspended(owner, serving.guard(method)))
            for word, method in open_.items()
        }
        self._sessions: set[BlockingCarrier] = set()
        own[SESSION] = _Session(_Entrance(owner, epoch, serving, self._sessions))
        self._events = _ValidEvents(zmq.ROUTER, context())
        self._events.actor = name
        self._events.setsockopt(zmq.LINGER, LINGER)
        self._events.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT)  # without a word it makes room for anything
        self._events.setsockopt(zmq.HANDSHAKE_IVL, int(TIME_LIMIT * 1000))  # and has 30 seconds
        ServerBase.__init__(self, self._events, own, name, self._events.context, heartbeat=heartbeat)
        self._multiplexer.close()
        self._multiplexer: Any = _Multiplexer(self._events)

    @property
    def clients(self) -> int:
        """Connections of ours; of other zerorpc clients only the calls are known."""
        return len(self._sessions)

    def abort(self, code: int = 0) -> None:
        """End connections of ours: its owner serves nobody any more, or for a while."""
        for carrier in list(self._sessions):
            carrier.give_up(LinkClosed(f"{carrier.label}: the actor has ended, or may live elsewhere"))

    def call_at_end(self, callback: Callable[[Exception | None], None]) -> None:
        """Call it when this is closed."""
        self._at_end.append(callback)

    def close(self) -> None:
        """End it; connections of ours are told."""
        self.abort()
        while self._at_end:
            self._at_end.pop()(None)
        gevent.sleep(0)  # lets the green thread of zerorpc's that sends take that to ZeroMQ
        self._task_pool.kill(_Closed, block=False)
        super().close()

    def _print_traceback(self, protocol_v1: bool, exc_infos: Any) -> tuple[str, ...]:
        """What an ERR event says: name, text and traceback of an error, or one text in protocol version 1."""
        error = exc_infos[1]
        _, text, details = to_wire(error, traceback.format_exc())
        name = details.get("type", type(error).__name__)
        return (f"{name}: {text}",) if protocol_v1 else (name, text, details.get("remote_traceback", ""))

    @property
    def endpoint(self) -> str:
        """Where it is bound."""
        bound: bytes = self._events._socket.getsockopt(zmq.LAST_ENDPOINT)
        return bound.rstrip(b"\0").decode()


class _Closed(gevent.GreenletExit):
    """Ends the calls of a port that is closed. Nobody can be answered there any more."""


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
    """Without malformed ones, and without end only in appearance: zerorpc's green threads hand each other
    event after event, as long as there are any, in one and the same turn of the loop."""

    actor = ""  # whose port it is
    _passed = 0

    def emit_event(self, event: Any, timeout: float | None = None) -> None:
        super().emit_event(event, timeout)
        self._give_way()

    def _give_way(self) -> None:
        self._passed += 1
        if self._passed % IN_A_ROW == 0:
            gevent.sleep(0)

    def recv(self, timeout: float | None = None) -> Any:
        while True:
            self._give_way()
            try:
                event = super().recv(timeout)
            except (gevent.Timeout, OSError):
                raise
            except Exception:
                event = None  # not even msgpack
            if event is not None and _is_valid(event):
                return event
            what = "what came to its zerorpc port is no message of zerorpc's, and was dropped"
            refused("zerorpc: dropped", f"actor {self.actor!r}: {what}", actor=self.actor)


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
                    what = "a channel of its zerorpc port takes no more events and is cut off"
                    actor = self._events.actor
                    refused("zerorpc: stuck", f"actor {actor!r}: {what}", actor=actor)
                    self._active_channels.pop(id, None)


def _check_not_suspended(owner: Owner) -> None:
    if owner.suspended:
        raise StaleLocation(f"{owner.name!r} may live elsewhere by now")


def _refused_while_suspended(owner: Owner, method: Callable[..., Any]) -> Callable[..., Any]:
    """Also what it returns is for nobody then."""

    def served(items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            _check_not_suspended(owner)
            yield item

    @functools.wraps(method)
    def call(*args: Any) -> Any:
        _check_not_suspended(owner)
        value = method(*args)
        _check_not_suspended(owner)
        return served(value) if gives_items(value) else value

    return call


class _Either:
    """A result, or a stream where the method returns an iterator."""

    def process_call(self, context: Any, channel: Any, request: Any, method: Any) -> None:
        try:
            value = method(*request.args)
            pattern = ReqStream() if gives_items(value) else ReqRep()
            pattern.process_call(context, channel, request, lambda *args: value)
        except (Exception, _Closed):
            raise
        except BaseException as error:  # zerorpc answers no others, and sys.exit() must not end the process
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    def accept_answer(self, event: Any) -> bool:
        return True


class _Method(DecoratorBase):  # type: ignore[misc]
    pattern = _Either()

    def _zerorpc_args(self) -> list[Any]:
        """As inspect.getargspec() told up to Python 3.10: names, *args, **kwargs, defaults of the last."""
        parameters = positional(self._functor) or []
        defaults = [parameter.default for parameter in parameters if parameter.default is not parameter.empty]
        return [[parameter.name for parameter in parameters], None, None, defaults or None]


class _Entrance:
    """What a client of ours calls first. Raises StaleLocation for another life of the name."""

    def __init__(self, owner: Owner, epoch: int, serving: Serving, sessions: set[BlockingCarrier]) -> None:
        self.serving = serving
        self.sessions = sessions
        self.owner = owner
        self._epoch = epoch

    def __call__(self, name: str, epoch: int) -> Serving:
        if (name, epoch) != (self.owner.name, self._epoch):
            raise StaleLocation(f"{name!r} is not at this port any more")
        _check_not_suspended(self.owner)
        return self.serving


class _SessionPattern:
    def process_call(self, context: Any, channel: Any, request: Any, entrance: Any) -> None:
        serving = entrance(*request.args)
        over = Event()
        carrier = carrier_over(channel, f"a client of {entrance._functor.owner.name!r}", over.set)
        channel.emit("OK", (None,))
        Calls(carrier, serving)
        sessions = entrance._functor.sessions
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
