"""Types of which nothing may travel, and the words that say so."""

from __future__ import annotations

CLIENT = "a stractory client"

# By the full name of the type or a base of it. dill would silently copy some of
# them (locks, files); others would fail at an attribute nobody has heard of. The first in a type's method
# resolution order counts: a StringIO is no open file.
_REFUSED = {
    name: words
    for words, names in {
        "": "_io.BytesIO _io.StringIO",
        "a condition": "threading.Condition",
        "a database connection": "sqlite3.Connection",
        "a database cursor": "sqlite3.Cursor",
        "a frame": "builtins.frame",
        "a lock": "_thread.lock _thread.RLock threading._RLock",
        "a semaphore": "threading.Semaphore",
        "a barrier": "threading.Barrier",
        "a pointer": "builtins.PyCapsule",
        "a poll object": "select.epoll select.poll",
        "a pool": "concurrent.futures._base.Executor",
        "a process": "subprocess.Popen multiprocessing.process.BaseProcess",
        "a queue": "queue.Queue _queue.SimpleQueue",
        "a running coroutine": "builtins.coroutine",
        "a running generator": "builtins.generator builtins.async_generator",
        "a socket": "_socket.socket gevent._socket3.socket",
        "a thread": "threading.Thread _thread._ThreadHandle",
        "a TLS context": "ssl.SSLContext _ssl._SSLContext",
        "a traceback": "builtins.traceback",
        CLIENT: "stractory.clients.client.Client stractory.clients.background.BackgroundClient",
        "a connection to an actor": "stractory.net.stream.Stream stractory.actors.rpc.RpcClient "
        "stractory.actors.emitter.Emitter stractory.actors.spawn.SpawnClient "
        "stractory.clients.background.StandIn",
        "a view of memory": "builtins.memoryview",
        "an event": "threading.Event",
        "an open file": "_io._IOBase",
        "data of one thread": "_thread._local",
        "mapped memory": "mmap.mmap",
    }.items()
    for name in names.split()
}
_REFUSED_PACKAGES = {"gevent": "a gevent object", "greenlet": "a green thread", "zmq": "a ZeroMQ object"}


def remedy(kind: type, what: str) -> str:
    """What to do instead in ``what``, "init" or "client"."""
    if what == "init" and refusal(kind).startswith(CLIENT):
        return "use context.client, of init(options, context)"
    return f"make it inside {what}"


def refusal(kind: type) -> str:
    """Why things of this type do not travel; empty if they may."""
    for base in kind.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        words = _REFUSED.get(name, _REFUSED_PACKAGES.get(name.partition(".")[0]))
        if words is not None:
            return words and f"{words} ({kind.__module__}.{kind.__qualname__})"
    return ""
