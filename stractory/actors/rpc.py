"""Rpc actors: init returns a dict of functions, or any object, and clients call its public methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partialmethod, singledispatchmethod
from types import ModuleType
from typing import Any

from stractory.actors.hooks import HOOKS, call_hook
from stractory.actors.kinds import Closable, Owner
from stractory.net.answers import DEFAULT_TIMEOUT, Future, Items
from stractory.net.calls import Calls
from stractory.net.carrier import Carrier
from stractory.net.listener import Ports
from stractory.net.serving import Serving, Share
from stractory.net.turns import Turns


class RpcServer:
    """Every connection calls the same methods; the setting ``concurrency`` tells how many run at a time."""

    def __init__(self, made: Any, owner: Owner) -> None:
        self.methods = methods_of(made)
        self._made = made
        concurrency = owner.settings.get("concurrency")
        self._serving = Serving(
            self.methods,
            functions=True,
            turns=Turns(concurrency) if concurrency else None,
            within=owner.run,
            ended=lambda: owner.ended,
        )

    def connect(self, stream: Carrier, address: Any) -> None:
        Calls(stream, self._serving)

    def open_port(self, ports: Ports, name: str, epoch: int) -> Closable:
        """A zerorpc server."""
        from stractory.actors.zerorpc_port import OpenPort, Port  # ZeroMQ is loaded if needed

        port = Port(name, epoch, self.methods, self._serving)
        try:
            return OpenPort(port, ports.lend(port, f"actor {name!r}"))
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


class RemoteMethod:
    """A method of an rpc actor. Calling it waits for what it returns."""

    __slots__ = ("_calls", "_client", "_name", "_timeout")

    def __init__(self, client: RpcClient, calls: Calls, name: str, timeout: float | None) -> None:
        self._client = client  # whose connection ends when nobody holds it
        self._calls = calls
        self._name = name
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<method {self._name}() of {self._calls.stream.label}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it returns; an iterator where it is a generator.

        Raises RemoteError for what it raised, with type and remote traceback, UnknownMethod, CallTimeout,
        TypeError for arguments that cannot travel, and a ConnectionError when the actor (ActorEnded) or
        its worker (ActorLost) went.
        """
        timeout = DEFAULT_TIMEOUT if self._timeout is None else self._timeout
        value = self._calls.request(self._name, args, kwargs, timeout)
        if isinstance(value, Items):
            value.timeout = self._timeout
        return value

    def send(self, *args: Any, **kwargs: Any) -> None:
        """Run it and do not wait; neither a result nor an error comes back."""
        self._calls.post(self._name, args, kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Future:
        """Run it and do not wait; the Future will have what it returns.

        Its ``get(timeout=)`` raises what this raised, and CallTimeout.
        """
        return self._calls.future(self._name, args, kwargs)


class RpcClient:
    """A connection to an rpc actor: its methods are the actor's.

    Functions may be passed anywhere in arguments; the actor gets a :class:`stractory.Callback` for each.
    ``client["name"]`` is the method of a name that the client has itself. When nobody holds the client or one
    of its methods any more, the connection is closed as soon as no call waits, no items are to come, and
    neither side holds functions of the other's.
    """

    __slots__ = ("__weakref__", "_calls", "_original", "_timeout")

    def __init__(self, calls: Calls, timeout: float | None = None, original: RpcClient | None = None) -> None:
        self._calls = calls
        self._timeout = timeout
        self._original = original

    def __del__(self) -> None:
        if self._original is None:
            try:  # noqa: SIM105  # contextlib itself may be gone
                self._calls.abandon()
            except (TypeError, AttributeError):  # at the interpreter's end modules are taken apart
                pass

    def __repr__(self) -> str:
        return f"<rpc client of {self._calls.stream.label}{', closed' if self.closed else ''}>"

    def __getattr__(self, name: str) -> RemoteMethod:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is private; only public methods can be called")
        return RemoteMethod(self, self._calls, name, self._timeout)

    def __getitem__(self, name: str) -> RemoteMethod:
        return RemoteMethod(self, self._calls, name, self._timeout)

    def with_timeout(self, seconds: float) -> RpcClient:
        """The same connection, whose calls, and the items of its generators, wait for so long."""
        return RpcClient(self._calls, float(seconds), self._original or self)

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._calls.stream.closed

    def on_close(self, function: Callable[[], Any]) -> None:
        """Call ``function`` when the connection is over; at once if it is already."""
        self._calls.call_at_end(function)

    def close(self) -> None:
        """End the connection."""
        self._calls.stream.close()

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class RpcKind:
    def serve(self, made: Any, owner: Owner) -> RpcServer:
        return RpcServer(made, owner)

    def wrap(self, stream: Carrier, failed: Callable[[str, BaseException], None], share: Share) -> RpcClient:
        return RpcClient(Calls(stream, Serving(functions=True, failed=failed, share=share)))


KIND = RpcKind()
