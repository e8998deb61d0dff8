"""Definitions whose code was opened: each once, for as long as an actor here is made of it."""

from __future__ import annotations

from types import FunctionType
from weakref import WeakValueDictionary

from gevent.event import Event

from stractory.actors.code import load
from stractory.actors.parameters import positional
from stractory.errors import ActorNotShippable
from stractory.wire.definitions import Definitions
from stractory.wire.shipping import Definition
from stractory.worker.exits import one_process


class Loaded:
    """A definition that can be started. What init was shipped in, perhaps megabytes, is not kept.

    ``call(function, *args)`` is how whatever its actors do is called. Its code has the ``label`` for a name:
    where C code holds the interpreter, the names on the stack are all that can still be told.
    """

    __slots__ = (
        "__weakref__",
        "arguments",
        "call",
        "init",
        "kind",
        "label",
        "options",
        "settings",
        "wrapper",
    )

    def __init__(self, definition: Definition) -> None:
        self.kind = definition.kind
        self.label = f"{definition.kind} definition {definition.digest.hex()[:12]}"
        self.call = FunctionType(one_process.__code__.replace(co_name=self.label), one_process.__globals__)
        self.init = load(definition.init)
        parameters = positional(self.init)  # of (options, context) it is given as many as it takes
        self.arguments = 1 if parameters is None else len(parameters)
        self.wrapper = definition.wrapper
        self.options = definition.options
        self.settings = definition.settings


class Loader:
    """Loads definitions. What was loaded it does not hold: their actors do.

    ``imports_only``: of those whose init is shipped it refuses to open any.
    """

    def __init__(self, imports_only: bool = False) -> None:
        self._imports_only = imports_only
        self._definitions = Definitions()
        self.define = self._definitions.add
        self._loaded: WeakValueDictionary[bytes, Loaded] = WeakValueDictionary()
        self._loading: dict[bytes, Event] = {}

    def find(self, digest: bytes) -> Definition:
        """One that may be loaded. Raises UnknownDefinition, and ActorNotShippable for what it refuses."""
        definition = self._definitions.find(digest)
        if self._imports_only and definition.init.path is None:
            raise ActorNotShippable(
                "this worker takes no code that travels (code = import): "
                "give init as 'package.module:function'"
            )
        return definition

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
