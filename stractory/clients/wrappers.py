"""What get and connect hand out for a stream: the stream itself, or what the actor's wrapper makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stractory.actors.code import load
from stractory.actors.definition import ActorDefinition, Wrapper
from stractory.actors.kinds import kind
from stractory.clients.workers import WorkerLinks
from stractory.errors import UntrustedWrapper
from stractory.wire.info import ActorInfo
from stractory.wire.shipping import Code

_own: dict[bytes, Wrapper] = {}  # by digest: the wrappers that this process made, which it trusts as they are


def remember_own(definition: ActorDefinition) -> None:
    """This process made the definition, so its wrapper needs no trust here."""
    if definition.client is not None and definition.shipped.wrapper is not None:
        _own[definition.shipped.wrapper.digest] = definition.client


class Wrappers:
    """Finds them. ``trust``: whether wrapper code that others shipped may run in this process."""

    def __init__(self, workers: WorkerLinks, trust: bool) -> None:
        self._workers = workers
        self._trust = trust
        self._loaded: dict[bytes, Callable[[Any, Mapping[str, Any]], Any]] = {}

    def find(self, info: ActorInfo) -> Callable[[Any], Any]:
        """What makes the client of a connection. Raises UntrustedWrapper."""
        if not info.wrapped:
            wrap = kind(info.kind).wrap
            return lambda stream: wrap(stream, {})
        described = self._workers.call(info, "describe")
        wrapper = self._trusted(info.name, Code.from_wire(described["wrapper"]))
        return lambda stream: wrapper(stream, described["options"])

    def _trusted(self, name: str, code: Code) -> Callable[[Any, Mapping[str, Any]], Any]:
        own = _own.get(code.digest)
        if callable(own):
            return own
        if own is None and not self._trust:
            raise UntrustedWrapper(
                f"actor {name!r} has a client wrapper that others wrote; "
                "to run their code here, make the client with trust_wrappers=True"
            )
        if code.digest not in self._loaded:
            self._loaded[code.digest] = load(code)
        return self._loaded[code.digest]
