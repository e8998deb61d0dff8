"""What get and connect hand out for a stream: the stream itself, or what the actor's wrapper makes of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stractory.actors.definition import ActorDefinition, Wrapper
from stractory.actors.kinds import Kind, kind
from stractory.actors.parameters import check_takes_two
from stractory.clients.workers import WorkerLinks
from stractory.errors import ProtocolError, UntrustedWrapper, WrapperNotFound
from stractory.net.serving import Share
from stractory.wire.info import Location
from stractory.wire.shipping import Code

Make = Callable[[Any, Mapping[str, Any]], Any]
Failed = Callable[[str, BaseException], None]
Keep = Callable[[Any], None]

ENTRY_POINTS = "stractory.wrappers"
"""The group of entry points by which an installed package brings wrappers."""

OWN_LIMIT = 10_000
"""Wrappers of its own that a process remembers. Of more, it trusts the last."""

_named: dict[str, Make] = {}
_own: OrderedDict[bytes, Wrapper] = OrderedDict()  # by digest: those made here, which are trusted as they are


def wrapper(name: str, make: Make | None = None) -> Any:
    """Register a client wrapper, ``make(connection, options)``, in this process; also a decorator.

    A definition with ``client="name"`` then uses it, whoever made that: it is this process's own code.
    Installed packages bring theirs by entry points of the group ``stractory.wrappers``.
    """
    if not isinstance(name, str) or not name or ":" in name:
        raise ValueError(f"a wrapper's name is a str without a colon, not {name!r}")
    if make is None:
        return lambda make: wrapper(name, make)
    if not callable(make):
        raise TypeError(f"a wrapper is a function(connection, options), not {make!r}")
    check_takes_two(make, f"the client wrapper {name!r} is a function(connection, options)")
    _named[name] = make
    return make


def remember_own(definition: ActorDefinition) -> None:
    """This process made the definition, so its wrapper needs no trust here."""
    if definition.client is not None and definition.shipped.wrapper is not None:
        digest = definition.shipped.wrapper.digest
        _own[digest] = definition.client
        _own.move_to_end(digest)
        if len(_own) > OWN_LIMIT:
            _own.popitem(last=False)


class Wrappers:
    """Finds them. ``trust``: whether wrapper code that others shipped may run in this process.

    ``share`` makes what wrappers are given, and the user where there is none, of a connection.
    """

    def __init__(self, workers: WorkerLinks, trust: bool, share: Share) -> None:
        self._workers = workers
        self._trust = trust
        self._share = share
        self._loaded: dict[bytes, Make] = {}

    def find(self, location: Location, failed: Failed) -> Callable[[Any, Keep | None], Any]:
        """What makes the client of a connection. Raises UntrustedWrapper, WrapperNotFound, ProtocolError.

        ``failed`` is told of errors of functions that the actor calls back. What is returned is called with
        the stream, and with what is given the connection, as its kind makes it, if it is to outlive that.
        """
        info = location.info
        wrap = partial(self._wrap, kind(info.kind), failed)
        if not info.wrapped:
            return wrap
        match self._workers.call(location, "describe"):
            case {"wrapper": packed, "options": dict() as options}:
                code = Code.from_wire(packed)
            case _:
                raise ProtocolError(f"worker {info.worker} told no proper description of {info.name!r}")
        named = code.path is not None and ":" not in code.path
        make = _find_named(info.name, str(code.path)) if named else self._trusted(info.name, code)
        return lambda stream, keep: make(wrap(stream, keep), options)

    def _wrap(self, kind: Kind, failed: Failed, stream: Any, keep: Keep | None) -> Any:
        connection = kind.wrap(stream, failed, self._share)
        if keep is not None:
            keep(connection)
        return self._share(connection)

    def _trusted(self, name: str, code: Code) -> Make:
        own = _own.get(code.digest)
        if callable(own):
            return own
        if own is None and not self._trust:
            raise UntrustedWrapper(
                f"actor {name!r} has a client wrapper that others wrote; "
                "to run their code here, make the client with trust_wrappers=True"
            )
        if code.digest not in self._loaded:
            from stractory.actors.code import load  # dill is loaded if needed

            loaded = load(code)
            check_takes_two(loaded, f"the wrapper of actor {name!r} is a function(connection, options)")
            self._loaded[code.digest] = loaded
        return self._loaded[code.digest]


def _find_named(actor: str, name: str) -> Make:
    if name not in _named:
        from importlib.metadata import entry_points  # which takes long, and is seldom needed

        for found in entry_points(group=ENTRY_POINTS, name=name):
            loaded = found.load()
            check_takes_two(loaded, f"the client wrapper {name!r} is a function(connection, options)")
            _named[name] = loaded
            break
        else:
            raise WrapperNotFound(
                f"actor {actor!r} wants the client wrapper {name!r}, which this process does not have: "
                f"register it with stractory.wrapper({name!r}, function)"
            )
    return _named[name]
