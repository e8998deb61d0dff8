"""The half of a connection that is called: runs methods and functions, and answers."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import MappingProxyType, NoneType
from typing import Any

import gevent
from gevent.event import Event

from stractory.errors import ForbiddenRole, StractoryError, UnknownMethod
from stractory.net.allowance import Allowance
from stractory.net.answers import deadline
from stractory.net.callbacks import Callback
from stractory.net.counters import Tally, counters
from stractory.net.runner import Runner, Within, anywhere
from stractory.net.seldom import Seldom
from stractory.wire.failures import text_of, to_wire
from stractory.wire.frames import new
from stractory.wire.messages import ITEMS_AHEAD, Call, Ended, Failure, Item, Message, Opened, Result

log = logging.getLogger(__name__)

_Piece = tuple[Call, Callable[..., Any] | None, float, int]  # the latter: when it came, and its weight
NO_MORE = object()

Methods = Mapping[str, Callable[..., Any]]
"""What the other end may call, by name."""

Share = Callable[[Any], Any]
"""Makes what a user is given for a thing that lives on a loop: what may be used in other threads too."""


def itself(thing: Any) -> Any:
    """For users in the loop's own thread."""
    return thing


Hold = Callable[[Callable[[], object], int], None]
"""Takes what sends something: it is called when that may leave, and may raise OSError then."""


