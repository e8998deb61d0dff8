"""The state of an actor that is kept for its next life: when it is taken, and what waits until it is durable.

It is taken while no call is half way, unless the actor says ``snapshot_any_time = True``: by whoever ends the
last call, before the next one begins. There is one on its way at a time. What happens meanwhile has the next.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import blake2b
from time import monotonic
from typing import Any, NamedTuple

import gevent
from gevent.event import AsyncResult, Event

from stractory.actors.hooks import find_hook
from stractory.errors import CallTimeout, StractoryError
from stractory.net.answers import deadline
from stractory.net.serving import NO_MORE, Hold, Methods, gives_items
from stractory.wire.codec import encode_value, unpack
from stractory.wire.life import SNAPSHOT_LIMIT

log = logging.getLogger(__name__)

PATIENCE = 5
"""Intervals without a moment of rest after which that is logged."""


class Keeping(NamedTuple):
    """Who has the state of an actor kept.

    ``keep`` returns when it is durable; False when another life has the name. It waits as long as nobody can
    be asked, and raises StractoryError. ``tell`` hears what is wrong from now on: "" for nothing.
    """

    name: str
    spawn: Callable[..., Any]
    keep: Callable[[bytes], bool]
    tell: Callable[[str], None]


class Commit(AsyncResult):  # type: ignore[type-arg]  # generic in the stubs only
    """State to be kept; its value is what went wrong, or "". ``held`` is called when it is durable."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Callable[[], object]] = []
        self.held_size = 0


