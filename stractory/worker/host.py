"""The actors of this process, by name: started, found, ended. Knows no network.

An entry goes through its phases in one direction. What takes time in a phase is done once, by a task, and
whoever asks for the same again waits for that one.
"""

from __future__ import annotations

import logging
import traceback
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import Context
from typing import Any

import gevent

from stractory.errors import ActorStartFailed, PlacementError, StaleLocation, StractoryError, WorkerFull
from stractory.net.descriptors import is_lack
from stractory.net.threads import Task, threads
from stractory.wire.life import Life, Phase, Report
from stractory.wire.shipping import Definition
from stractory.worker.actor import STOP_LIMIT, Actor, Keep, keep_nothing
from stractory.worker.loading import Loader

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Names of which an end may come before the beginning: over two links there is no order."""


class Entry:
    """One life of a name. ``task`` starts or ends it; ``before`` is an older life that has to end first.

    ``actor`` is there as soon as its init has returned.
    """

    __slots__ = ("actor", "before", "life", "phase", "task")

    def __init__(self, life: Life, before: Entry | None) -> None:
        self.life = life
        self.before = before
        self.phase = Phase.STARTING
        self.actor: Actor | None = None
        self.task: Task | None = None


class Host:
    """Name -> the latest life of it here.

    ``make_client`` makes the clients that contexts hand out; ``exited(life, status)`` is told, once it is
    gone, of an actor that came to an end of its own accord. ``keep`` has the states of actors kept. ``most``:
    actors there may be; 0 for any number. ``imports_only``: it takes no code that travels.
    """

    def __init__(
        self,
        make_client: Callable[[], Any],
        exited: Callable[[Life, int], None] = lambda life, status: None,
        keep: Keep = keep_nothing,
        most: int = 0,
        imports_only: bool = False,
    ) -> None:
        self._make_client = make_client
        self._exited = exited
        self._most = most
        self._keep = keep
        self._loader = Loader(imports_only)
        self._entries: dict[str, Entry] = {}
        self._not_begun: OrderedDict[str, int] = OrderedDict()  # epochs of what was ended first
        self._left: dict[str, Life] = {}  # that ran when this worker began to end, and come back elsewhere
        self._closing = False
        self._suspended = False

    def reports(self) -> list[Report]:
        """Every life here, for the registry: the latest of each name.

        What ends only because this worker does counts as running until that has gone: who is told that it
        ends, or is no more, would not have it made again.
        """
        left = [Report(life, Phase.RUNNING) for life in self._left.values()]
        there = [entry for name, entry in self._entries.items() if name not in self._left]
        return left + [Report(entry.life, entry.phase) for entry in there]

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return 0 < self._most <= len(self._entries)

    def actors(self) -> Iterator[Actor]:
        """Those whose init has returned. Others may come and go meanwhile."""
        entries = list(self._entries.values())
        return (entry.actor for entry in entries if entry.actor is not None)

    def problems(self) -> list[tuple[Life, str]]:
        """The lives whose state cannot be kept, and why."""
        kept = [(entry.life, entry.actor.snapshots) for entry in self._entries.values() if entry.actor]
        return [(life, snapshots.problem) for life, snapshots in kept if snapshots and snapshots.problem]

    def outcome(self, life: Life) -> bool:
        """Wait while it starts or ends; whether it runs then."""
        entry = self._find(life.name, life.epoch)
        for phase in (Phase.STARTING, Phase.ENDING):  # a start may turn into an end
            if entry is not None and entry.phase is phase and entry.task is not None:
                entry.task.wait()
        return entry is not None and entry.phase is Phase.RUNNING

    def life(self, name: str, epoch: int) -> Life | None:
        """The life with this epoch, in whatever phase, if it is here."""
        entry = self._find(name, epoch)
        return None if entry is None else entry.life

    def runs(self, life: Life) -> bool:
        """Whether it is here, and neither starts nor ends."""
        entry = self._find(life.name, life.epoch)
        return entry is not None and entry.phase is Phase.RUNNING

    def find(self, name: str, epoch: int) -> Actor:
        """Raises StaleLocation unless this very life of the name runs here."""
        entry = self._entries.get(name)
        if entry is None or entry.actor is None or (entry.phase, entry.life.epoch) != (Phase.RUNNING, epoch):
            raise StaleLocation(f"{name!r} with the epoch {epoch} is not on this worker")
        return entry.actor

    # ---- cut off from the registry ---------------------------------------------------------------------

    def suspend(self, first: Callable[[], None]) -> bool:
        """Those that come back elsewhere may do so by now: here they serve nobody. Whether there are any.

        ``first`` is called before their connections end. It does not wait.
        """
        if not any(entry.life.terms.comes_back for entry in self._entries.values()):
            return False
        first()
        self._suspended = True
        for entry in self._entries.values():
            self._suspend(entry)
        return True

    def resume(self, doomed: Collection[Life]) -> None:
        """No other copies of them have begun, but of the ``doomed``."""
        self._suspended = False
        for entry in self._entries.values():
            if entry.actor is not None and entry.life not in doomed:
                entry.actor.suspended = False

    def _suspend(self, entry: Entry) -> None:
        if entry.actor is not None and entry.life.terms.comes_back:
            entry.actor.suspend()

    # ---- starting --------------------------------------------------------------------------------------

    def define(self, packed: bytes) -> None:
        """Know a definition, from now on, by its digest."""
        self._loader.define(packed)

    def create(
        self, life: Life, digest: bytes, options: Mapping[str, Any], state: bytes | None = None
    ) -> Actor:
        """Start an actor. Told again of the same life it does nothing; an older life of the name ends first.

        Its init runs in this green thread, which is killed with it; ``state`` is what the life before has
        left. Raises UnknownDefinition, ActorNotShippable, ActorStartFailed, StaleLocation when the life was
        ended before it began or has a later one here, WorkerFull when there is no room for it, and
        PlacementError when this worker takes no more.
        """
        entry = self._entries.get(life.name)
        if life.epoch <= self._not_begun.get(life.name, -1):
            raise StaleLocation(f"{life.name!r} was ended before it began")
        if self._closing:
            raise PlacementError(f"the worker that was to start {life.name!r} is about to end")
        if entry is not None and entry.life.epoch > life.epoch:
            raise StaleLocation(f"{life.name!r} has a later life than the epoch {life.epoch}")
        if entry is None and self.full:
            raise WorkerFull(f"a worker has its max-actors = {self._most}")
        if entry is None or entry.life.epoch < life.epoch:
            entry = self._begin(life, self._loader.find(digest), options, state, before=entry)
        if entry.phase is Phase.STARTING and entry.task is not None:
            failure = entry.task.get()
            if isinstance(failure, StractoryError):
                raise failure
        if entry.phase is not Phase.RUNNING or entry.actor is None:
            raise StaleLocation(f"{life.name!r} was ended before it could be used")
        return entry.actor

    def _begin(
        self,
        life: Life,
        definition: Definition,
        options: Mapping[str, Any],
        state: bytes | None,
        before: Entry | None,
    ) -> Entry:
        if before is not None:
            self._end(before)
        entry = self._entries[life.name] = Entry(life, before)
        entry.task = task = Task()
        # In a context of its own: how long the order is waited for is no limit for what begins there.
        Context().run(task.run, gevent.get_hub(), self._start, (entry, definition, options, state))
        return entry

    def _start(
        self, entry: Entry, definition: Definition, options: Mapping[str, Any], state: bytes | None
    ) -> ActorStartFailed | WorkerFull | None:
        """Returns what went wrong: gevent prints what a green thread raises."""
        self._await_before(entry)
        try:
            actor = Actor(
                entry.life,
                self._loader.load(definition),
                options,
                self._make_client,
                on_exit=lambda status: self._exit(entry, status),
            )
            actor.start(self._keep, state)
        except BaseException as error:  # sys.exit() in an init is that init's failure
            if entry.phase is not Phase.STARTING:
                return None  # it was told to end
            self._forget(entry)
            return _start_failed(entry.life.name, error)
        entry.actor = actor  # whoever ends it from now on, also instead of letting it run, ends this
        if self._suspended:
            self._suspend(entry)
        if entry.phase is Phase.STARTING:
            entry.phase, entry.task = Phase.RUNNING, None
            log.info("actor %r started", entry.life.name, extra=entry.life.fields)
        return None

    # ---- ending ----------------------------------------------------------------------------------------

    def destroy(self, name: str, epoch: int) -> None:
        """End this life of the name, started or starting; returns when its destroy() has run.

        If it is not here, it has ended already; or it will not begin, as another registry may order that.
        """
        if (left := self._left.get(name)) and left.epoch == epoch:
            del self._left[name]
        entry = self._find(name, epoch)
        if entry is not None:
            self._end(entry).wait()
        elif epoch > self._not_begun.get(name, -1):
            self._not_begun[name] = epoch
            if len(self._not_begun) > REMEMBERED:
                self._not_begun.popitem(last=False)

    def close(self, limit: float) -> None:
        """Take no more actors, and end all there are at once, within ``limit`` seconds."""
        self._closing = True
        for name, entry in self._entries.items():
            if entry.phase is Phase.RUNNING and entry.life.terms.comes_back:
                self._left[name] = entry.life
        ending = [self._end(entry) for entry in self._entries.values()]
        if len(gevent.wait(ending, timeout=limit)) < len(ending):
            log.error("some actors did not end within %g s", limit)

    def _exit(self, entry: Entry, status: int) -> None:
        log.info("actor %r exited with status %d", entry.life.name, status, extra=entry.life.fields)
        self._end(entry).rawlink(lambda _: self._exited(entry.life, status))

    def _end(self, entry: Entry) -> Task:
        """The green thread that ends it; there is one only."""
        if entry.phase is not Phase.ENDING or entry.task is None:
            entry.phase, entry.task = Phase.ENDING, threads().spawn(self._run_end, entry, entry.task)
        return entry.task

    def _run_end(self, entry: Entry, start: Task | None) -> None:
        try:
            if start is not None:
                self._stop(entry, start)
            if entry.actor is not None:
                entry.actor.end(comes_back=self._closing and entry.life.terms.comes_back)
                log.info("actor %r ended", entry.life.name, extra=entry.life.fields)
            self._await_before(entry)
        finally:
            self._forget(entry)

    def _stop(self, entry: Entry, start: Task) -> None:
        """Stop an init. One that goes on is left alone; if ever it returns, that actor ends at once."""
        start.kill(timeout=STOP_LIMIT)
        if not start.ready():
            log.warning(
                "actor %r: its init catches GreenletExit and goes on",
                entry.life.name,
                extra=entry.life.fields,
            )
            start.rawlink(lambda _: _end_late(entry))

    # ---- small parts -----------------------------------------------------------------------------------

    def _find(self, name: str, epoch: int) -> Entry | None:
        entry = self._entries.get(name)
        while entry is not None and entry.life.epoch != epoch:
            entry = entry.before
        return entry

    def _await_before(self, entry: Entry) -> None:
        if entry.before is not None and entry.before.task is not None:
            entry.before.task.wait()
        entry.before = None

    def _forget(self, entry: Entry) -> None:
        if self._entries.get(entry.life.name) is entry:
            del self._entries[entry.life.name]


def _end_late(entry: Entry) -> None:
    if entry.actor is not None:
        gevent.spawn(entry.actor.end)


def _start_failed(name: str, error: BaseException) -> ActorStartFailed | WorkerFull:
    if isinstance(error, OSError) and is_lack(error):
        return WorkerFull(f"{name!r} did not start: {type(error).__name__}: {error}")
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        text = str(error)
    except BaseException:
        text = "(it has no text: its __str__ failed)"
    return ActorStartFailed(f"{name!r} did not start: {type(error).__name__}: {text}", remote_traceback=trace)
