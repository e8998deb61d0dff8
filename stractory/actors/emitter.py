"""One end of a connection of an eventemitter actor: listens to the other side and emits to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

import gevent

from stractory.actors.listeners import Listeners, check_pattern
from stractory.errors import LinkError, SlowConsumer
from stractory.net.carrier import Carrier
from stractory.net.runner import Runner, Within, anywhere
from stractory.net.serving import log_failure
from stractory.net.threads import threads
from stractory.wire.occasions import LOCAL, Format, Unfit, check_name

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
_Piece = tuple[list[list[Any]], int]  # events, and how many bytes they were

HOLD = 1.0
"""Seconds for which a client's emitter waits for its first listener."""

MORE_LISTENERS = 0.02
"""Seconds that it has after that for further ones."""


class Emitter:
    """``emit`` sends an event to the other side, ``on`` listens to what it emits.

    Events are handled in the order in which they were emitted, one after another: a function that waits
    holds up the later events of this connection, and in the end their sender. Two events are local:
    ``close`` when the connection is over, and ``error`` with the exception that a function raised;
    ``failed`` is told of that where nobody listens. What arrives is kept for ``hold`` seconds, or until
    somebody listens.
    """

    def __init__(
        self,
        carrier: Carrier,
        format: Format,
        within: Within = anywhere,
        *,
        hold: float = 0.0,
        failed: Callable[[str, BaseException], None] = log_failure,
    ) -> None:
        self.missed = 0
        self._told_unfit = False
        self._failed = failed
        self._held: list[_Piece] | None = [] if hold else None
        self.event: str | None = None
        self._carrier = carrier
        self._format = format
        self._within = within
        self._listeners = Listeners()
        self._runner: Runner[_Piece] = Runner(self._handle, within, in_turn=True)
        carrier.deliver_to(self)
        if hold:
            gevent.spawn_later(hold, self._let_go)

    def __repr__(self) -> str:
        return f"<Emitter {self._carrier.label}{', closed' if self.closed else ''}>"

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
        except SlowConsumer as error:
            log.warning("%s", error)
        except Unfit as error:
            if not self._told_unfit:  # there may be many like it
                log.warning("%s: missed an event %r, as others may be: %s", self._carrier.label, event, error)
                self._told_unfit = True
        except OSError:
            pass  # it has left
        self.missed += 1
        return False

    # ---- ending --------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._carrier.closed

    def on_close(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the connection is over; at once if it is already."""
        if self.closed:
            threads().start_soon(self._within, partial(self._call, function, ()))
        else:
            self._listeners.add("close", function, once=True)

    def close(self) -> None:
        """End the connection; what was emitted arrives."""
        self._carrier.close()

    def __enter__(self) -> Emitter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- what arrives --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        try:
            events = self._format.feed(data)
        except LinkError as error:
            log.warning("%s: %s", self._carrier.label, error)
            self._carrier.give_up(error)
            return
        if events:
            self._add((events, len(data)))
        else:
            self._carrier.consumed(len(data))

    def stream_ended(self, error: Exception | None) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        self._let_go()
        self._add(([["close"]], 0))

    def _add(self, piece: _Piece) -> None:
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

    def _handle(self, piece: _Piece) -> None:
        events, size = piece
        try:
            for event, *data in events:
                for function in self._listeners.of(event):
                    self.event = event
                    self._call(function, data)
        finally:  # whatever happens, or the other side could send no more
            self.event = None
            if size:
                self._carrier.consumed(size)
            else:
                self._carrier.close()  # the other side sends no more; what was emitted to it arrives

    def _call(self, function: Callable[..., Any], data: Any) -> None:
        try:
            function(*data)
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # sys.exit() in a function must not end the process
            if self.event not in LOCAL and (listeners := self._listeners.of("error")):
                self.event = "error"
                for listener in listeners:
                    self._call(listener, (error,))
            else:
                self._failed(f"{self._carrier.label}: a function for the event {self.event!r}", error)
