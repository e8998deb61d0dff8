"""stractory: a streaming actor factory.

    strac = stractory.client("127.0.0.1:9000")
    strac.create("mr-echo", echo)
    with strac.connect("mr-echo") as stream: ...

Importing this patches nothing, sets up no logging, and loads a module only when one of its names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stractory.errors import *  # noqa: F403
from stractory.errors import __all__ as _errors
from stractory.version import VERSION

if TYPE_CHECKING:
    from stractory.actors.definition import ActorDefinition as ActorDefinition
    from stractory.actors.emitter import Emitter as Emitter
    from stractory.actors.emitter import emit as emit
    from stractory.actors.factories import dnode as dnode
    from stractory.actors.factories import eventemitter as eventemitter
    from stractory.actors.factories import rpc as rpc
    from stractory.actors.factories import spawn as spawn
    from stractory.actors.factories import stream as stream
    from stractory.clients.client import Client as Client
    from stractory.clients.comforts import idempotent as idempotent
    from stractory.clients.comforts import timeout as timeout
    from stractory.clients.making import client as client
    from stractory.clients.watching import Watch as Watch
    from stractory.clients.wrappers import wrapper as wrapper
    from stractory.net.callbacks import Callback as Callback
    from stractory.wire.changes import Change as Change
    from stractory.wire.facts import ActorFacts as ActorFacts
    from stractory.wire.facts import Load as Load
    from stractory.wire.info import ActorInfo as ActorInfo
    from stractory.wire.info import WorkerInfo as WorkerInfo

__version__ = VERSION

_HOMES = {
    "ActorDefinition": "stractory.actors.definition",
    "ActorFacts": "stractory.wire.facts",
    "ActorInfo": "stractory.wire.info",
    "Client": "stractory.clients.client",
    "Change": "stractory.wire.changes",
    "Load": "stractory.wire.facts",
    "Watch": "stractory.clients.watching",
    "WorkerInfo": "stractory.wire.info",
    "client": "stractory.clients.making",
    "Callback": "stractory.net.callbacks",
    "Emitter": "stractory.actors.emitter",
    "dnode": "stractory.actors.factories",
    "emit": "stractory.actors.emitter",
    "eventemitter": "stractory.actors.factories",
    "idempotent": "stractory.clients.comforts",
    "rpc": "stractory.actors.factories",
    "spawn": "stractory.actors.factories",
    "stream": "stractory.actors.factories",
    "timeout": "stractory.clients.comforts",
    "wrapper": "stractory.clients.wrappers",
}

__all__ = [*_errors, *_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
