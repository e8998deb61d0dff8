"""Calls over one stream: the two ends of rpc.

Either side may call the other. Calls are started in the order in which they arrive, each in a green thread
of its own, and run at most once: each ends with its result, the error it raised, or an error of ours.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from gevent.event import AsyncResult

from stractory.errors import (
    CallTimeout,
    LinkClosed,
    LinkError,
    StractoryError,
    UnknownMethod,
    from_wire,
    to_wire,
)
from stractory.net.stream import Stream
from stractory.wire.messages import Call, Failure, Message, MessageReader, Result, encode

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 30.0
"""Seconds a call waits for its answer unless told otherwise."""

UNSENT_LIMIT = 1024 * 1024
"""Bytes of messages queued on a stream at which senders begin to wait."""


class Calls:
    """One end. ``methods`` are what the other end may call; without any, this end only calls."""

    def __init__(self, stream: Stream, methods: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.stream = stream
        self._methods = methods or {}
        self._reader = MessageReader()
        self._last_id = 0
        self._waiting: dict[int, AsyncResult[Any]] = {}
        stream.deliver_to(self)

    def __repr__(self) -> str:
        return f"<Calls over {self.stream!r}>"

    # ---- calling -----------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        *args: Any,
        call_timeout: float | None = DEFAULT_TIMEOUT,
        **kwargs: Any,
    ) -> Any:
        """What ``method(*args, **kwargs)`` returns on the other side.

        Raises what it raised there (an error of our tree as itself, others as RemoteError), UnknownMethod,
        CallTimeout after ``call_timeout`` seconds (None waits for ever), and what ended the stream.
        """
        if call_timeout is not None:
            call_timeout = max(0.0, call_timeout)  # the other side refuses less, and NaN, with all the stream
        self._last_id += 1
        id = self._last_id
        answer = self._waiting[id] = AsyncResult()
        late = CallTimeout(f"{self.stream.label}: no answer to {method}() in {call_timeout} s")
        try:
            with gevent.Timeout(call_timeout, late):
                self._write(Call(id, method, list(args), kwargs, call_timeout))
                return answer.get()
        finally:
            self._waiting.pop(id, None)

    def send(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Run it on the other side; neither a result nor an error comes back."""
        self._write(Call(None, method, list(args), kwargs, None))

    def _write(self, message: Message) -> None:
        self.stream.push(encode(message))
        self.stream.drain(at_most=UNSENT_LIMIT)

    # ---- being called --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Part of :class:`stractory.net.stream.Receiver`."""
        try:
            messages = self._reader.feed(data)
        except LinkError as error:
            log.warning("%s: %s", self.stream.label, error)
            self._fail_waiting(error)
            self.stream.abort()
            return
        for message in messages:
            if isinstance(message, Call):
                gevent.spawn(self._run, message)
            elif answer := self._waiting.get(message.id):
                if isinstance(message, Result):
                    answer.set(message.value)
                else:
                    answer.set_exception(from_wire(message.code, message.message, message.details))

    def stream_ended(self, error: Exception | None) -> None:
        """Part of :class:`stractory.net.stream.Receiver`."""
        self._fail_waiting(error or LinkClosed(f"{self.stream.label}: the stream ended"))
        if error is None:
            self.stream.close()

    def _fail_waiting(self, error: Exception) -> None:
        for answer in self._waiting.values():
            answer.set_exception(error)

    def _run(self, call: Call) -> None:
        try:
            method = self._methods.get(call.method)
            if method is None:
                known = ", ".join(sorted(self._methods)) or "none"
                raise UnknownMethod(f"{self.stream.label} has no method {call.method!r}; it has: {known}")
            value = method(*call.args, **call.kwargs)
        except gevent.GreenletExit:
            return
        except BaseException as error:  # sys.exit() in a method must not end the process
            self._answer_failure(call, error)
            return
        if call.id is not None:
            try:
                self._answer(Result(call.id, value))
            except (TypeError, ValueError, OverflowError) as error:
                self._answer_failure(call, TypeError(f"the result of {call.method}() cannot travel: {error}"))

    def _answer_failure(self, call: Call, error: BaseException) -> None:
        own = isinstance(error, StractoryError)
        text = "" if own else "".join(traceback.format_exception(type(error), error, error.__traceback__))
        if call.id is None:
            log.error("%s: one-way call of %s() failed: %s", self.stream.label, call.method, text or error)
        else:
            self._answer(Failure(call.id, *to_wire(error, text)))

    def _answer(self, message: Message) -> None:
        try:
            self._write(message)
        except OSError:
            log.debug("%s: nobody waits for the answer any more", self.stream.label)
