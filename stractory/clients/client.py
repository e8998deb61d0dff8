"""The client: creates, finds and uses actors by name, in plain blocking calls.

Every public call begins with a look at its arguments, and has one deadline for everything it does.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from socket import SHUT_WR
from types import TracebackType
from typing import Any, Literal, overload
from weakref import ref

import gevent

from stractory.actors.definition import ActorDefinition, Init, check_options, check_size, define
from stractory.clients import arguments
from stractory.clients.connecting import Connection, Connector
from stractory.clients.deadline import DEFAULT_TIMEOUT, GRACE, Deadline
from stractory.clients.events import Events
from stractory.clients.home import Home
from stractory.clients.registry import RegistryLink
from stractory.clients.workers import KeyedLocks, WorkerLinks
from stractory.clients.wrappers import Wrappers, remember_own
from stractory.errors import CallTimeout
from stractory.net import keys
from stractory.net.address import Address
from stractory.net.serving import Share, itself
from stractory.net.stream import Stream
from stractory.wire.info import ActorInfo, WorkerInfo

IfExists = Literal["error", "get", "replace"]
# Named here, because in the class ``list`` is the method.
_ActorInfos = list[ActorInfo]
_WorkerInfos = list[WorkerInfo]


class Client:
    """Made by :func:`stractory.client`; dials at first use. It belongs to one native thread.

    Dropped without close(), it closes what nobody holds: a connection that you hold goes on.
    ``share`` makes what the user is given for a thing that lives on the client's loop.
    """

    def __init__(
        self,
        registry: Address | str | int,
        *,
        key_file: Path | str | None = None,
        idle_timeout: float | None = None,
        trust_wrappers: bool = False,
        share: Share = itself,
    ) -> None:
        self._key_file = None if key_file is None else Path(key_file)
        self._keyring: keys.KeyRing | None = None
        self._home = Home()
        self._events = Events(arguments.check_idle_timeout(idle_timeout))
        where = arguments.registry_address(registry)
        self._registry = RegistryLink(where, self._keys, self._events.watch_registry)
        self._workers = WorkerLinks(self._keys)
        wrappers = Wrappers(self._workers, trust_wrappers, share)
        self._connector = Connector(self._registry, self._workers, wrappers, self._events)
        self._cached: dict[str, Connection] = {}
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
        definition. ``if_exists``: "error" raises ActorExists; "get" takes the one there is, if it is of the
        same kind, waiting for one that is just being created, or ended; "replace" ends that one first.
        ``public`` opens a port of its own that asks for no proof. ``timeout`` is in seconds.

        Raises InvalidName, ActorExists, ActorNotShippable, ActorStartFailed (with the remote traceback),
        ActorLost (its worker went meanwhile, or somebody destroyed it), ActorNotPublic, PortUnavailable,
        NoWorkers, NoCompatibleWorker, RegistryUnavailable, AuthError, CallTimeout.
        """
        arguments.check_create(name, actor, if_exists, public)
        definition = define(actor)
        own_options = check_options({} if options is None else options)
        check_size(definition, own_options)
        remember_own(definition)
        with self._within(timeout, f"create({name!r})", grace=GRACE) as deadline:
            row = self._registry.call(
                "create",
                name,
                definition.shipped.digest,
                own_options,
                if_exists,
                os.urandom(16),  # a repetition after a broken link is recognised by it
                public,
                deadline=deadline,
                tell_time=True,
                defined=definition.shipped,
            )
        return ActorInfo(*row)

    def destroy(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """End an actor: its destroy() runs, then whoever has a connection to it gets ActorEnded.

        Raises ActorNotFound, RegistryUnavailable, AuthError, and CallTimeout after ``timeout`` seconds.
        """
        arguments.check_one_name(name, "destroy")
        with self._within(timeout, f"destroy({name!r})", grace=GRACE) as deadline:
            self._registry.call("destroy", name, deadline=deadline, tell_time=True, tries=1)

    # ---- using them --------------------------------------------------------------------------------------

    @overload
    def connect(self, names: str, *, direct: bool = ..., timeout: float = ...) -> Any: ...
    @overload
    def connect(self, names: Iterable[str], *, direct: bool = ..., timeout: float = ...) -> list[Any]: ...
    @overload
    def connect(
        self, names: re.Pattern[str], *, direct: bool = ..., timeout: float = ...
    ) -> dict[str, Any]: ...

    def connect(
        self,
        names: str | Iterable[str] | re.Pattern[str],
        *,
        direct: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Any:
        """A new connection to an actor, accepted by its worker: a stream, or what its wrapper made of one.

        Several names give a list in their order, a compiled pattern a dict by name of all it fully matches.
        ``direct`` goes to the actor's own port, for a socket to itself.

        Raises ActorNotFound, ActorLost, AuthError, UntrustedWrapper, RegistryUnavailable, and CallTimeout
        after ``timeout`` seconds; of several, once all were tried, ConnectErrors with the clients and the
        errors by name.
        """
        if isinstance(names, str):
            arguments.check_name(names)
            with self._within(timeout, f"connect({names!r})") as deadline:
                return self._connector.connect(names, deadline, direct=direct).client
        if isinstance(names, re.Pattern):
            with self._within(timeout, "list()") as deadline:
                matching = [info for info in self._list("*", deadline) if names.fullmatch(info.name)]
            found = [info.name for info in matching]
            connections = self._connector.connect_all(found, matching, deadline, direct=direct)
            return {name: client for name, (_, client) in zip(found, connections, strict=True)}
        wanted = arguments.check_names(names)
        with self._within(timeout, "connect()") as deadline:
            infos = self._connector.lookup(wanted, deadline)
        connections = self._connector.connect_all(wanted, infos, deadline, direct=direct)
        return [client for _, client in connections]

    def get(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """The cached connection to an actor, made at first use and again when it is over.

        Raises as connect().
        """
        arguments.check_one_name(name, "get")
        with self._within(timeout, f"get({name!r})") as deadline:
            return self._get(name, deadline)

    def wait(self, name: str, timeout: float | None = None) -> Any:
        """As get(), but waits for an actor that is not there yet.

        Raises CallTimeout after ``timeout`` seconds; None waits for ever.
        """
        arguments.check_one_name(name, "wait")
        with self._within(timeout, f"wait({name!r})", endless=True, grace=GRACE) as deadline:
            self._registry.call("wait", name, deadline=deadline, tell_time=True, tries=math.inf)
            if timeout is not None:
                return self._get(name, deadline)
        return self.get(name)

    def endpoint(self, name: str) -> str:
        """Where the actor's own port is, as "tcp://host:port"; it is opened if it was not."""
        arguments.check_one_name(name, "endpoint")
        with self._within(DEFAULT_TIMEOUT, f"endpoint({name!r})") as deadline:
            return f"tcp://{self._workers.endpoint(self._connector.find(name, deadline))}"

    # ---- looking about -----------------------------------------------------------------------------------

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens; :mod:`stractory.clients.events` lists them."""
        self._events.on(event, function)

    def workers(self) -> _WorkerInfos:
        """All workers that are registered, lost ones too."""
        with self._within(DEFAULT_TIMEOUT, "workers()") as deadline:
            return [WorkerInfo(*row) for row in self._registry.call("workers", deadline=deadline)]

    def list(self, pattern: str = "*") -> _ActorInfos:
        """All actors whose name matches the shell-style ``pattern``."""
        arguments.check_glob(pattern)
        with self._within(DEFAULT_TIMEOUT, "list()") as deadline:
            return self._list(pattern, deadline)

    def close(self) -> None:
        """End all connections. The client can be used again; it dials anew."""
        self._home.enter()
        self._workers.close()
        self._registry.close()
        self._events.close()
        self._home.leave()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- small parts -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _within(
        self, timeout: float | None, what: str, *, endless: bool = False, grace: float = 0.0
    ) -> Iterator[Deadline]:
        """The frame of a public call. Raises CallTimeout, with what the registry says of it, if it does.

        ``grace``: where the registry is told the time, it may be heard a little later.
        """
        deadline = Deadline(arguments.check_timeout(timeout, endless=endless))
        self._home.enter()
        late = f"{what} was not done"
        with deadline.limit(late, CallTimeout, grace):
            try:
                yield deadline
            except CallTimeout as error:
                raise CallTimeout(f"{deadline.spell(late)}: {error}") from error

    def _keys(self) -> keys.KeyRing:
        if self._keyring is None:
            self._keyring = keys.load(self._key_file)
        return self._keyring

    def _list(self, pattern: str, deadline: Deadline) -> _ActorInfos:
        return [ActorInfo(*row) for row in self._registry.call("list", pattern, deadline=deadline)]

    def _get(self, name: str, deadline: Deadline) -> Any:
        with self._getting(name):
            cached = self._cached.get(name)
            if cached is None or cached.stream.closed:
                cached = self._cached[name] = self._connector.connect(name, deadline)
                cached.stream.call_at_end(partial(self._forget, name, ref(cached.stream)))
            return cached.client

    def _forget(self, name: str, stream: ref[Any], error: Exception | None) -> None:
        cached = self._cached.get(name)
        if cached is not None and cached.stream is stream():
            del self._cached[name]
            if error is None:
                gevent.spawn(_finish, cached.stream)


def _finish(stream: Stream) -> None:
    """End our direction too, since the peer's is over. What it sent stays to be read."""
    with contextlib.suppress(OSError):
        stream.shutdown(SHUT_WR)
