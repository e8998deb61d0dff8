"""One actor on a worker: its init, the connections it serves, its end."""

from __future__ import annotations

import errno
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from stractory.actors.kinds import Kind, kind
from stractory.errors import LinkError, StaleLocation
from stractory.wire.life import Life
from stractory.worker.exits import one_process
from stractory.worker.loading import Loaded

log = logging.getLogger(__name__)

DESTROY_LIMIT = 10.0
"""Seconds an actor's own destroy() may take."""

STOP_LIMIT = 1.0
"""Seconds that an actor's code has to stop when it is told to; then it is left alone."""

_BROKEN = frozenset({errno.EBADF, errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT})
"""How a socket says that its connection is over."""


class Context:
    """What an init gets as its second argument: ``name``, ``epoch``, ``log``, a client to other actors."""

    __slots__ = ("_client", "_make_client", "epoch", "name")

    def __init__(self, name: str, epoch: int, make_client: Callable[[], Any]) -> None:
        self.name = name
        self.epoch = epoch
        self._make_client = make_client
        self._client: Any = None

    @property
    def log(self) -> logging.Logger:
        """A logger with the actor's name."""
        return logging.getLogger(f"stractory.actor.{self.name}")

    @property
    def client(self) -> Any:
        """A client of the actor's own, made at first use and closed when the actor ends."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def close(self) -> None:
        """Close the client, if there is one."""
        if self._client is not None:
            _run(self._client.close, STOP_LIMIT, f"the client of actor {self.name!r}")


class Actor:
    """One running actor. ``server`` is what its init returned."""

    __slots__ = ("_context", "_serving", "ended", "kind", "life", "loaded", "on_end", "options", "server")

    def __init__(
        self, life: Life, loaded: Loaded, options: Mapping[str, Any], make_client: Callable[[], Any]
    ) -> None:
        self.life = life
        self.loaded = loaded
        self.options = {**loaded.options, **options}
        self.kind: Kind = kind(loaded.kind)
        self.server: Any = None
        self.ended = False
        self.on_end: Callable[[], None] | None = None  # closes its own port
        self._context = Context(life.name, life.epoch, make_client)
        self._serving: dict[Any, gevent.Greenlet[..., Any]] = {}  # stream -> green thread

    def __repr__(self) -> str:
        return f"<Actor {self.life.name!r} {self.life.kind} epoch {self.life.epoch}>"

    def start(self) -> None:
        """Run init, with as many of (options, context) as it takes."""
        init = self.loaded.init
        try:
            with one_process():
                self.server = init(*(self.options, self._context)[: _positional_parameters(init)])
            self.kind.check(self.server)
        except BaseException:
            self._context.close()
            raise

    # ---- connections -----------------------------------------------------------------------------------

    def check_running(self) -> None:
        """Raises StaleLocation when it has ended."""
        if self.ended:
            raise StaleLocation(f"{self.life.name!r} with the epoch {self.life.epoch} has ended")

    def serve(self, stream: Any, address: Any) -> None:
        """Serve one connection in a green thread of the actor's own. Raises StaleLocation."""
        self.check_running()
        self._serving[stream] = gevent.spawn(self._serve, stream, address)

    def _serve(self, stream: Any, address: Any) -> None:
        try:
            with one_process():
                self.kind.serve(self.server, stream, address)
        except gevent.GreenletExit:
            stream.abort()
        except BaseException as error:
            client_left = _is_end_of(stream, error)  # asked first: what follows ends it in any case
            stream.abort()
            if client_left:
                log.debug("actor %r: a client left: %s", self.life.name, error)
            else:
                log.exception("actor %r: the handler of %s failed", self.life.name, _spell(address))
        else:
            stream.close()
        finally:
            self._serving.pop(stream, None)

    # ---- the end ---------------------------------------------------------------------------------------

    def end(self) -> None:
        """Take no more connections, run its destroy(), then end its connections and its client."""
        self.ended = True
        if self.on_end is not None:
            self.on_end()
            self.on_end = None
        destroy = getattr(self.server, "destroy", None)
        if callable(destroy):
            _run(destroy, DESTROY_LIMIT, f"destroy() of actor {self.life.name!r}")
        self._end_connections()
        self._context.close()

    def _end_connections(self) -> None:
        tasks = list(self._serving.values())
        gevent.killall(tasks, block=False)
        gevent.joinall(tasks, timeout=STOP_LIMIT)
        if stubborn := [task for task in tasks if not task.dead]:
            log.warning("actor %r: %d handlers catch GreenletExit and go on", self.life.name, len(stubborn))
        for stream in list(self._serving):  # theirs, and those of handlers that never began
            stream.abort()


def _run(function: Callable[[], Any], limit: float, what: str) -> None:
    """Run part of an actor's end. Whatever it raises is logged, and it is not waited for beyond ``limit``.

    A green thread of its own, because code that catches everything also catches a gevent.Timeout.
    """

    def run() -> None:
        try:
            with one_process():
                function()
        except gevent.GreenletExit:
            pass
        except BaseException:
            log.exception("%s failed", what)

    task = gevent.spawn(run)
    task.join(limit)
    if not task.dead:
        log.error("%s did not return within %g s", what, limit)
        task.kill(timeout=STOP_LIMIT)


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


def _positional_parameters(function: Callable[..., Any]) -> int:
    """How many of (options, context) it takes."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some builtins tell none
        return 1
    return sum(parameter.kind in positional for parameter in parameters)


def _spell(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
