"""Stream actors: init returns a handler, as for gevent's StreamServer; any protocol."""

from __future__ import annotations

import errno
import inspect
import logging
from collections.abc import Callable
from typing import Any

import gevent

from stractory.actors.hooks import call_hook
from stractory.actors.kinds import Owner
from stractory.errors import LinkError
from stractory.net.serving import Share

log = logging.getLogger(__name__)

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_RULE = "init of a stream actor returns a handler(stream, address)"

_BROKEN = frozenset({errno.EBADF, errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT})
"""How a socket says that its connection is over."""


class HandlerServer:
    """``handler(stream, address)`` serves one connection; the stream is closed when it returns."""

    def __init__(self, made: Any, owner: Owner) -> None:
        check_handler(made)
        self._handler = made
        self._owner = owner

    def connect(self, stream: Any, address: Any) -> None:
        self._owner.spawn(self._serve, stream, address)

    def _serve(self, stream: Any, address: Any) -> None:
        try:
            self._handler(stream, address)
        except gevent.GreenletExit:
            stream.abort()
            raise
        except BaseException as error:
            client_left = _is_end_of(stream, error)  # asked first: what follows ends it in any case
            stream.abort()
            if client_left:
                log.debug("actor %r: a client left: %s", self._owner.name, error)
            else:
                log.exception("actor %r: the handler of %s failed", self._owner.name, _spell(address))
        else:
            stream.close()

    def destroy(self) -> None:
        call_hook(self._handler, "destroy")


def _is_end_of(stream: Any, error: BaseException) -> bool:
    """Whether ``error`` is how ``stream`` tells that its client left, and not some other trouble."""
    if isinstance(error, LinkError):
        return error is getattr(stream, "error", None)  # of the streams, only sockets lack it
    return isinstance(error, OSError) and error.errno in _BROKEN and not _is_connected(stream)


def _is_connected(stream: Any) -> bool:
    """Whether a socket has a peer; it has while either direction is open."""
    try:
        stream.getpeername()
    except OSError:
        return False
    return True


def check_handler(made: Any) -> None:
    """Raises TypeError for what is no handler(stream, address)."""
    if not callable(made):
        raise TypeError(f"{_RULE}, not {type(made).__name__}")
    for function in (made, type(made).__call__):  # of an object, the latter is what runs
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{_RULE} that is no coroutine: 'def', not 'async def'")
        if inspect.isgeneratorfunction(function):
            raise TypeError(f"{_RULE} that does not yield: calling a generator function runs nothing")
    _check_parameters(made)


def _check_parameters(handler: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(handler, follow_wrapped=False)
    except (TypeError, ValueError):  # some builtins tell none
        return
    parameters = signature.parameters.values()
    first_two = [parameter for parameter in parameters if parameter.kind in _POSITIONAL][:2]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    needs_more = any(
        parameter.default is parameter.empty
        and parameter.kind not in _ANY_NUMBER
        and parameter not in first_two
        for parameter in parameters
    )
    if needs_more or not (takes_any or len(first_two) == 2):
        raise TypeError(
            f"{_RULE}, which is called with these two; the parameters of this one are {signature}"
        )


def _spell(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)


class StreamKind:
    def serve(self, made: Any, owner: Owner) -> HandlerServer:
        return HandlerServer(made, owner)

    def wrap(self, stream: Any, failed: Callable[[str, BaseException], None], share: Share) -> Any:
        return stream


KIND = StreamKind()
