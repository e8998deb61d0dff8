"""One end of a connection of an eventemitter actor: listens to the other side and emits to it, or to many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, overload

import gevent

from stractory.actors.listeners import Listeners, check_pattern
from stractory.errors import ActorEnded, ActorLost, LinkError, SlowConsumer
from stractory.net.carrier import Carrier
from stractory.net.counters import Tally, counters
from stractory.net.runner import Runner, Within, anywhere
from stractory.net.serving import log_failure
from stractory.net.threads import threads
from stractory.wire.occasions import LOCAL, Format, Unfit, check_name

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_LIFE_OVER = (ActorLost, ActorEnded)
"""How a connection ends whose actor may have another life; all other ends are for good."""

HOLD = 1.0
"""Seconds for which a client's emitter waits for its first listener."""

MORE_LISTENERS = 0.02
"""Seconds that it has after that for further ones."""


class Emitter:
    """``emit`` sends an event to the other side, ``on`` listens to what it emits.

    Events are handled in the order in which they were emitted, one after another: a function that waits
    holds up the later events of this connection, and in the end their sender. What arrives is kept for
    ``hold`` seconds, or until somebody listens. ``through(function, *data)``: what else functions are called
    through. ``tally`` counts what arrives, for the process too.

    Local events are ``close``, when the connection is over for good, and ``error``, with the exception that a
    function raised; ``failed`` is told of that where nobody listens. What ``get`` returned goes on with the
    actor's next life, with all its listeners: it tells ``disconnect``, with the error, when one life is over,
    and then either ``reconnect`` or ``close``. Nothing is kept for a life to come: ``emit`` returns False
    meanwhile, and the new life knows nothing of what the old one was told.
    """

    def __init__(
        self,
        carrier: Carrier,
        format: Format,
        within: Within = anywhere,
        *,
        hold: float = 0.0,
        through: Callable[..., Any] | None = None,
        failed: Callable[[str, BaseException], None] = log_failure,
        tally: Tally | None = None,
    ) -> None:
        self.missed = 0
        self._tally = tally
        self._told_unfit = False
        self._failed = failed
        self._held: list[bytes | Callable[[], None]] | None = [] if hold else None
        self.event: str | None = None
        self._carrier = carrier
        self._format = format
        self._source = carrier, format  # of what is handled now; it may still be that of the last life
        self._ask: Callable[[], None] | None = None  # has another connection looked for
        self._within = within
        self._through = through
        self._listeners = Listeners()
        self._runner: Runner[bytes | Callable[[], None]] = Runner(self._handle, within, in_turn=True)
        carrier.deliver_to(self)
        if hold:
            gevent.spawn_later(hold, self._let_go)

    def __repr__(self) -> str:
        state = "" if self.connected else ", closed" if self.closed else ", disconnected"
        return f"<Emitter {self._carrier.label}{state}>"

    # ---- listening -----------------------------------------------------------------------------------

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...

    def on(self, event: str, function: Any = None) -> Any:
        """Call ``function(*data)`` for each event of that name, or that fits the pattern; also a decorator.

        In a pattern ``*`` stands for one word of a dotted name and ``**`` for any number; ``self.event`` is
        the name of the event that is being handled.
        """
        if function is None:
            check_pattern(event)
            return lambda function: self.on(event, function)
        self._listen(event, function, once=False)
        return function

    def once(self, event: str, function: F) -> F:
        """As on(), for the next such event only."""
        self._listen(event, function, once=True)
        return function

    def _listen(self, event: str, function: Callable[..., Any], *, once: bool) -> None:
        self._listeners.add(event, function, once=once)
        if self._held is not None:
            gevent.spawn_later(MORE_LISTENERS, self._let_go)

    def off(self, event: str, function: Callable[..., Any] | None = None) -> None:
        """No longer call it; without a function, none of those for this event or pattern."""
        self._listeners.remove(event, function)

    # ---- emitting ------------------------------------------------------------------------------------

    def emit(self, event: str, *data: Any) -> bool:
        """Send an event; whether there was anybody to send it to.

        To a side that has left it does nothing but count one more in ``missed``, nor to one on an own port
        where JSON cannot carry the data. It waits while the other side is slow; one that takes nothing for
        15 s is given up. Raises ValueError for a name that cannot be emitted; TypeError, ValueError or
        OverflowError for data that cannot travel at all, naming where in the event it is.
        """
        check_name(event)
        try:
            if self._carrier.queue(self._format.encode([event, *data])):
                self._carrier.make_room()
            return True
        except (OSError, Unfit) as error:
            self._miss(event, error)
            return False

    def _miss(self, event: str, error: OSError | Unfit) -> None:
        """An event did not go; an OSError means mostly that the other side has left."""
        self.missed += 1
        if isinstance(error, SlowConsumer):
            log.warning("%s", error)
        elif isinstance(error, Unfit) and not self._told_unfit:  # there may be many like it
            log.warning("%s: missed an event %r, as others may be: %s", self._carrier.label, event, error)
            self._told_unfit = True

    # ---- ending, and another life ----------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is somebody to emit to."""
        return not self._carrier.closed

    @property
    def closed(self) -> bool:
        """Whether the connection is over for good."""
        return self._ask is None and self._carrier.closed

    def on_close(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the connection is over for good; at once if it is already."""
        if self.closed:
            threads().start_soon(self._within, partial(self._call, function, ()))
        else:
            self._listeners.add("close", function, once=True)

    def close(self) -> None:
        """End the connection; what was emitted arrives."""
        if self._ask is not None and self._carrier.closed:
            self.end()
        else:
            self._ask = None
            self._carrier.close()

    def return_by(self, ask: Callable[[], None]) -> None:
        """Part of :class:`stractory.actors.kinds.Returning`."""
        if not self._carrier.closed:
            self._ask = ask

    def attach(self, stream: Carrier) -> None:
        """Part of :class:`stractory.actors.kinds.Returning`."""
        self._carrier, self._format = stream, type(self._format)()
        self._add(partial(self._begin_life, stream, self._format))
        stream.deliver_to(self)

    def end(self) -> None:
        """Part of :class:`stractory.actors.kinds.Returning`."""
        if self._ask is not None:
            self._ask = None
            self._add(self._finish)

    def _begin_life(self, carrier: Carrier, format: Format) -> None:
        self._source = carrier, format
        self._tell("reconnect")

    def _finish(self) -> None:
        try:
            self._tell("close")
        finally:
            self._source[0].close()  # the other side sends no more; what was emitted to it arrives

    def _tell(self, event: str, *data: Any) -> None:
        for function in self._listeners[event]:
            self.event = event
            self._call(function, data)

    def __enter__(self) -> Emitter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- what arrives --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        self._add(data)  # unpacked when its turn has come: small events weigh many times their bytes

    def stream_ended(self, error: Exception | None) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        self._let_go()
        if self._ask is not None and isinstance(error, _LIFE_OVER):
            self._add(partial(self._tell, "disconnect", error))
            self._ask()
        else:
            self._ask = None
            self._add(self._finish)

    def _add(self, piece: bytes | Callable[[], None]) -> None:
        if self._held is None:
            self._runner.add(piece)
            self._runner.go()
        else:
            self._held.append(piece)

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        for piece in held:
            self._runner.add(piece)
        self._runner.go()

    def _handle(self, piece: bytes | Callable[[], None]) -> None:
        carrier, format = self._source
        listeners = self._listeners
        try:
            if not isinstance(piece, bytes):
                piece()
                return
            events = format.feed(piece)
            if self._tally is not None:
                counters.events += len(events)
                self._tally.calls += len(events)
            for event in events:
                name = event[0]
                for function in listeners[name]:
                    self.event = name
                    self._call(function, event[1:])
        except LinkError as error:
            log.warning("%s: %s", carrier.label, error)
            carrier.give_up(error)
        finally:  # whatever happens, or the other side could send no more
            self.event = None
            if isinstance(piece, bytes):
                carrier.consumed(len(piece))

    def _call(self, function: Callable[..., Any], data: Any) -> None:
        try:
            if self._through is None:
                function(*data)
            else:
                self._through(function, *data)
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # sys.exit() in a function must not end the process
            if self._tally is not None:
                counters.event_errors += 1
                self._tally.failed(error)
            if self.event not in LOCAL and (listeners := self._listeners["error"]):
                self.event = "error"
                for listener in listeners:
                    self._call(listener, (error,))
            else:
                self._failed(f"{self._carrier.label}: a function for the event {self.event!r}", error)


def emit(emitters: Iterable[Emitter], event: str, *data: Any) -> int:
    """Send an event to all of them; returns how many it went to.

    As Emitter.emit() of each, which tells what it raises and who misses what. But it is encoded once, and
    queued for all before those that are slow are waited for; so events that are emitted like this arrive
    everywhere in the same order. One that cannot travel reaches nobody. Raises TypeError for what is no
    emitter, and for those of a client with background=True: call emit() of each.
    """
    everybody = [*emitters]
    for kind in {*map(type, everybody)}:
        if not issubclass(kind, Emitter):  # isinstance() would take stand-ins of a background client too
            raise TypeError(
                "emit() is for emitters of an actor, or of a client without background=True, "
                f"not for a {kind.__name__}; call emit() of each of them"
            )
    check_name(event)
    pieces: dict[Callable[[list[Any]], bytes], bytes | str] = {}  # or why the format cannot carry it
    for encode in {each._format.encode for each in everybody}:
        try:
            pieces[encode] = encode([event, *data])
        except Unfit as error:
            pieces[encode] = str(error)
    missed = 0
    behind: list[Emitter] = []
    for each in everybody:
        piece = pieces[each._format.encode]
        try:
            if isinstance(piece, str):
                raise Unfit(piece)
            if each._carrier.queue(piece):
                behind.append(each)
        except (OSError, Unfit) as error:
            each._miss(event, error)
            missed += 1
    for each in behind:
        try:
            each._carrier.make_room()
        except OSError as error:
            each._miss(event, error)
            missed += 1
    return len(everybody) - missed
