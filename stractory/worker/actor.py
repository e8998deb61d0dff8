"""One actor on a worker: its init, the connections it serves, its end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

import gevent

from stractory.actors.each_call import SnapshotsOfEachCall
from stractory.actors.kinds import Kind, Server, kind
from stractory.actors.snapshots import Keeping, Snapshots
from stractory.errors import StaleLocation
from stractory.net.counters import Tally
from stractory.wire.life import EACH_CALL, NO_SNAPSHOTS, Life
from stractory.wire.session import ENDED, SUSPENDED
from stractory.worker.blame import Culprit, marked, marks
from stractory.worker.loading import Loaded

log = logging.getLogger(__name__)

DESTROY_LIMIT = 10.0
"""Seconds an actor's own destroy() may take."""

FINISH_LIMIT = 5.0
"""Seconds in which the calls of an actor that comes back elsewhere have to end, and its state to be kept."""

STOP_LIMIT = 1.0
"""Seconds that an actor's code has to stop when it is told to; then it is left alone."""

KILLED_AT_ONCE = 100
"""Green threads of an actor that are told to stop before others of the worker get a turn."""


class Keep(NamedTuple):
    """Who has the states of actors kept; as :class:`stractory.actors.snapshots.Keeping` for any of them."""

    state: Callable[[Life, bytes], bool]
    problem: Callable[[Life, str], None]


keep_nothing = Keep(lambda life, state: True, lambda life, problem: None)
"""For actors without snapshots."""


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
        "snapshots",
        "suspended",
        "tally",
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
        self.tally: Tally | None = None  # of streams and child processes nothing is counted
        self.server: Server | None = None
        self.snapshots: Snapshots | None = None
        self.ended = False
        self.suspended = False  # it serves nobody, and keeps its state
        self.on_end: Callable[[], None] | None = None  # closes its own port
        self._on_exit = on_exit
        self._context = Context(life.name, life.epoch, make_client)
        self._stopped = False
        self._streams: set[Any] = set()
        self._tasks: set[gevent.Greenlet[..., Any]] = set()

    def __repr__(self) -> str:
        return f"<Actor {self.life.name!r} {self.life.kind} epoch {self.life.epoch}>"

    def start(self, keep: Keep = keep_nothing, state: bytes | None = None) -> None:
        """Run init, with as many of (options, context) as it takes; restore() with the ``state`` of before.

        Raises TypeError where init returns the wrong thing, and whatever the two do.
        """
        arguments = (self.options, self._context)[: self.loaded.arguments]
        try:
            with self.marked():
                made = self.loaded.call(self.loaded.init, *arguments)
                self.snapshots = self._snapshots_of(made, keep)
                self.server = self.kind.serve(made, self)
                if self.snapshots is not None and state is not None:
                    self.loaded.call(self.snapshots.restore, state)
        except BaseException:
            self._context.close()
            self._end_tasks()
            raise

    def _snapshots_of(self, made: Any, keep: Keep) -> Snapshots | None:
        when = self.life.terms.snapshot
        if when == NO_SNAPSHOTS:
            return None
        keeping = Keeping(
            self.name, self.spawn, partial(keep.state, self.life), partial(keep.problem, self.life)
        )
        if when != EACH_CALL:
            return Snapshots(made, keeping, float(when))
        if self.life.kind != "rpc":
            raise TypeError(
                "snapshot='each call' is for rpc actors, whose calls are answered: "
                f"give this {self.life.kind} actor a number of seconds"
            )
        return SnapshotsOfEachCall(made, keeping)

    # ---- as the owner of its server --------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.life.name

    @property
    def may_block(self) -> bool:
        return self.life.terms.isolate

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.loaded.settings

    @property
    def log(self) -> logging.Logger:
        return self._context.log

    def counting(self) -> Tally:
        if self.tally is None:
            self.tally = Tally()
        return self.tally

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
            before, task.spawn_tree_locals = task.spawn_tree_locals, self._marks()  # as marked(), but faster
            try:
                self.loaded.call(function, *args)
            except gevent.GreenletExit:
                raise
            except BaseException:
                log.exception("actor %r failed", self.name)
            finally:
                task.spawn_tree_locals = before
                self._tasks.discard(task)
        if self._stopped:  # a green thread that is being killed must not go on to something else
            raise gevent.GreenletExit

    def _marks(self) -> dict[str, Any]:
        """Made each time: of 100,000 actors that are idle they would take 30 MB."""
        return marks(Culprit(self.life.name, self.loaded.label, self.life.epoch))

    def marked(self) -> AbstractContextManager[None]:
        """Where this green thread and those that it begins do what is this actor's, for the watchdog."""
        return marked(self._marks())

    def exited(self, status: int) -> None:
        """It has come to an end of its own accord."""
        self._on_exit(status)

    # ---- connections -----------------------------------------------------------------------------------

    @property
    def clients(self) -> int:
        """How many connections it has. A zerorpc port is admitted as one, and tells of those that it has."""
        return sum(getattr(stream, "clients", 1) for stream in self._streams)

    def check_running(self) -> Server:
        """What serves it. Raises StaleLocation when it has ended, or is suspended."""
        if self.ended or self.server is None:
            raise StaleLocation(f"{self.life.name!r} with the epoch {self.life.epoch} has ended")
        if self.suspended:
            raise StaleLocation(
                f"{self.life.name!r} with the epoch {self.life.epoch} may live elsewhere by now"
            )
        return self.server

    def suspend(self) -> None:
        """Serve nobody until ``suspended`` is False again: there may be another copy. It does not wait."""
        if not self.suspended:
            self.suspended = True
            for stream in list(self._streams):
                stream.abort(SUSPENDED)

    def serve(self, stream: Any, address: Any) -> None:
        """Take a connection, without waiting. Raises StaleLocation."""
        self.admit(stream).connect(stream, address)

    def admit(self, stream: Any) -> Server:
        """Have ``stream`` end with it, or when it is suspended. Returns and raises as check_running()."""
        server = self.check_running()
        self._streams.add(stream)
        stream.call_at_end(lambda error: self._streams.discard(stream))
        return server

    # ---- the end ---------------------------------------------------------------------------------------

    def end(self, *, comes_back: bool = False) -> None:
        """Take no more connections, run its destroy(), then end its connections and its client.

        ``comes_back``: elsewhere. Before all that it leaves its state, if that is kept.
        """
        self.ended = True
        if self.snapshots is not None:
            if comes_back:  # before anything stops a call half way
                finish = partial(self.loaded.call, self.snapshots.finish, FINISH_LIMIT)
                with self.marked():
                    _run(finish, FINISH_LIMIT + STOP_LIMIT, f"snapshot() of actor {self.life.name!r}")
            self.snapshots.end()
        if self.on_end is not None:
            _run(self.on_end, STOP_LIMIT, f"the own port of actor {self.life.name!r}")
            self.on_end = None
        if self.server is not None:
            destroy = partial(self.loaded.call, self.server.destroy)
            with self.marked():
                _run(destroy, DESTROY_LIMIT, f"destroy() of actor {self.life.name!r}")
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
            log.warning(
                "actor %r: %d green threads catch GreenletExit and go on",
                self.name,
                len(stubborn),
                extra=self.life.fields,
            )


def _run(function: Callable[[], Any], limit: float, what: str) -> None:
    """Run part of an actor's end. Whatever it raises is logged, and it is not waited for beyond ``limit``.

    A green thread of its own, because code that catches everything also catches a gevent.Timeout.
    """

    def run() -> None:
        try:
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