def plainly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call it."""
    return function(*args, **kwargs)


NO_METHODS: Methods = MappingProxyType({})


SHOWN = 80
"""Most characters that are told of a name."""

_PLAIN = frozenset({NoneType, bool, int, float, str, bytes, list, tuple, dict})
"""What most results are; none of them gives items."""


def gives_items(value: Any) -> bool:
    """Whether a result is an iterator, whose items are sent one by one; asking for Iterator takes longer."""
    return hasattr(type(value), "__next__")


def log_failure(what: str, error: BaseException) -> None:
    """What becomes of an error that has no caller to go to, unless somebody else takes it."""
    trace = None if isinstance(error, StractoryError) else error
    log.error("%s failed: %s", what, text_of(error), exc_info=trace)


def _log_some(failed: tuple[str, BaseException], more: int) -> None:
    what, error = failed
    log_failure(f"{what} (the last of {more} more such)" if more else what, error)


_failures = Seldom(_log_some, most=10)


def log_some_failures(what: str, error: BaseException) -> None:
    """As log_failure(), 10 of a kind in ten seconds: whoever calls can cause any number of them."""
    _failures.hear(f"{what.partition(': ')[0]}: {type(error).__name__}", (what, error))


class Serving:
    """How calls are served.

    ``methods`` may be called by name. ``functions``: whether functions may stand in messages. ``turns`` is
    held while a method runs, and while a generator makes an item. ``within`` calls what runs methods and
    functions. ``failed(what, error)`` is told of the errors of one-way calls. ``ended`` tells whether all of
    it is over: callers then hear of that, by the end of the stream, and not of the calls that it stopped.
    ``share`` makes what is given out for functions of the other side's. ``through(function, *args)`` is how
    functions are called that are no methods, and ``hold(send, size)`` takes what a one-way call is sent by.
    ``tally`` counts what is called, for the process too.
    """

    __slots__ = (
        "ended",
        "failed",
        "functions",
        "hold",
        "methods",
        "share",
        "tally",
        "through",
        "turns",
        "within",
    )

    def __init__(
        self,
        methods: Methods | None = None,
        *,
        functions: bool = False,
        turns: AbstractContextManager[Any] | None = None,
        within: Within = anywhere,
        failed: Callable[[str, BaseException], None] = log_failure,
        ended: Callable[[], bool] = lambda: False,
        share: Share = itself,
        through: Callable[..., Any] = plainly,
        hold: Hold | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.methods = NO_METHODS if methods is None else methods
        self.functions = functions
        self.turns = turns
        self.within = within
        self.failed = failed
        self.ended = ended
        self.share = share
        self.through = through
        self.hold = hold
        self.tally = tally

    def find(self, name: Any, label: str) -> Callable[..., Any]:
        """The method of that name. Raises UnknownMethod."""
        if name in self.methods and not name.startswith("_"):
            return self.methods[name]
        known = ", ".join(sorted(name for name in self.methods if not name.startswith("_"))) or "none"
        shown = repr(name) if len(name) <= SHOWN else f"{name[:SHOWN]!r}..."
        raise UnknownMethod(f"{label} has no method {shown}; it has: {known}")

    def guard(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """``method`` as another protocol may call it: in its turn, and counted."""
        call = plainly if self.tally is None else self.tally.call

        @functools.wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.turns or nullcontext():
                value = call(method, *args, **kwargs)
            return self._in_turn(value) if gives_items(value) else value

        return run

    def _in_turn(self, items: Iterator[Any]) -> Iterator[Any]:
        while (item := self.next(items)) is not NO_MORE:
            yield item

    def next(self, items: Iterator[Any]) -> Any:
        """The next item, made in its turn; NO_MORE at the end."""
        with self.turns or nullcontext():
            return next(items, NO_MORE)


class Server:
    """One connection's. ``write`` sends a message, for which ``make_room`` waits that there is room;
    ``allowance`` is told of the calls that run."""

    __slots__ = ("_allowance", "_label", "_make_room", "_runner", "_serving", "_sources", "_write")

    def __init__(
        self,
        serving: Serving,
        label: str,
        write: Callable[[Message], None],
        make_room: Callable[[], None],
        allowance: Allowance,
    ) -> None:
        self._allowance = allowance
        self._make_room = make_room
        self._serving = serving
        self._label = label
        self._write = write
        self._runner: Runner[_Piece] = Runner(self._run, serving.within)
        self._sources: dict[int, _Source] = {}

    def take(self, call: Call, function: Callable[..., Any] | None, weight: int) -> None:
        """Have it run, by go(), when those before it have begun: a method, or ``function``, passed before.

        The function is held from now on: the other side may have given it back by the time it runs.
        """
        self._allowance.begun(weight)
        self._runner.add((call, function, monotonic(), weight))

    def go(self) -> None:
        """Begin with what was taken."""
        if self._runner:
            self._runner.go()

    def grant(self, id: int, count: int) -> None:
        """The caller takes so many more items."""
        if source := self._sources.get(id):
            source.credit += count
            source.granted.set()

    def cancel(self, id: int) -> None:
        """The caller takes no more items."""
        if source := self._sources.get(id):
            source.stop()

    def end(self) -> None:
        """Nobody is there to answer any more: generators are stopped, methods run on."""
        for source in self._sources.values():
            source.stop()

    def _run(self, piece: _Piece) -> None:
        call, function, came, weight = piece
        until = None if call.timeout is None else came + call.timeout
        if until is not None:
            deadline.set(until)
        serving = self._serving
        try:
            if call.id is not None:
                self._make_room()  # or who asks for much and reads nothing could fill the memory
            if function is not None:
                value = self._run_function(function, call)
            elif serving.turns is None:
                value = serving.find(call.target, self._label)(*call.args, **call.kwargs)
            else:
                method = serving.find(call.target, self._label)
                with serving.turns:
                    if until is not None and monotonic() > until:
                        return  # its caller has given up while it waited for its turn
                    value = method(*call.args, **call.kwargs)
            if call.id is None:
                pass
            elif type(value) not in _PLAIN and gives_items(value):
                self._serve_items(call.id, value)
            else:
                self._answer(call, value)
        except gevent.GreenletExit as error:  # killed, perhaps with its actor: no failure of the call's
            if call.id is not None and not self._serving.ended():
                self._answer_failure(call, error)
            raise
        except BaseException as error:  # sys.exit() in a method must not end the process
            self._answer_failure(call, error)
        finally:
            self._allowance.done(weight)
            if (tally := serving.tally) is not None:
                tally.calls += 1
                counters.calls.add(monotonic() - came)

    def _run_function(self, function: Callable[..., Any], call: Call) -> Any:
        if call.id is not None and isinstance(function, Callback):  # passed on to us by a third process
            return function.forward(call.args, call.kwargs, call.timeout)
        return self._serving.through(function, *call.args, **call.kwargs)

    def _answer(self, call: Call, value: Any) -> None:
        try:
            self._write(new(Result, (call.id, value)))
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"the result of {_spell(call)} cannot be sent: {error}") from None

    def _serve_items(self, id: int, items: Iterator[Any]) -> None:
        source = self._sources[id] = _Source()
        try:
            self._write(Opened(id))
            while (item := self._serving.next(items)) is not NO_MORE:
                while not source.credit:
                    source.granted.clear()
                    source.granted.wait()
                source.credit -= 1
                self._write(Item(id, item))
            self._write(Ended(id))
        finally:
            del self._sources[id]
            if callable(close := getattr(items, "close", None)):
                close()
            source.leave()

    def _answer_failure(self, call: Call, error: BaseException) -> None:
        if self._serving.tally is not None:
            counters.call_errors += 1
            self._serving.tally.failed(error)
        if call.id is None:
            if not isinstance(error, ForbiddenRole):  # of which who refused has told
                self._serving.failed(f"{self._label}: {_spell(call)}, called one way,", error)
            return
        own = isinstance(error, (StractoryError, gevent.GreenletExit))
        text = "" if own else "".join(traceback.format_exception(type(error), error, error.__traceback__))
        try:
            self._write(Failure(call.id, *to_wire(error, text)))
        except OSError:
            log.debug("%s: nobody waits for the answer any more", self._label)


class _Source:
    """Items on their way out: how many more are wanted, and the green thread that makes them."""

    __slots__ = ("_stopped", "_task", "credit", "granted")

    def __init__(self) -> None:
        self.credit = ITEMS_AHEAD
        self.granted = Event()
        self._stopped = False
        self._task: Any = gevent.getcurrent()

    def stop(self) -> None:
        """Make no more."""
        self._stopped = True
        self._task.kill(block=False)

    def leave(self) -> None:
        """It is done. A green thread that is being killed must not go on to something else."""
        if self._stopped:
            raise gevent.GreenletExit


def _spell(call: Call) -> str:
    return f"{call.target[:SHOWN]}()" if isinstance(call.target, str) else f"function {call.target}"
