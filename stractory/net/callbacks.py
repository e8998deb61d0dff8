"""Functions of the other side's, as they stand on this one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stractory.errors import CallbackGone, SlowConsumer
from stractory.net.answers import DEFAULT_TIMEOUT, Future
from stractory.net.counters import counters

if TYPE_CHECKING:
    from stractory.net.calls import Calls


log = logging.getLogger(__name__)


class Callback:
    """A function that lives in another process and was passed to this one.

    ``callback(x)`` runs it there and does not wait; ``callback.call(x)`` waits for what it returns. The same
    function, passed twice, is the same Callback. It is given back when it is released, collected, or when
    the connection ends.
    """

    __slots__ = ("__weakref__", "_calls", "_listeners", "_released", "number", "received")

    def __init__(self, calls: Calls, number: int) -> None:
        self._calls = calls
        self._released = False
        self._listeners: list[Callable[[], Any]] = []
        self.number = number
        self.received = 0  # references that came and were not given back
        counters.callbacks += 1

    def __repr__(self) -> str:
        return f"<Callback {self.number} of {self._calls.stream.label}{', closed' if self.closed else ''}>"

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run it, in the order of such calls; neither a result nor an error comes back.

        Raises CallbackGone when the other process or the connection is gone. One that is given up just now,
        because it takes nothing, is so from the next call on: its sender goes on to others.
        """
        with contextlib.suppress(SlowConsumer):
            self._attempt(self._calls.post, args, kwargs)

    def call(self, *args: Any, timeout: float | None = DEFAULT_TIMEOUT, **kwargs: Any) -> Any:
        """What it returns. Raises what it raises, as RemoteError; CallTimeout, CallbackGone."""
        return self.forward(args, kwargs, timeout)

    def forward(self, args: Sequence[Any], kwargs: dict[str, Any], timeout: float | None) -> Any:
        """As call(), for any arguments."""
        return self._attempt(self._calls.request, args, kwargs, timeout)

    def future(self, *args: Any, **kwargs: Any) -> Future:
        """As call(), without waiting: the Future that will have what it returns."""
        future: Future = self._attempt(self._calls.future, args, kwargs)
        return future

    def _attempt(self, way: Callable[..., Any], *arguments: Any) -> Any:
        if self._released:
            raise CallbackGone(f"{self!r} was given back")
        try:
            return way(self.number, *arguments)
        except SlowConsumer as error:
            log.warning("%s", error)
            raise
        except OSError as error:  # LinkError is one
            if self._calls.stream.closed:
                raise CallbackGone(f"the connection of {self!r} is gone: {error}") from None
            raise

    @property
    def closed(self) -> bool:
        """Whether it can be called no more."""
        return self._released or self._calls.stream.closed

    def on_close(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the other process goes or the connection ends; at once if it has already.

        It is forgotten with the Callback: keep that for as long as you want to hear.
        """
        if self._calls.stream.closed:
            self._calls.tell(function)
        elif not self._released:
            self._listeners.append(function)

    def ended(self) -> None:
        """The connection is over."""
        listeners, self._listeners = self._listeners, []
        for function in listeners:
            self._calls.tell(function)

    def release(self) -> None:
        """Give it back now: the other side may forget the function."""
        if not self._released:
            self._released = True
            self._listeners.clear()
            self._calls.release(self)

    def __del__(self) -> None:
        try:
            counters.callbacks -= 1
            if not self._released:
                self._calls.give_back(self.number, self.received)
        except (TypeError, AttributeError):  # at the interpreter's end modules are taken apart
            pass
