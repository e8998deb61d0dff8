"""The actors of this process: started, served, ended. Knows no network beyond the streams it is handed."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import gevent
from gevent.pool import Group

from stractory.actors.code import load
from stractory.actors.kinds import Kind, kind
from stractory.errors import ActorStartFailed, StaleLocation
from stractory.wire.life import Life
from stractory.wire.shipping import Definition

log = logging.getLogger(__name__)

DESTROY_LIMIT = 10.0
"""Seconds an actor's own destroy() may take."""


class Context:
    """What an init gets as its second argument: ``name``, ``epoch``, ``log``, a client to other actors."""

    def __init__(self, name: str, epoch: int, make_client: Callable[[], Any]) -> None:
        self.name = name
        self.epoch = epoch
        self.log = logging.getLogger(f"stractory.actor.{name}")
        self._make_client = make_client

    @property
    def client(self) -> Any:
        """The worker's own client, one for all its actors."""
        return self._make_client()


class Actor:
    """One running actor. ``server`` is what its init returned."""

    __slots__ = ("_tasks", "definition", "kind", "life", "on_end", "options", "server")

    def __init__(self, life: Life, definition: Definition, options: Mapping[str, Any]) -> None:
        self.life = life
        self.definition = definition
        self.options = {**definition.options, **options}
        self.kind: Kind = kind(definition.kind)
        self.server: Any = None
        self.on_end: Callable[[], None] | None = None  # closes its own port
        self._tasks: Group | None = None

    def __repr__(self) -> str:
        return f"<Actor {self.life.name!r} {self.life.kind} epoch {self.life.epoch}>"

    def start(self, init: Callable[..., Any], context: Context) -> None:
        """Run init, with as many of (options, context) as it takes."""
        self.server = init(*(self.options, context)[: _positional_parameters(init)])
        self.kind.check(self.server)

    def serve(self, stream: Any, address: Any) -> None:
        """Serve one connection in a green thread of the actor's own."""
        if self._tasks is None:
            self._tasks = Group()
        self._tasks.spawn(self._serve, stream, address)

    def _serve(self, stream: Any, address: Any) -> None:
        try:
            self.kind.serve(self.server, stream, address)
        except gevent.GreenletExit:
            _abort(stream)
        except BaseException as error:
            _abort(stream)
            if isinstance(error, OSError) and stream.closed:
                log.debug("actor %r: a client left: %s", self.life.name, error)
            else:
                log.exception("actor %r: the handler of %s failed", self.life.name, _spell(address))
        else:
            stream.close()

    def end(self) -> None:
        """Run its destroy(), then end its connections."""
        destroy = getattr(self.server, "destroy", None)
        if callable(destroy):
            try:
                with gevent.Timeout(DESTROY_LIMIT):
                    destroy()
            except BaseException:
                log.exception("actor %r: its destroy() failed", self.life.name)
        if self.on_end is not None:
            self.on_end()
        if self._tasks is not None:
            self._tasks.kill()


class Host:
    """Name -> actor. ``make_client`` makes the client that contexts hand out."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._actors: dict[str, Actor] = {}
        self._starting: dict[tuple[str, int], gevent.Greenlet[..., Any]] = {}

    def lives(self) -> list[Life]:
        """Every actor here, for the registry."""
        return [actor.life for actor in self._actors.values()]

    def create(self, life: Life, packed: bytes, options: Mapping[str, Any]) -> Actor:
        """Start an actor. Told again of the same life it does nothing; an older life of the name ends.

        Raises ActorStartFailed, or StaleLocation when the life was ended before it began.
        """
        known = self._actors.get(life.name)
        if known is not None and known.life.epoch == life.epoch:
            return known
        if known is not None:
            self.destroy(life.name, known.life.epoch)
        key = life.name, life.epoch
        start = self._starting[key] = gevent.spawn(self._start, life, packed, options)
        try:
            outcome = start.get()
        finally:
            del self._starting[key]
            start.kill(block=False)
        if isinstance(outcome, Actor):
            self._actors[life.name] = outcome
            return outcome
        if isinstance(outcome, ActorStartFailed):
            raise outcome
        raise StaleLocation(f"{life.name!r} was ended while it started")

    def _start(self, life: Life, packed: bytes, options: Mapping[str, Any]) -> Actor | ActorStartFailed:
        """The started actor or what went wrong: gevent prints what a green thread raises."""
        try:
            definition, init = _load(packed)
            actor = Actor(life, definition, options)
            actor.start(init, Context(life.name, life.epoch, self._make_client))
            return actor
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # sys.exit() in an init is that init's failure
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            return ActorStartFailed(
                f"{life.name!r} did not start: {type(error).__name__}: {error}", remote_traceback=text
            )

    def find(self, name: str, epoch: int) -> Actor:
        """Raises StaleLocation unless this very life of the name is here."""
        actor = self._actors.get(name)
        if actor is None or actor.life.epoch != epoch:
            raise StaleLocation(f"{name!r} with the epoch {epoch} is not on this worker")
        return actor

    def destroy(self, name: str, epoch: int) -> None:
        """End this life of the name, started or starting; if it is not here, it has ended already."""
        if start := self._starting.get((name, epoch)):
            start.kill(block=False)
        actor = self._actors.get(name)
        if actor is not None and actor.life.epoch == epoch:
            del self._actors[name]
            actor.end()

    def destroy_all(self) -> None:
        """End every actor, all at once."""
        actors, self._actors = list(self._actors.values()), {}
        gevent.joinall([gevent.spawn(actor.end) for actor in actors])


@lru_cache(maxsize=1024)
def _load(packed: bytes) -> tuple[Definition, Callable[..., Any]]:
    """Load a definition once, however many actors are made of it."""
    definition = Definition.unpack(packed)
    return definition, load(definition.init)


def _positional_parameters(function: Callable[..., Any]) -> int:
    """How many of (options, context) it takes."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some builtins tell none
        return 1
    return sum(parameter.kind in positional for parameter in parameters)


def _abort(stream: Any) -> None:
    """Close it so that the client sees that this is no orderly end."""
    getattr(stream, "abort", stream.close)()


def _spell(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
