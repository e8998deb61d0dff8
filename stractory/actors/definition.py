"""What ``create`` ships, as the user makes it: a kind, an init, options, and perhaps a client wrapper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from stractory.actors.parameters import check_takes_two
from stractory.errors import ActorNotShippable
from stractory.wire.codec import MESSAGE_LIMIT, check_value, pack
from stractory.wire.shipping import Code, Definition

SIZE_LIMIT = MESSAGE_LIMIT - 64 * 1024
"""Most bytes of a definition and the options of one actor; the rest of a message is for what goes along."""

Init = Callable[..., Any] | str
Wrapper = Callable[[Any, Mapping[str, Any]], Any] | str


class ActorDefinition:
    """An actor that can be created any number of times; made by :func:`stractory.stream` and its like.

    It is serialized once, when first created: what its code refers to travels as it is then.
    """

    def __init__(
        self,
        kind: str,
        init: Init,
        options: Mapping[str, Any] | None = None,
        client: Wrapper | None = None,
        **settings: Any,
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.init = init
        self.options = dict(check_mapping({} if options is None else options))
        self.client = client
        if callable(client):
            check_takes_two(client, "the client wrapper of an actor is a function(connection, options)")

    def __repr__(self) -> str:
        return f"<{self.kind} actor of {getattr(self.init, '__qualname__', self.init)}>"

    @cached_property
    def shipped(self) -> Definition:
        """The definition as it travels. Raises ActorNotShippable."""
        from stractory.actors.code import ship  # dill is loaded if needed

        init = ship(self.init, "init")
        definition = Definition(
            self.kind, init, self._ship_client(), check_options(self.options), self.settings
        )
        definition.packed  # noqa: B018  # made now, so that every create finds it ready
        return definition

    def _ship_client(self) -> Code | None:
        if isinstance(self.client, str) and ":" not in self.client:
            return Code.imported(self.client)  # the name of a wrapper that clients have registered
        if self.client is None:
            return None
        from stractory.actors.code import ship

        return ship(self.client, "client")


def define(actor: ActorDefinition | Init) -> ActorDefinition:
    """The definition of what ``create`` was given; a bare function or import path is a stream actor."""
    return actor if isinstance(actor, ActorDefinition) else ActorDefinition("stream", actor)


def check_mapping(options: Any) -> Mapping[str, Any]:
    """Raises ActorNotShippable for anything else."""
    if not isinstance(options, Mapping):
        raise ActorNotShippable(f"options are a mapping of names to values, not {options!r}")
    return options


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """``options``, if msgpack can carry them. Raises ActorNotShippable naming the option."""
    if not check_mapping(options):
        return {}
    for name in options:
        if not isinstance(name, str):
            raise ActorNotShippable(f"options have names of type str, not {name!r}")
    checked = dict(options)
    try:
        check_value(checked, "options")
    except (TypeError, ValueError, OverflowError) as error:
        raise ActorNotShippable(str(error)) from None
    return checked


def check_size(definition: ActorDefinition, options: Mapping[str, Any]) -> None:
    """Raises ActorNotShippable when they do not fit together into one message."""
    size = len(definition.shipped.packed) + (len(pack(dict(options))) if options else 0)
    if size > SIZE_LIMIT:
        raise ActorNotShippable(
            f"the actor is too large to travel: its code and options are {size} bytes, "
            f"and at most {SIZE_LIMIT} can be sent"
        )
