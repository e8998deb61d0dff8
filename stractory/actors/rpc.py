"""Rpc actors: init returns a dict of functions, or any object, and clients call its public methods."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from functools import partialmethod, singledispatchmethod
from types import ModuleType
from typing import Any

from gevent.lock import RLock

from stractory.actors.hooks import HOOKS, call_hook
from stractory.actors.kinds import Again, Closable, Owner
from stractory.errors import ActorNotFound
from stractory.net.answers import DEFAULT_TIMEOUT, Future, Items
from stractory.net.calls import Calls
from stractory.net.carrier import Carrier
from stractory.net.listener import Ports
from stractory.net.serving import Serving, Share, log_some_failures, plainly
from stractory.net.turns import Turns


class RpcServer:
    """Every connection calls the same methods; the setting ``concurrency`` tells how many run at a time."""

    def __init__(self, made: Any, owner: Owner) -> None:
        self.methods = methods_of(made)
        self._made = made
        self._owner = owner
        concurrency = owner.settings.get("concurrency")
        turns = Turns(concurrency) if concurrency else None
        through, hold = plainly, None
        if (snapshots := owner.snapshots) is not None:
            self.methods, turns = snapshots.serving(self.methods, turns), None
            through, hold = snapshots.run, snapshots.hold
        self._serving = Serving(
            self.methods,
            functions=True,
            turns=turns,
            within=owner.run,
            failed=log_some_failures,
            ended=lambda: owner.ended,
            through=through,
            hold=hold,
            tally=owner.counting(),
        )

    def connect(self, stream: Carrier, address: Any) -> None:
        Calls(stream, self._serving)

    def open_port(self, ports: Ports, name: str, epoch: int, public: bool) -> Closable:
        """A zerorpc server."""
        from stractory.actors.curve_port import CurvePort, OpenCurvePort  # ZeroMQ is loaded if needed
        from stractory.actors.zerorpc_port import OpenPort, Port
        from stractory.actors.zerorpc_session import HEARTBEAT, SILENCE

        heartbeat = SILENCE if self._owner.may_block else HEARTBEAT
        make = Port if public else CurvePort
        port = make(self._owner, epoch, self.methods, self._serving, heartbeat)
        try:
            self._owner.admit(port)
            where = ports.lend(port, f"actor {name!r}", encrypted=not public, public=public)
            return OpenCurvePort(port, where) if isinstance(port, CurvePort) else OpenPort(port, where)
        except BaseException:
            port.close()
            raise

    def destroy(self) -> None:
        call_hook(self._made, "destroy")


def methods_of(made: Any) -> Mapping[str, Callable[..., Any]]:
    """What clients may call: functions in a dict, or the public methods of an object. Raises TypeError.

    Of an object, that is what its class has (of a module, what it has itself) and only what was made to be
    called as a method: properties are not run, and neither classes nor functions kept in attributes are
    for clients.
    """
    if isinstance(made, Mapping):
        methods = {name: value for name, value in made.items() if isinstance(name, str) and callable(value)}
        if len(methods) < len(made):
            strange = next(name for name in made if name not in methods)
            raise TypeError(f"init of an rpc actor returns functions by name; {strange!r} is none")
    elif type(made).__module__ == "builtins" and not isinstance(made, ModuleType):
        raise TypeError(f"init of an rpc actor returns a dict of functions or an object, not {made!r}")
    else:
        home = made if isinstance(made, ModuleType) else type(made)
        names = (name for name in dir(home) if not name.startswith("_"))
        methods = {
            name: getattr(made, name)
            for name in names
            if _is_method(inspect.getattr_static(home, name, None))
        }
    methods = {name: value for name, value in methods.items() if name not in HOOKS}
    if not methods:
        raise TypeError(f"init of an rpc actor returned {type(made).__name__}, which has no public methods")
    return methods


_MADE_OF_FUNCTIONS = (staticmethod, classmethod, partialmethod, singledispatchmethod)


def _is_method(found: Any) -> bool:
    """Whether it, as it stands in a class, is a method; isroutine() alone also takes cached properties."""
    return isinstance(found, _MADE_OF_FUNCTIONS) or (inspect.isroutine(found) and callable(found))


class Connection:
    """Calls over a stream; of ``get`` over another one, once the actor has come back elsewhere.

    Its client and the methods of that hold it. When nobody does, nobody here will call any more.
    """

    __slots__ = ("__weakref__", "_again", "_opening", "_serving", "calls")

    def __init__(self, carrier: Carrier, serving: Serving) -> None:
        self.calls = Calls(carrier, serving)
        self._serving = serving
        self._again: Again | None = None
        self._opening: RLock | None = None

    def __del__(self) -> None:
        try:  # noqa: SIM105  # contextlib itself may be gone
            self.calls.abandon()
        except (TypeError, AttributeError):  # at the interpreter's end modules are taken apart
            pass

    @property
    def over(self) -> bool:
        """Whether it is for good."""
        return self._again is None and self.calls.stream.closed

    def outlive(self, again: Again) -> None:
        """Go on over what ``again`` opens when a stream has ended."""
        self._again = again
        self._opening = RLock()

    def live(self, timeout: float | None) -> Calls:
        """The calls over a stream that has not ended, if there is another: that is waited for.

        Where there is no such actor any more, those over the last one, which tell what became of it.
        """
        if self._opening is not None:
            with self._opening, contextlib.suppress(ActorNotFound):
                if self._again is not None and self.calls.stream.closed:
                    self.calls = Calls(self._again(timeout), self._serving)
        return self.calls

    def close(self) -> None:
        """End it."""
        self._again = None
        self.calls.stream.close()


class RemoteMethod:
    """A method of an rpc actor. Calling it waits for what it returns."""

    __slots__ = ("_connection", "_name", "_repeats", "_timeout")

    def __init__(self, connection: Connection, name: str, timeout: float | None, repeats: bool) -> None:
        self._connection = connection
        self._name = name
        self._timeout = timeout
        self._repeats = repeats

    def __repr__(self) -> str:
        return f"<method {self._name}() of {self._connection.calls.stream.label}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it returns; an iterator where it is a generator.

        Raises RemoteError for what it raised, with type and remote traceback, UnknownMethod, CallTimeout,
        TypeError for arguments that cannot travel, and a ConnectionError when the actor (ActorEnded) or
        its worker (ActorLost) went.
        """
        timeout = DEFAULT_TIMEOUT if self._timeout is None else self._timeout
        calls = self._connection.calls
        if calls.stream.closed:
            calls = self._connection.live(timeout)
        try:
            value = calls.request(self._name, args, kwargs, timeout)
        except ConnectionError:
            if not self._repeats or self._connection.over:
                raise
            value = self._connection.live(timeout).request(self._name, args, kwargs, timeout)
        if isinstance(value, Items):
            value.timeout = self._timeout
        return value

    def send(self, *args: Any, **kwargs: Any) -> None:
        """Run it and do not wait; neither a result nor an error comes back."""
        self._connection.live(self._timeout).post(self._name, args, kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Future:
        """Run it and do not wait; the Future will have what it returns.

        Its ``get(timeout=)`` raises what this raised, and CallTimeout.
        """
        return self._connection.live(self._timeout).future(self._name, args, kwargs)


class RpcClient:
    """A connection to an rpc actor: its methods are the actor's.

    Functions may be passed anywhere in arguments; the actor gets a :class:`stractory.Callback` for each.
    ``client["name"]`` is the method of a name that the client has itself. When nobody holds the client or one
    of its methods any more, the connection is closed as soon as no call waits, no items are to come, and
    neither side holds functions of the other's. What ``get`` returned goes on when the actor has come back
    elsewhere: calls under way end with ActorLost, the next goes to the new life, which knows nothing of
    functions passed before.
    """

    __slots__ = ("__weakref__", "_connection", "_repeats", "_timeout")

    def __init__(self, connection: Connection, timeout: float | None = None, repeats: bool = False) -> None:
        self._connection = connection
        self._timeout = timeout
        self._repeats = repeats

    def __repr__(self) -> str:
        return f"<rpc client of {self._connection.calls.stream.label}{', closed' if self.closed else ''}>"

    def __getattr__(self, name: str) -> RemoteMethod:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is private; only public methods can be called")
        return RemoteMethod(self._connection, name, self._timeout, self._repeats)

    def __getitem__(self, name: str) -> RemoteMethod:
        return RemoteMethod(self._connection, name, self._timeout, self._repeats)

    def with_timeout(self, seconds: float) -> RpcClient:
        """The same connection, whose calls, and the items of its generators, wait for so long."""
        return RpcClient(self._connection, float(seconds), self._repeats)

    def with_repeats(self) -> RpcClient:
        """The same connection; calls whose actor went under way are repeated, once, and may so run twice."""
        return RpcClient(self._connection, self._timeout, True)

    def outlive(self, again: Again) -> None:
        """Part of :class:`stractory.actors.kinds.Outliving`."""
        self._connection.outlive(again)

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._connection.calls.stream.closed

    def on_close(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the connection is over; at once if it is already."""
        self._connection.calls.call_at_end(function)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class RpcKind:
    def serve(self, made: Any, owner: Owner) -> RpcServer:
        return RpcServer(made, owner)

    def wrap(self, stream: Carrier, failed: Callable[[str, BaseException], None], share: Share) -> RpcClient:
        return RpcClient(Connection(stream, Serving(functions=True, failed=failed, share=share)))


KIND = RpcKind()
