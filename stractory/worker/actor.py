"""One actor on a worker: its init, the connections it serves, its end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from stractory.actors.kinds import Kind, Server, kind
from stractory.errors import StaleLocation
from stractory.wire.life import Life
from stractory.wire.session import ENDED
from stractory.worker.exits import one_process
from stractory.worker.loading import Loaded

log = logging.getLogger(__name__)

DESTROY_LIMIT = 10.0
"""Seconds an actor's own destroy() may take."""

STOP_LIMIT = 1.0
"""Seconds that an actor's code has to stop when it is told to; then it is left alone."""

KILLED_AT_ONCE = 100
"""Green threads of an actor that are told to stop before others of the worker get a turn."""


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
    """One running actor, the owner of its server (:class:`stractory.actors.kinds.Owner`).

    ``on_exit`` is told the status when it comes to an end of its own accord.
    """

    __slots__ = (
        "_context",
        "_on_exit",
        "_stopped",
        "_streams",
        "_tasks",
        "ended",
        "kind",
        "life",
        "loaded",
        "on_end",
        "options",
        "server",
    )

    def __init__(
        self,
        life: Life,
        loaded: Loaded,
        options: Mapping[str, Any],
        make_client: Callable[[], Any],
        on_exit: Callable[[int], None] = lambda status: None,
    ) -> None:
        self.life = life
        self.loaded = loaded
        self.options = {**loaded.options, **options}
        self.kind: Kind = kind(loaded.kind)
        self.server: Server | None = None
        self.ended = False
        self.on_end: Callable[[], None] | None = None  # closes its own port
        self._on_exit = on_exit
        self._context = Context(life.name, life.epoch, make_client)
        self._stopped = False
        self._streams: set[Any] = set()
        self._tasks: set[gevent.Greenlet[..., Any]] = set()

    def __repr__(self) -> str:
        return f"<Actor {self.life.name!r} {self.life.kind} epoch {self.life.epoch}>"

    def start(self) -> None:
        """Run init, with as many of (options, context) as it takes."""
        try:
            with one_process():
                made = self.loaded.init(*(self.options, self._context)[: self.loaded.arguments])
            self.server = self.kind.serve(made, self)
        except BaseException:
            self._context.close()
            self._end_tasks()
            raise

    # ---- as the owner of its server --------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.life.name

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.loaded.settings

    @property
    def log(self) -> logging.Logger:
        return self._context.log

    def spawn(self, function: Callable[..., Any], *args: Any) -> gevent.Greenlet[..., Any]:
        """Run a function in a green thread that ends with the actor; what it raises is logged."""
        task = gevent.Greenlet(self._run, function, args)
        if not self._stopped:  # what ends may have more to do, and may not begin with it
            self._tasks.add(task)
            task.start()
        return task

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        with contextlib.suppress(gevent.GreenletExit):
            self.run(function, *args)

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """As spawn(), in this green thread, which ends with the actor."""
        task: Any = gevent.getcurrent()
        if not self._stopped:
            self._tasks.add(task)
            try:
                with one_process():
                    function(*args)
            except gevent.GreenletExit:
                raise
            except BaseException:
                log.exception("actor %r failed", self.name)
            finally:
                self._tasks.discard(task)
        if self._stopped:  # a green thread that is being killed must not go on to something else
            raise gevent.GreenletExit

    def exited(self, status: int) -> None:
        """It has come to an end of its own accord."""
        self._on_exit(status)

    # ---- connections -----------------------------------------------------------------------------------

    def check_running(self) -> Server:
        """What serves it. Raises StaleLocation when it has ended."""
        if self.ended or self.server is None:
            raise StaleLocation(f"{self.life.name!r} with the epoch {self.life.epoch} has ended")
        return self.server

    def serve(self, stream: Any, address: Any) -> None:
        """Take a connection, without waiting. Raises StaleLocation."""
        server = self.check_running()
        self._streams.add(stream)
        stream.call_at_end(lambda error: self._streams.discard(stream))
        server.connect(stream, address)

    # ---- the end ---------------------------------------------------------------------------------------

    def end(self) -> None:
        """Take no more connections, run its destroy(), then end its connections and its client."""
        self.ended = True
        if self.on_end is not None:
            _run(self.on_end, STOP_LIMIT, f"the own port of actor {self.life.name!r}")
            self.on_end = None
        if self.server is not None:
            _run(self.server.destroy, DESTROY_LIMIT, f"destroy() of actor {self.life.name!r}")
        self._end_tasks()
        for stream in list(self._streams):  # of handlers that go on, or never began
            stream.abort(ENDED)
        self._context.close()

    def _end_tasks(self) -> None:
        self._stopped = True
        tasks = [task for task in self._tasks if task is not gevent.getcurrent()]
        for start in range(0, len(tasks), KILLED_AT_ONCE):
            gevent.killall(tasks[start : start + KILLED_AT_ONCE], block=False)
            gevent.sleep(0)
        gevent.joinall(tasks, timeout=STOP_LIMIT)
        if stubborn := [task for task in tasks if not task.dead]:
            log.warning("actor %r: %d green threads catch GreenletExit and go on", self.name, len(stubborn))


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
