"""Definitions whose code was opened: each once, for as long as an actor here is made of it."""

from __future__ import annotations

from weakref import WeakValueDictionary

from gevent.event import Event

from stractory.actors.code import load
from stractory.actors.parameters import positional
from stractory.wire.definitions import Definitions
from stractory.wire.shipping import Definition


class Loaded:
    """A definition that can be started. What init was shipped in, perhaps megabytes, is not kept."""

    __slots__ = ("__weakref__", "arguments", "init", "kind", "options", "settings", "wrapper")

    def __init__(self, definition: Definition) -> None:
        self.kind = definition.kind
        self.init = load(definition.init)
        parameters = positional(self.init)  # of (options, context) it is given as many as it takes
        self.arguments = 1 if parameters is None else len(parameters)
        self.wrapper = definition.wrapper
        self.options = definition.options
        self.settings = definition.settings


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
