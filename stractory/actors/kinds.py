"""The kinds of actor: for each, how a worker serves a connection and what a client makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from stractory.actors.stream import StreamKind
from stractory.errors import VersionMismatch


class Kind(Protocol):
    """One kind of actor. Holds no state."""

    def check(self, server: Any) -> None:
        """Raises TypeError when ``server``, what init returned, cannot serve as this kind."""

    def serve(self, server: Any, stream: Any, address: Any) -> None:
        """On the worker: serve one connection, in a green thread of its own, until it is over."""

    def wrap(self, stream: Any, options: Mapping[str, Any]) -> Any:
        """In the client: what get and connect hand out for a new connection."""


_KINDS: dict[str, Kind] = {"stream": StreamKind()}


def kind(name: str) -> Kind:
    """Raises VersionMismatch for a kind this version does not have."""
    try:
        return _KINDS[name]
    except KeyError:
        raise VersionMismatch(f"this version has no actors of the kind {name!r}") from None
