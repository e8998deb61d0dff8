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
from stractory.actors.parameters import check_takes_two, simply_takes_two
from stractory.errors import LinkError
from stractory.net.serving import Share
from stractory.wire.session import ENDED

log = logging.getLogger(__name__)

_RULE = "init of a stream actor returns a handler(stream, address)"

_BROKEN = frozenset({errno.EBADF, errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT})
"""How a socket says that its connection is over."""


class HandlerServer:
    """``handler(stream, address)`` serves one connection; the stream is closed when it returns."""

    def __init__(self, made: Any, owner: Owner) -> None:
        check_handler(made)
        self._handler = made
        self._owner = owner
        if owner.snapshots is not None and not owner.snapshots.any_time:
            raise TypeError(
                "connections of a stream actor have no moments of rest: if its state may be taken while they "
                "last, every so many seconds, say snapshot_any_time = True in the handler's class"
            )

    def connect(self, stream: Any, address: Any) -> None:
        self._owner.spawn(self._serve, stream, address)

    def _serve(self, stream: Any, address: Any) -> None:
        try:
            if self._owner.snapshots is None:
                self._handler(stream, address)
            else:
                with self._owner.snapshots.lasting():
                    self._handler(stream, address)
        except gevent.GreenletExit:
            stream.abort(ENDED if self._owner.ended else 0)
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
    if simply_takes_two(made):
        return
    if not callable(made):
        raise TypeError(f"{_RULE}, not {type(made).__name__}")
    for function in (made, type(made).__call__):  # of an object, the latter is what runs
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{_RULE} that is no coroutine: 'def', not 'async def'")
        if inspect.isgeneratorfunction(function):
            raise TypeError(f"{_RULE} that does not yield: calling a generator function runs nothing")
    check_takes_two(made, _RULE)


def _spell(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)


class StreamKind:
    def serve(self, made: Any, owner: Owner) -> HandlerServer:
        return HandlerServer(made, owner)

    def wrap(self, stream: Any, failed: Callable[[str, BaseException], None], share: Share) -> Any:
        return stream


KIND = StreamKind()
