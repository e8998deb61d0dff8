"""The client: creates, finds and uses actors by name, in plain blocking calls.

Names are asked of the registry each time; the streams go straight to the workers. A stream carries the
epoch of the life it was opened for, so a location that went stale on the way is noticed before any of the
user's bytes are sent, and looked up once more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

import gevent

from stractory.actors.definition import ActorDefinition, Init, check_options, define
from stractory.clients.events import Events
from stractory.clients.registry import RegistryLink
from stractory.clients.workers import KeyedLocks, WorkerLinks
from stractory.clients.wrappers import Wrappers, remember_own
from stractory.errors import (
    ActorLost,
    ActorNotFound,
    CallTimeout,
    ConnectErrors,
    StaleLocation,
    StractoryError,
    WorkerUnavailable,
)
from stractory.net import keys
from stractory.net.address import Address
from stractory.net.sockets import SocketStream
from stractory.net.stream import Stream
from stractory.wire.info import ActorInfo, WorkerInfo

DEFAULT_TIMEOUT = 30.0
"""Seconds that anything asked of the registry may take, unless told otherwise."""

IfExists = Literal["error", "get", "replace"]
# Named here, because in the class ``list`` is the method.
_ActorInfos = list[ActorInfo]
_MaybeInfos = list[ActorInfo | None]
_WorkerInfos = list[WorkerInfo]
_Clients = list[Any]

_Connection = tuple[Stream | SocketStream, Any]
"""A stream, and what the user is given for it."""

_STALE = (StaleLocation, WorkerUnavailable, ActorLost)
"""What a location that is no longer true leads to."""


class Client:
    """Made by :func:`stractory.client`; dials at first use. It belongs to one native thread."""

    def __init__(
        self,
        registry: Address,
        *,
        key_file: Path | None = None,
        idle_timeout: float | None = None,
        trust_wrappers: bool = False,
    ) -> None:
        self._key_file = key_file
        self._keyring: keys.KeyRing | None = None
        self._events = Events(idle_timeout)
        self._registry = RegistryLink(registry, self._keys, self._events.watch_registry)
        self._workers = WorkerLinks(self._keys)
        self._wrappers = Wrappers(self._workers, trust_wrappers)
        self._cached: dict[str, _Connection] = {}
        self._getting = KeyedLocks()

    def __repr__(self) -> str:
        return f"<stractory client of {self._registry.address}>"

    # ---- making and ending actors ----------------------------------------------------------------------

    def create(
        self,
        name: str,
        actor: ActorDefinition | Init,
        *,
        options: Mapping[str, Any] | None = None,
        if_exists: IfExists = "error",
        public: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> ActorInfo:
        """Start ``actor`` under ``name`` on some worker; returns when its init has run there.

        A bare function is a stream actor (:func:`stractory.stream`). ``options`` are laid over those of the
        definition. ``if_exists``: "error" raises ActorExists; "get" takes the one there is, waiting if it is
        just being created; "replace" ends that one first. ``public`` opens a port of its own that asks for
        no proof.

        Raises InvalidName, ActorExists, ActorNotShippable, ActorStartFailed (with the remote traceback),
        ActorNotPublic, NoWorkers, NoCompatibleWorker, RegistryUnavailable, AuthError, CallTimeout.
        """
        definition = define(actor)
        remember_own(definition)
        row = self._registry.call(
            "create",
            name,
            definition.shipped.packed,
            check_options(options or {}),
            if_exists,
            os.urandom(16),  # a repetition after a broken link is recognised by it
            public,
            timeout,
            timeout=timeout,
        )
        return ActorInfo(*row)

    def destroy(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """End an actor: its destroy() runs, its streams are reset. Raises ActorNotFound."""
        self._registry.call("destroy", name, timeout, timeout=timeout, repeat=False)

    # ---- using them --------------------------------------------------------------------------------------

    @overload
    def connect(self, names: str, *, direct: bool = False) -> Any: ...
    @overload
    def connect(self, names: Iterable[str], *, direct: bool = False) -> list[Any]: ...
    @overload
    def connect(self, names: re.Pattern[str], *, direct: bool = False) -> dict[str, Any]: ...

    def connect(self, names: str | Iterable[str] | re.Pattern[str], *, direct: bool = False) -> Any:
        """A new connection to an actor, accepted by its worker: a stream, or what its wrapper made of one.

        Several names give a list in their order, a compiled pattern a dict by name of all it fully matches.
        ``direct`` goes to the actor's own port, for a socket to itself.

        Raises ActorNotFound, ActorLost, AuthError, UntrustedWrapper, RegistryUnavailable; of several, once
        all were tried, ConnectErrors with the clients and the errors by name.
        """
        if isinstance(names, str):
            return self._open(names, self._lookup([names])[0], direct)[1]
        if isinstance(names, re.Pattern):
            matching = [info for info in self.list() if names.fullmatch(info.name)]
            found = [info.name for info in matching]
            return dict(zip(found, self._connect_all(found, matching, direct), strict=True))
        wanted = list(names)
        return self._connect_all(wanted, self._lookup(wanted), direct)

    def get(self, name: str) -> Any:
        """The cached connection to an actor, made at first use and again when it is over.

        Raises as connect().
        """
        cached = self._cached.get(name)
        if cached is not None and not cached[0].closed:
            return cached[1]
        with self._getting(name):
            cached = self._cached.get(name)
            if cached is None or cached[0].closed:
                cached = self._cached[name] = self._open(name, self._lookup([name])[0], direct=False)
                cached[0].call_at_end(partial(self._forget, name, cached[0]))
            return cached[1]

    def wait(self, name: str, timeout: float | None = None) -> Any:
        """As get(), but waits for an actor that is not there yet.

        Raises CallTimeout after ``timeout`` seconds; None waits for ever.
        """
        self._registry.call("wait", name, timeout, timeout=timeout)
        return self.get(name)

    def endpoint(self, name: str) -> str:
        """Where the actor's own port is, as "tcp://host:port"; it is opened if it was not."""
        return f"tcp://{self._workers.endpoint(_found(name, self._lookup([name])[0]))}"

    # ---- looking about -----------------------------------------------------------------------------------

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens; :mod:`stractory.clients.events` lists them."""
        self._events.on(event, function)

    def workers(self) -> _WorkerInfos:
        """All workers that are registered, lost ones too."""
        return [WorkerInfo(*row) for row in self._registry.call("workers", timeout=DEFAULT_TIMEOUT)]

    def list(self, pattern: str = "*") -> _ActorInfos:
        """All actors whose name matches the shell-style ``pattern``."""
        return [ActorInfo(*row) for row in self._registry.call("list", pattern, timeout=DEFAULT_TIMEOUT)]

    def close(self) -> None:
        """End all connections. The client can be used again; it dials anew."""
        self._workers.close()
        self._registry.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- small parts -------------------------------------------------------------------------------------

    def _keys(self) -> keys.KeyRing:
        if self._keyring is None:
            self._keyring = keys.load(self._key_file)
        return self._keyring

    def _lookup(self, names: Sequence[str]) -> _MaybeInfos:
        rows = self._registry.call("lookup", list(names), timeout=DEFAULT_TIMEOUT)
        return [ActorInfo(*row) if row else None for row in rows]

    def _open(
        self, name: str, info: ActorInfo | None, direct: bool, begun: Stream | None = None
    ) -> _Connection:
        """A connection by ``info``, or by a second look-up when that has gone stale."""
        try:
            return self._open_at(_found(name, info), direct, begun)
        except _STALE:
            info = _found(name, self._lookup([name])[0])
        try:
            return self._open_at(info, direct)
        except _STALE as error:
            raise ActorLost(f"actor {name!r}: {error}") from error

    def _open_at(self, info: ActorInfo, direct: bool, begun: Stream | None = None) -> _Connection:
        with gevent.Timeout(DEFAULT_TIMEOUT, CallTimeout(f"actor {info.name!r} did not answer in time")):
            stream: Stream | SocketStream
            if direct:
                stream = self._workers.open_port(info)
            else:
                stream = begun or self._workers.open(info)
                stream.wait_accepted()
            try:
                client = self._wrappers.wrap(info, stream)
            except BaseException:
                stream.close()
                raise
        self._events.watch_actor(info.name, stream, client)
        return stream, client

    def _connect_all(self, names: Sequence[str], infos: Sequence[ActorInfo | None], direct: bool) -> _Clients:
        """All streams are opened before the first answer is waited for."""
        begun = [None if direct else self._begin(info) for info in infos]
        clients: dict[str, Any] = {}
        errors: dict[str, Exception] = {}
        in_order = []
        for name, info, stream in zip(names, infos, begun, strict=True):
            try:
                clients[name] = self._open(name, info, direct, stream)[1]
                in_order.append(clients[name])
            except Exception as error:
                errors[name] = error
        if errors:
            name, first = next(iter(errors.items()))
            raise ConnectErrors(
                f"{len(errors)} of {len(names)} actors could not be connected; {name!r}: {first}",
                clients,
                errors,
            )
        return in_order

    def _begin(self, info: ActorInfo | None) -> Stream | None:
        try:
            return self._workers.open(info) if info else None
        except StractoryError:
            return None  # met again, and reported, when its turn comes

    def _forget(self, name: str, stream: Stream | SocketStream, error: Exception | None) -> None:
        if name in self._cached and self._cached[name][0] is stream:
            del self._cached[name]


def _found(name: str, info: ActorInfo | None) -> ActorInfo:
    if info is None:
        raise ActorNotFound(f"no actor is named {name!r}")
    return info
