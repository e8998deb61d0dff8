"""Calls over one stream: the two ends of rpc.

Either side may call the other's methods, and functions that the other has passed to it. Calls are started in
the order in which they arrive and run at most once: each ends with its result, with items, with the error it
raised, or with an error of ours. One that waits holds up no other.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import gevent

from stractory.errors import CallTimeout, LinkClosed, LinkError, ProtocolError, StractoryError
from stractory.net.allowance import CALL_WEIGHT, Allowance
from stractory.net.answers import DEFAULT_TIMEOUT, Answer, Future, Inbox, Items, within_deadline
from stractory.net.callbacks import Callback
from stractory.net.carrier import Carrier
from stractory.net.serving import Server, Serving
from stractory.net.threads import threads
from stractory.wire.codec import MESSAGE_LIMIT, MessageReader, encode
from stractory.wire.failures import from_wire
from stractory.wire.frames import new
from stractory.wire.messages import Call, Cancel, Ended, Failure, Item, Message, More, Opened, Release, Result
from stractory.wire.references import References

log = logging.getLogger(__name__)

NOTHING = Serving()
"""Of one that only calls."""


class Calls:
    """One end. ``serving`` says what the other may call.

    ``takes`` and ``sends``: the most bytes of a message that comes, and of one that goes.
    """

    __slots__ = (
        "_abandoned",
        "_allowance",
        "_arrived",
        "_last_id",
        "_limit",
        "_listeners",
        "_reader",
        "_server",
        "_threads",
        "_waiting",
        "_weight",
        "references",
        "serving",
        "stream",
    )

    def __init__(
        self,
        stream: Carrier,
        serving: Serving | None = None,
        *,
        takes: int = MESSAGE_LIMIT,
        sends: int = MESSAGE_LIMIT,
    ) -> None:
        self.stream = stream
        self.serving = serving or NOTHING
        self.references = References(self._stand_for) if self.serving.functions else None
        self._reader = MessageReader(self.references, takes)
        self._limit = sends
        self._last_id = 0
        self._waiting: dict[int, Answer | Future | Inbox] = {}  # by the id of the call
        self._listeners: tuple[Callable[[], Any], ...] = ()
        self._server: Server | None = None
        self._arrived = 0  # bytes since the last whole message
        self._weight = 0  # of each call that came with the last of them
        self._allowance = Allowance(stream)
        self._abandoned = False  # nobody here will call any more
        self._threads = threads()
        stream.deliver_to(self)

    def __repr__(self) -> str:
        return f"<Calls over {self.stream!r}>"

    # ---- calling -----------------------------------------------------------------------------------

    def call(
        self, method: str, *args: Any, call_timeout: float | None = DEFAULT_TIMEOUT, **kwargs: Any
    ) -> Any:
        """What ``method(*args, **kwargs)`` returns on the other side; see :meth:`request`."""
        return self.request(method, args, kwargs, call_timeout)

    def request(
        self, target: str | int, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None
    ) -> Any:
        """What a method or function returns on the other side; Items where that is a generator.

        Raises what it raised there (an error of our tree as itself, others as RemoteError), UnknownMethod,
        CallTimeout after ``timeout`` seconds (None waits for ever), and what ended the stream.
        """
        timeout = within_deadline(timeout)
        answer = Answer()
        began = monotonic()
        id = self._begin(answer, target, args, kwargs, timeout)
        try:
            left = None if timeout is None else max(0.0, timeout - (monotonic() - began))
            value = answer.wait(left)
            if value is answer:
                raise self._late(target, timeout)
            return value
        except BaseException:
            self._waiting.pop(id, None)
            if self._abandoned:
                self._close_if_unused()
            raise

    def future(self, target: str | int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future:
        """As request(), without waiting."""
        answer = Future()
        answer.target, answer.late = target, self._late
        timeout = within_deadline(None)
        id = self._begin(answer, target, args, kwargs, timeout)
        if timeout is not None:
            timer = gevent.get_hub().loop.timer(timeout)
            timer.start(self._expire, id, target, timeout)
            answer.rawlink(lambda _: timer.close())
        return answer

    def _expire(self, id: int, target: str | int, timeout: float) -> None:
        if answer := self._waiting.pop(id, None):
            answer.set_exception(self._late(target, timeout))
            if self._abandoned:
                self._close_if_unused()

    def post(self, target: str | int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run it on the other side; neither a result nor an error comes back."""
        message = new(Call, (None, target, args, kwargs, None))
        if (hold := self.serving.hold) is None:
            self._write(message)
        elif self.stream.closed:
            raise LinkClosed(f"{self.stream.label}: the connection is closed")
        else:
            self.stream.make_room()  # for those before it
            packed = encode(message, self.references, self._limit)
            hold(partial(self.stream.queue, packed), len(packed))

    def _begin(
        self,
        answer: Answer | Future,
        target: str | int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None,
    ) -> int:
        self._last_id += 1
        id = self._last_id
        self._waiting[id] = answer
        if self._allowance.owed:
            self._allowance.pay()
        try:
            self._write(new(Call, (id, target, args, kwargs, timeout)), timeout)
        except BaseException as error:
            self._waiting.pop(id, None)  # the end of the stream may have emptied it
            raise self._late(target, timeout) if type(error) is TimeoutError else error from None
        return id

    def _late(self, target: str | int, timeout: float | None) -> CallTimeout:
        assert timeout is not None  # noqa: S101  # for the type checker
        what = f"{target}()" if isinstance(target, str) else "a callback"
        return CallTimeout(f"{self.stream.label}: no answer to {what} in {timeout:g} s")

    def _write(self, message: Message, timeout: float | None = None) -> None:
        try:
            if self.stream.queue(encode(message, self.references, self._limit)):
                self.stream.make_room(timeout)
        except OSError as error:
            if isinstance(error, (StractoryError, TimeoutError)):
                raise
            raise LinkClosed(f"{self.stream.label}: the connection is closed") from None

    # ---- what arrives --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        self._arrived += len(data)
        try:
            messages = self._reader.feed(data)
            if messages:
                self._weight = self._arrived // len(messages) + CALL_WEIGHT
                self._arrived = 0
            for message in messages:
                _HANDLERS[type(message)](self, message)
            self._allowance.arrived(len(data), awaited=bool(self._waiting))
        except LinkError as error:
            log.warning("%s: %s", self.stream.label, error)
            self.stream.give_up(error)
            return
        if self._server is not None:
            self._server.go()
        if self._abandoned:
            self._close_if_unused()

    def stream_ended(self, error: Exception | None) -> None:
        """Part of :class:`stractory.net.receiver.Receiver`."""
        reason = error or LinkClosed(f"{self.stream.label}: the stream ended")
        if error is None:
            self.stream.close()  # first of all: who waits goes on at once, and may call again
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(reason)
        if self._server is not None:
            self._server.end()
        callbacks = self.references.clear() if self.references is not None else []
        for callback in callbacks:
            callback.ended()
        listeners, self._listeners = self._listeners, ()
        for function in listeners:
            self.tell(function)

    def _called(self, call: Call) -> None:
        # A number that was never given ends the connection.
        function = self._find(call.target) if type(call.target) is int else None
        (self._server or self._serve()).take(call, function, self._weight)

    def _returned(self, result: Result) -> None:
        if (answer := self._waiting.pop(result.id, None)) is not None:
            answer.set(result.value)

    def _failed(self, failure: Failure) -> None:
        error = from_wire(failure.code, failure.message, failure.details)
        if (answer := self._waiting.pop(failure.id, None)) is not None:
            answer.set_exception(error)

    def _opened(self, opened: Opened) -> None:
        id = opened.id
        cancel = partial(self._tell_soon, Cancel(id))
        if (answer := self._waiting.pop(id, None)) is not None:
            inbox = self._waiting[id] = Inbox()
            answer.set(Items(inbox, lambda credit: self._write(More(id, credit)), cancel))
        else:
            cancel()

    def _came(self, item: Item) -> None:
        inbox = self._waiting.get(item.id)
        if type(inbox) is Inbox:
            inbox.put(item.value)

    def _ended(self, ended: Ended) -> None:
        inbox = self._waiting.pop(ended.id, None)
        if type(inbox) is Inbox:
            inbox.end()

    def _serve(self) -> Server:
        if self._server is None:
            self._server = Server(
                self.serving, self.stream.label, self._write, self.stream.make_room, self._allowance
            )
        return self._server

    def _stand_for(self, number: int) -> Any:
        return self.serving.share(Callback(self, number))

    def _find(self, number: int) -> Any:
        if self.references is None:
            raise ProtocolError("a call of a function where none may be passed")
        return self.references.find(number)

    def _released(self, release: Release) -> None:
        if self.references is None:
            raise ProtocolError("a function given back where none may be passed")
        self.references.release(release.function, release.times)

    # ---- functions of the other side's -----------------------------------------------------------------

    def call_at_end(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the connection is over; at once if it is already."""
        if self.stream.closed:
            self.tell(function)
        else:
            self._listeners += (function,)

    def abandon(self) -> None:
        """Whoever called holds this no more: the connection ends when nothing is left of their calls.

        It may be called from any thread, at any moment.
        """
        self._abandoned = True
        self._later(self._close_if_unused)

    def _later(self, function: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(ValueError):  # the loop is gone, and all connections with it
            self._threads.call_soon(function, *args)

    def _close_if_unused(self) -> None:
        functions = self.references is not None and (self.references.given or self.references.held)
        if not (functions or self._waiting or self._listeners or self.stream.closed):
            self.stream.close()

    def tell(self, function: Callable[[], Any]) -> None:
        """Run it in another green thread."""
        self._threads.start_soon(self.serving.within, partial(self._tell, function))

    def _tell(self, function: Callable[[], Any]) -> None:
        try:
            self.serving.through(function)
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # sys.exit() in it must not end the process
            self.serving.failed(f"{self.stream.label}: a function for the end of a connection", error)

    def release(self, callback: Callback) -> None:
        """It is needed here no more."""
        if self.references is not None:
            self.references.forget(callback.number, callback)
        self.give_back(callback.number, callback.received)

    def give_back(self, number: int, count: int) -> None:
        """Nothing here refers to that function any more. It may be called from any thread, at any moment."""
        self._tell_soon(Release(number, count))

    def _tell_soon(self, message: Cancel | Release) -> None:
        if not self.stream.closed:
            self._later(self._tell_now, message)

    def _tell_now(self, message: Cancel | Release) -> None:
        if isinstance(message, Cancel):
            self._waiting.pop(message.id, None)
        elif self.references is not None:
            self.references.forget(message.function)
        if not self.stream.closed:
            self.stream.queue(encode(message))
        if self._abandoned:
            self._close_if_unused()


_HANDLERS: dict[type, Callable[[Calls, Any], None]] = {
    Call: Calls._called,
    Result: Calls._returned,
    Failure: Calls._failed,
    Opened: Calls._opened,
    Item: Calls._came,
    Ended: Calls._ended,
    More: lambda calls, more: calls._serve().grant(more.id, more.credit),
    Cancel: lambda calls, cancel: calls._serve().cancel(cancel.id),
    Release: Calls._released,
}