class Snapshots:
    """State that is kept when so many seconds have passed since the actor was called."""

    _always_due = False

    def __init__(self, made: Any, keeping: Keeping, interval: float = 0.0) -> None:
        """``made`` is what init returned. Raises TypeError where that lacks a hook."""
        self._hooks = {name: _hook(made, name) for name in ("snapshot", "restore")}
        self.any_time = bool(getattr(made, "snapshot_any_time", False))
        self.problem = ""
        self._keeping = keeping
        self._interval = interval
        self._turns: AbstractContextManager[Any] = nullcontext()
        self._under_way = 0  # calls
        self._lasting = 0  # connections that may change the state at any time
        self._may_begin = Event()
        self._may_begin.set()
        self._ending = False
        self._ended = False
        self._watched = False
        self._due = self._always_due
        self._next: Commit | None = None  # of what has changed, or may have, since the last was begun
        self._sending: Commit | None = None
        self._kept = b""  # by its digest

    # ---- what is called ------------------------------------------------------------------------------------

    def restore(self, state: bytes) -> None:
        """Give the actor what the life before it has left."""
        self._hooks["restore"](unpack(state))
        self._kept = _digest(state)

    @property
    def hold(self) -> Hold | None:
        """Takes what a one-way message is sent by; None where that may be done at once."""
        return None

    def serving(self, methods: Methods, turns: AbstractContextManager[Any] | None) -> Methods:
        """``methods`` as they are to be called: in turn, and with what the state asks for."""
        if turns is not None:
            self._turns = turns
        return {name: self._served(method) for name, method in methods.items()}

    def _served(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            value = self._in_turn(method, *args, **kwargs)
            return self._items(value) if gives_items(value) else value

        return call

    def _items(self, items: Iterator[Any]) -> Iterator[Any]:
        deadline.set(None)  # that was the call's; each item is waited for anew
        try:
            while (item := self._in_turn(next, items, NO_MORE)) is not NO_MORE:
                yield item
        finally:
            if callable(close := getattr(items, "close", None)):
                self._begin()
                try:
                    close()
                finally:
                    self._end()

    def _in_turn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._call(self._turns):
            return self._as_it_is(function(*args, **kwargs))

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call what is no method, but may change the state as well."""
        with self._call(nullcontext()):
            return self._as_it_is(function(*args, **kwargs))

    @contextmanager
    def _call(self, turns: AbstractContextManager[Any]) -> Iterator[None]:
        commit = None
        try:
            with turns:
                if left() == 0:
                    raise CallTimeout("its caller has given up while it waited for its turn")
                self._begin()
                try:
                    yield
                finally:
                    commit = self._end()
        except gevent.GreenletExit:
            raise
        except BaseException:
            if commit is not None:
                self._settle(commit)
            raise
        if commit is not None:
            self._settle(commit)

    def _as_it_is(self, value: Any) -> Any:
        """What is to be answered, unchanged by calls that come before it is."""
        return value

    def _settle(self, commit: Commit) -> None:
        """What was called may be answered when this returns."""

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """While a connection lasts that may change the state at any time."""
        self._lasting += 1
        self._changed()
        try:
            yield
        finally:
            self._lasting -= 1
            self._changed()

    def _begin(self) -> None:
        while not self._may_begin.is_set():
            self._may_begin.wait()
        self._under_way += 1
        self._changed()

    def _end(self) -> Commit:
        self._under_way -= 1
        commit = self._changed()
        self._take_if_due()
        return commit

    def _changed(self) -> Commit:
        if self._next is None:
            self._next = Commit()
        if not self._watched:
            self._watched = True
            self._watch()
        return self._next

    def _watch(self) -> None:
        """Have the state taken in time."""
        self._keeping.spawn(self._wait)

    def _wait(self) -> None:
        try:
            self._take_in_time()
        finally:  # however: a snapshot() may raise what ends a green thread
            self._watched = False

    def _take_in_time(self) -> None:
        deadline.set(None)  # of the call that it follows
        restless = 0
        while self._next is not None or self._lasting or self._under_way:
            gevent.sleep(self._interval)
            self._due = True
            self._changed()
            self._take_if_due()
            restless = restless + 1 if self._due and self._under_way else 0
            if restless == PATIENCE:
                log.warning(
                    "the state of actor %r was not kept for %g s, as calls are under way all the time: "
                    "if it may be taken in the middle of some, say snapshot_any_time = True in its class",
                    self._keeping.name,
                    restless * self._interval,
                )

    # ---- taking it and having it kept ----------------------------------------------------------------------

    def _take_if_due(self) -> None:
        resting = not self._under_way or (self.any_time and not self._ending)
        if self._due and resting and not self._ended and self._sending is None and self._next is not None:
            self._take()

    def _take(self) -> None:
        commit, self._sending, self._next = self._next, self._next, None
        assert commit is not None  # noqa: S101  # for the type checker
        self._due = self._always_due
        if not self.any_time:
            self._may_begin.clear()
        try:
            state = self._packed()
        except BaseException as error:
            text = traceback.format_exception_only(error)[-1].strip()
            self._over(commit, f"snapshot() failed: {text}", error)
            if isinstance(error, gevent.GreenletExit):
                raise
        else:
            if (digest := _digest(state)) == self._kept:
                self._over(commit, "")
            else:
                self._keeping.spawn(self._send, commit, state, digest)
        finally:
            if not self._ending:
                self._may_begin.set()
        self._take_if_due()

    def _packed(self) -> bytes:
        state = encode_value(self._hooks["snapshot"](), "state")
        if len(state) > SNAPSHOT_LIMIT:
            raise ValueError(f"the state has {len(state)} bytes; at most {SNAPSHOT_LIMIT} are kept")
        return state

    def _send(self, commit: Commit, state: bytes, digest: bytes) -> None:
        deadline.set(None)  # whoever made it necessary is not the only one who needs it
        problem = ""
        try:
            if self._keeping.keep(state):
                self._kept = digest
            else:
                problem = "another life has its name"
        except StractoryError as error:
            problem = str(error)
            self._kept = b""  # nobody knows
            self._try_again()
        self._over(commit, problem)
        self._take_if_due()

    def _try_again(self) -> None:
        self._changed()

    def _over(self, commit: Commit, problem: str, error: BaseException | None = None) -> None:
        """What became of a commit."""
        self._sending = None
        if problem != self.problem:
            self.problem = problem
            if problem:
                log.error(
                    "the state of actor %r is not kept: %s", self._keeping.name, problem, exc_info=error
                )
            self._keeping.tell(problem)
        if not problem:
            for send in commit.held:
                with suppress(OSError):  # whom it is for has left
                    send()
        commit.set(problem)

    # ---- the end -------------------------------------------------------------------------------------------

    def finish(self, limit: float) -> None:
        """Let no call begin any more; when those under way are done, have the state kept that they left."""
        self._ending = True
        self._may_begin.clear()
        commit = self._changed()
        self._due = True
        self._take_if_due()
        if commit.wait(limit) is None:
            log.error("the last state of actor %r was not kept within %g s", self._keeping.name, limit)
        self.end()

    def end(self) -> None:
        """The actor ends: nothing is held back any more."""
        self._ended = True


def _hook(made: Any, name: str) -> Callable[..., Any]:
    hook = find_hook(made, name)
    if hook is None:
        what = "the dict" if isinstance(made, Mapping) else f"the {type(made).__name__}"
        raise TypeError(
            f"snapshot= needs snapshot() and restore(state), and {what} that init returned has no {name}()"
        )
    return hook


def _digest(state: bytes) -> bytes:
    return blake2b(state, digest_size=16).digest()


def left() -> float | None:
    """Seconds for which the caller still waits."""
    until = deadline.get()
    return None if until is None else max(0.0, until - monotonic())
