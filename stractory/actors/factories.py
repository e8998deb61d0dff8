"""The functions with which users say what an actor is: one for each kind.

All take ``options``, defaults of what init gets (msgpack values), and ``client(connection, options)``,
which makes what get and connect return of what the kind has for a connection: a function, an import path,
or the name of one that was registered by :func:`stractory.wrapper`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stractory.actors.definition import ActorDefinition, Init, Wrapper

_SHELL = re.compile(r"[\s|&;<>()$`*?]")


def stream(
    init: Init, *, options: Mapping[str, Any] | None = None, client: Wrapper | None = None
) -> ActorDefinition:
    """A stream actor: raw bytes, any protocol.

    ``init(options)`` or ``init(options, context)`` runs once, on the worker, and returns
    ``handler(stream, address)``, which runs for each connection in a green thread of its own. If the handler
    has a method ``destroy()``, it runs at the actor's end. ``init`` may also be an import path,
    ``"package.module:function"``.
    """
    return ActorDefinition("stream", init, options, client)


def rpc(
    init: Init,
    *,
    options: Mapping[str, Any] | None = None,
    client: Wrapper | None = None,
    concurrency: int | None = None,
) -> ActorDefinition:
    """An rpc actor: ``init`` returns a dict of functions, or an object whose public methods clients call.

    Of an object, the methods of its class are public, but those that begin with ``_``; what it keeps in
    attributes is not, nor are properties. Of a dict, all is.

    Methods run in green threads, started in the order in which each client called; with ``concurrency`` no
    more than so many at a time (1: one turn after another). A method that is a generator streams its items.
    Functions among the arguments arrive as :class:`stractory.Callback`. ``destroy()``, where there is one,
    is not for clients: it runs at the actor's end.
    """
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise ValueError(f"concurrency is a number from 1 up, not {concurrency!r}")
    settings = {} if concurrency is None else {"concurrency": concurrency}
    return ActorDefinition("rpc", init, options, client, **settings)


dnode = rpc
"""The name it had in the Node.js original."""


def eventemitter(
    init: Init, *, options: Mapping[str, Any] | None = None, client: Wrapper | None = None
) -> ActorDefinition:
    """An eventemitter actor: ``init`` returns ``handler(emitter)``, which runs once for each connection.

    The emitter's ``on`` listens to what that client emits, its ``emit`` sends to it; the client has one
    like it.
    """
    return ActorDefinition("eventemitter", init, options, client)


def spawn(
    cmd: str,
    args: Sequence[str] = (),
    *,
    client: Wrapper | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> ActorDefinition:
    """A spawn actor: one child process, whose output goes to every client and whose input is what they send.

    There is no shell: ``spawn("sh", ["-c", "..."])`` asks for one. ``cmd``, ``args``, ``cwd`` and ``env``
    are the actor's options, so ``create(..., options={"args": [...]})`` replaces them. ``env`` is the whole
    environment, by default the worker's. The child ends with the actor, and the actor with it.

    All clients share the child's input, which none of them ends: it does not see its end before the actor
    is destroyed, and then it is ended too. A command that gives its output only at the end of its input, as
    ``gzip`` does, needs a shell that gives it a part at a time: ``while head -c 16000 | gzip; do :; done``.

    Raises TypeError for bytes, and ValueError for a ``cmd`` that looks like a line for a shell and is no
    file here.
    """
    if not isinstance(cmd, str) or not cmd or isinstance(args, (str, bytes)):
        raise TypeError("spawn takes a command and a list of its arguments: spawn('ls', ['-l'])")
    words = list(args)
    if strange := [word for word in words if isinstance(word, (bytes, bytearray))]:
        raise TypeError(f"the arguments of a command are text, not {strange[0]!r}")
    if _SHELL.search(cmd) and not ("/" in cmd and os.path.isfile(cmd)):
        asked = f'spawn("sh", ["-c", {json.dumps(cmd, ensure_ascii=False)}])'
        raise ValueError(f"{cmd!r} is for a shell, and there is none: spawn('ls', ['-l']), or {asked}")
    options = {
        "cmd": cmd,
        "args": [str(word) for word in words],
        "cwd": cwd,
        "env": None if env is None else dict(env),
    }
    return ActorDefinition("spawn", "stractory.actors.child:command_of", options, client)
