"""The client: creates, finds and uses actors by name, in plain blocking calls.

Every public call begins with a look at its arguments, and has one deadline for everything it does.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from stractory.actors.definition import ActorDefinition, Init, check_options, check_size, define
from stractory.clients import arguments
from stractory.clients.cache import Cache
from stractory.clients.connecting import Connector
from stractory.clients.deadline import DEFAULT_TIMEOUT, GRACE, Deadline, Limit
from stractory.clients.endpoint import Endpoint
from stractory.clients.events import Events
from stractory.clients.home import Home
from stractory.clients.registry import RegistryLink
from stractory.clients.watching import Watch
from stractory.clients.workers import WorkerLinks
from stractory.clients.wrappers import Wrappers, remember_own
from stractory.errors import AuthError, CallTimeout
from stractory.net.address import Address
from stractory.net.serving import Share, itself
from stractory.net.trust import Trust
from stractory.proof import keys
from stractory.wire.facts import ActorFacts, Load
from stractory.wire.info import ActorInfo, WorkerInfo
from stractory.wire.life import Terms, check_name

IfExists = Literal["error", "get", "replace"]
Restart = Literal["never", "on-failure", "always"]
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
        registry: str | int | Sequence[Address | str | int],
        *,
        key_file: Path | str | None = None,
        tls_ca: Path | str | None = None,
        idle_timeout: float | None = None,
        trust_wrappers: bool = False,
        share: Share = itself,
    ) -> None:
        self._key_file = None if key_file is None else Path(key_file)
        self._keyring: keys.KeyRing | None = None
        self._home = Home()
        self._events = Events(arguments.check_idle_timeout(idle_timeout))
        where = arguments.registry_addresses(registry)
        trust = Trust(tls_ca)
        self._registry = RegistryLink(where, self._keys, self._events.watch_registry, trust)
        self._workers = WorkerLinks(self, trust)
        wrappers = Wrappers(self._workers, trust_wrappers, share)
        self._cache = Cache()
        self._connector = Connector(self._registry, self._workers, wrappers, self._events, self._cache.saw)

    def __repr__(self) -> str:
        return f"<stractory client of {self._registry.addresses}>"

    @property
    def registry(self) -> str:
        """The address of its registry; of several the one that it is linked to, or tries first."""
        return str(self._registry.address)

    @property
    def registries(self) -> tuple[str, ...]:
        """The addresses of all its registries, in the order in which they take each other's place."""
        return tuple(map(str, self._registry.addresses.all))

    # ---- making and ending actors ----------------------------------------------------------------------

    def create(
        self,
        name: str,
        actor: ActorDefinition | Init,
        *,
        options: Mapping[str, Any] | None = None,
        if_exists: IfExists = "error",
        public: bool = False,
        restart: Restart = "never",
        snapshot: Literal["none", "each call"] | float = "none",
        isolate: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> ActorInfo:
        """Start ``actor`` under ``name`` on some worker; returns when its init has run there.

        A bare function is a stream actor (:func:`stractory.stream`). ``options`` are laid over those of the
        definition. ``if_exists``: "error" raises ActorExists; "get" takes the one there is, if it is of the
        same kind, waiting for one that is just being created, or ended; "replace" ends that one first.
        ``public`` opens a port of its own that asks for no proof. ``restart``: "on-failure" makes it anew on
        another worker when its own is gone, or its child process fails; "always" also when that ends well;
        each life begins with init. Only destroy() ends it for good. ``snapshot``, for one that comes back:
        what its object's ``snapshot()`` returns is given to ``restore(state)`` of its next life; "each call"
        has it kept before a call is answered, a number every so many seconds in which it was called.
        ``isolate`` gives it a process of its own, where it may block: for heavy computing, and libraries that
        wait in C. ``timeout`` is in seconds.

        Raises InvalidName, ActorExists, ActorNotShippable, ActorStartFailed (with the remote traceback),
        ActorLost (its worker went meanwhile, or somebody destroyed it), ActorNotPublic, PortUnavailable,
        NoWorkers, NoCompatibleWorker, WorkerFull, RegistryUnavailable, AuthError, CallTimeout.
        """
        arguments.check_create(name, actor, if_exists, public, restart, isolate)
        kept = arguments.check_snapshot(snapshot, restart)
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
                Terms(public, restart, kept, isolate),
                deadline=deadline,
                tell_time=True,
                defined=definition.shipped,
            )
        info = ActorInfo.from_wire(row)
        self._cache.saw(name, info.epoch)
        return info

    def destroy(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """End an actor: its destroy() runs, then whoever has a connection to it gets ActorEnded.

        Raises ActorNotFound, RegistryUnavailable, AuthError, and CallTimeout after ``timeout`` seconds.
        """
        arguments.check_one_name(name, "destroy")
        with self._within(timeout, f"destroy({name!r})", grace=GRACE) as deadline:
            # Tried once: what has the name by the next time may be somebody else's.
            self._registry.call("destroy", name, deadline=deadline, tell_time=True, tries=1)

    def drain(self, worker: str, *, timeout: float = DEFAULT_TIMEOUT) -> dict[str, ActorInfo | None]:
        """Have the worker at this address, as in workers(), end in order; returns when it has left.

        Its actors end, and those with ``restart`` come back elsewhere: the dict tells by name what has become
        of each it had, None where that has ended; one that waits for a worker has the state "waiting". A pool
        starts another worker at once. Raises WorkerNotFound; WorkerUnavailable when it cannot be told;
        RegistryUnavailable, AuthError, and CallTimeout after ``timeout`` seconds: it goes on ending.
        """
        if not isinstance(worker, str):
            raise TypeError(f"drain() takes the address of a worker, a str, not {worker!r}")
        with self._within(timeout, f"drain({worker!r})", grace=GRACE) as deadline:
            rows = self._registry.call("drain", worker, deadline=deadline, tell_time=True, tries=1)
        return {name: ActorInfo.from_wire(row) if row else None for name, row in rows}

    def page_link(self, *, timeout: float = DEFAULT_TIMEOUT) -> str:
        """An address that opens the registry's page in a browser: once, within five minutes.

        Raises PageNotShown where there is none, RegistryUnavailable, AuthError, and CallTimeout.
        """
        with self._within(timeout, "page_link()") as deadline:
            return str(self._registry.call("page_link", deadline=deadline))

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
            check_name(names)
            with self._within(timeout, f"connect({names!r})") as deadline:
                return self._connector.connect(names, deadline, direct=direct).client
        if isinstance(names, re.Pattern):
            with self._within(timeout, "list()") as deadline:
                found = [info.name for info in self._list("*", deadline) if names.fullmatch(info.name)]
                locations = self._connector.lookup(found, deadline)
            connections = self._connector.connect_all(found, locations, deadline, direct=direct)
            return {name: made.client for name, made in zip(found, connections, strict=True)}
        wanted = arguments.check_names(names)
        with self._within(timeout, "connect()") as deadline:
            locations = self._connector.lookup(wanted, deadline)
        connections = self._connector.connect_all(wanted, locations, deadline, direct=direct)
        return [connection.client for connection in connections]

    def get(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """The cached connection to an actor, made at first use and again when it is over.

        Rpc clients and emitters go on with the actor's next life, if it comes back. Raises as connect().
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
            row = self._registry.call("wait", name, deadline=deadline, tell_time=True, tries=math.inf)
            self._cache.saw(name, ActorInfo.from_wire(row).epoch)
            if timeout is not None:
                return self._get(name, deadline)
        return self.get(name)

    def endpoint(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> Endpoint:
        """Where the actor's own port is, as "tcp://host:port"; it is opened if it was not.

        That of an rpc actor that is not public lets in who has the keys in ``curve`` of what is returned, for
        ten minutes from now.
        """
        arguments.check_one_name(name, "endpoint")
        with self._within(timeout, f"endpoint({name!r})") as deadline:
            return self._workers.endpoint(self._connector.find(name, deadline))

    # ---- looking about -----------------------------------------------------------------------------------

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Call ``function`` whenever ``event`` happens; :mod:`stractory.clients.events` lists them."""
        self._events.on(event, function)

    def workers(self, *, timeout: float = DEFAULT_TIMEOUT) -> _WorkerInfos:
        """All workers that are registered, lost ones and processes of isolated actors too."""
        with self._within(timeout, "workers()") as deadline:
            return [WorkerInfo.from_wire(row) for row in self._registry.call("workers", deadline=deadline)]

    def list(self, pattern: str = "*", *, timeout: float = DEFAULT_TIMEOUT) -> _ActorInfos:
        """All actors whose name matches the shell-style ``pattern``."""
        arguments.check_glob(pattern, "list")
        with self._within(timeout, "list()") as deadline:
            return self._list(pattern, deadline)

    def facts(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> ActorFacts:
        """How an actor does, told by its worker: connections, calls, errors.

        Raises ActorNotFound, WorkerUnavailable when it is on no worker just now, or on one that does not
        answer within two seconds, RegistryUnavailable, AuthError, CallTimeout.
        """
        arguments.check_one_name(name, "facts")
        with self._within(timeout, f"facts({name!r})") as deadline:
            return ActorFacts.from_wire(self._registry.call("facts", name, deadline=deadline))

    def load(self, *, timeout: float = DEFAULT_TIMEOUT) -> dict[str, Load]:
        """How each worker does, by its address as in workers(); one that does not answer is left out.

        The registry asks them once a second at most, and waits two seconds for one that does not answer.
        Raises RegistryUnavailable, AuthError, CallTimeout.
        """
        with self._within(timeout, "load()") as deadline:
            rows = self._registry.call("load", deadline=deadline)
        return {address: Load.from_wire(row) for address, row in rows.items()}

    def watch(self, pattern: str = "*", *, timeout: float | None = None) -> Watch:
        """Births, moves and deaths of the actors whose name matches the shell-style ``pattern``.

        An iterator of :class:`stractory.Change`: first one of the kind "present" for each actor there is,
        then what happens. It goes on when the registry was away, with what differs by then. Where it is
        iterated over slowly, an actor that came and went meanwhile may be left out, but none that stays.
        Iterating raises CallTimeout when nothing has come for ``timeout`` seconds, and can go on after that;
        None waits for ever. Dropping it (as ``break`` does), ``with`` or its close() ends it.

        Raises RegistryUnavailable, AuthError.
        """
        arguments.check_glob(pattern, "watch")
        arguments.check_timeout(timeout, endless=True)
        with self._within(DEFAULT_TIMEOUT, f"watch({pattern!r})") as deadline:
            return Watch(self._registry, pattern, timeout, deadline)

    def close(self) -> None:
        """End all connections. The client can be used again; it dials anew."""
        self._home.enter()
        with self._connector.parting():
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

    def _within(
        self, timeout: float | None, what: str, *, endless: bool = False, grace: float = 0.0
    ) -> Limit:
        """The frame of a public call. Raises CallTimeout, with what the registry says of it, if it does.

        ``grace``: where the registry is told the time, it may be heard a little later.
        """
        deadline = Deadline(arguments.check_timeout(timeout, endless=endless))
        self._home.enter()
        return deadline.limit(f"{what} was not done", CallTimeout, grace)

    def _keys(self) -> keys.KeyRing:
        """Asked at each dialling, so that keys which are changed need no new client."""
        if self._keyring is None:
            self._keyring = keys.load(self._key_file)
        else:
            with suppress(AuthError):  # those that it had may still do
                self._keyring.read_again()
        return self._keyring

    def _list(self, pattern: str, deadline: Deadline) -> _ActorInfos:
        return [ActorInfo.from_wire(row) for row in self._registry.call("list", pattern, deadline=deadline)]

    def _get(self, name: str, deadline: Deadline) -> Any:
        return self._cache.get(name, deadline, partial(self._connector.connect_for_good, name, deadline))
