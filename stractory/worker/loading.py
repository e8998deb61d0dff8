"""Definitions whose code was opened: each once, for as long as an actor here is made of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from gevent.event import Event

from stractory.actors.code import load
from stractory.wire.definitions import Definitions
from stractory.wire.shipping import Definition


class Loaded:
    """A definition that can be started. What init was shipped in, perhaps megabytes, is not kept."""

    __slots__ = ("__weakref__", "arguments", "init", "kind", "options", "settings", "wrapper")

    def __init__(self, definition: Definition) -> None:
        self.kind = definition.kind
        self.init = load(definition.init)
        self.arguments = _positional_parameters(self.init)  # of (options, context), as many as it takes
        self.wrapper = definition.wrapper
        self.options = definition.options
        self.settings = definition.settings


def _positional_parameters(function: Callable[..., Any]) -> int:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some builtins tell none
        return 1
    return sum(parameter.kind in positional for parameter in parameters)


class Loader:
    """Loads definitions. What was loaded it does not hold: their actors do."""

    def __init__(self) -> None:
        self._definitions = Definitions()
        self.define = self._definitions.add
        self.find = self._definitions.find
        self._loaded: WeakValueDictionary[bytes, Loaded] = WeakValueDictionary()
        self._loading: dict[bytes, Event] = {}

    def load(self, definition: Definition) -> Loaded:
        """What can be started of it. Raises what opening its code does.

        Loading may wait (for an import, or because of what the code does); who asks for the same meanwhile
        waits with it, and tries again if it failed.
        """
        digest = definition.digest
        while (loaded := self._loaded.get(digest)) is None:
            if over := self._loading.get(digest):
                over.wait()
                continue
            over = self._loading[digest] = Event()
            try:
                self._loaded[digest] = loaded = Loaded(definition)
            finally:
                del self._loading[digest]
                over.set()
            return loaded
        return loaded
