"""The kinds of actor: for each, what serves it on a worker and what a client makes of a connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from stractory.errors import VersionMismatch
from stractory.net.address import Address
from stractory.net.counters import Tally
from stractory.net.listener import Ports
from stractory.net.serving import Share

if TYPE_CHECKING:
    from stractory.actors.snapshots import Snapshots


class Owner(Protocol):
    """The actor, as its server sees it."""

    @property
    def name(self) -> str: ...

    @property
    def ended(self) -> bool:
        """Whether it has begun to end."""

    @property
    def suspended(self) -> bool:
        """Whether it serves nobody for a while: there may be another copy of it."""

    @property
    def may_block(self) -> bool:
        """Whether it may hold up its process: that is its own."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the factory of its kind was told, beside options."""

    @property
    def snapshots(self) -> Snapshots | None:
        """What is to know of whatever changes its state, if that is kept."""

    @property
    def log(self) -> logging.Logger:
        """A logger with the actor's name."""

    def counting(self) -> Tally:
        """What counts its calls or events: made when it is asked for, and then the same."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a green thread that ends with the actor; what it raises is logged."""

    def run(self, function: Callable[[], None]) -> None:
        """As spawn(), in this green thread. An actor that has ended runs nothing."""

    def admit(self, stream: Any) -> Any:
        """Have ``stream`` end with the actor, or when that is suspended. Raises StaleLocation."""

    def exited(self, status: int) -> None:
        """The actor has come to an end of its own accord."""


class Server(Protocol):
    """Serves the connections of one actor. Made of what its init returned; raises TypeError for the wrong."""

    def connect(self, stream: Any, address: Any) -> None:
        """Take a connection. It must not wait."""

    def destroy(self) -> None:
        """The actor ends: its destroy() of its own, if it has one. May wait."""


@runtime_checkable
class HasPort(Protocol):
    """A server whose own port is no plain TCP port that connects() to it."""

    def open_port(self, ports: Ports, name: str, epoch: int, public: bool) -> Closable:
        """Open it; :class:`Locked` unless ``public``. Raises PortUnavailable."""


class Closable(Protocol):
    """An open port."""

    address: Address

    def close(self) -> None: ...


@runtime_checkable
class Locked(Closable, Protocol):
    """One that lets in only who was admitted. ``key``: its public key, 32 bytes."""

    key: bytes

    def admit(self, name: str, session: bytes) -> None:
        """Let in the client of a link, for a while, that shares ``session``; it has proved ``name``."""

    def had(self, names: Collection[str]) -> bool:
        """Whether one of ``names`` was ever admitted."""


class Kind(Protocol):
    """One kind of actor. Holds no state."""

    def serve(self, made: Any, owner: Owner) -> Server:
        """On the worker: what serves the actor whose init returned ``made``."""

    def wrap(self, stream: Any, failed: Callable[[str, BaseException], None], share: Share) -> Any:
        """In the client: what get and connect hand out for a new connection.

        ``failed`` is told of the errors of functions that were called back and that nobody else hears of.
        ``share`` makes what is given out for functions that the actor passes.
        """


Again = Callable[[float | None], Any]
"""Opens another stream to an actor, within so many seconds."""


@runtime_checkable
class Outliving(Protocol):
    """What :meth:`Kind.wrap` makes, if it can go on when its stream is over."""

    def outlive(self, again: Again) -> None:
        """Go on over what ``again`` opens."""


@runtime_checkable
class Returning(Protocol):
    """What :meth:`Kind.wrap` makes, if it goes on of its own accord when its stream is over."""

    def return_by(self, ask: Callable[[], None]) -> None:
        """Call ``ask`` when a life of the actor is over: attach() or end() follows. It must not wait."""

    def attach(self, stream: Any) -> None:
        """Go on over a stream to the next life."""

    def end(self) -> None:
        """There is no other life."""

    @property
    def closed(self) -> bool:
        """Whether it needs no more streams."""


_HOMES = {
    "stream": "stractory.actors.stream",
    "rpc": "stractory.actors.rpc",
    "eventemitter": "stractory.actors.eventemitter",
    "spawn": "stractory.actors.spawn",
}


@cache
def kind(name: str) -> Kind:
    """A kind, loaded when it is first needed. Raises VersionMismatch for one this version does not have."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise VersionMismatch(f"this version has no actors of the kind {name!r}") from None
    found: Kind = import_module(home).KIND
    return found
