"""Every exception of stractory, in one tree.

::

    StractoryError
     +-- ActorError                    about one name
     |    +-- InvalidName              (ValueError)       not a non-empty str of at most 512 bytes
     |    +-- ActorNotFound            (LookupError)      no actor has this name
     |    +-- ActorExists                                 the name is taken
     |    +-- ActorNotShippable        (TypeError)        its code or options cannot travel
     |    +-- ActorStartFailed                            its init raised, on the worker
     |    +-- ActorLost                (ConnectionError)  its worker went away
     |    +-- ActorExited                                 its child process ended with another status than 0
     |    +-- StaleLocation            (LookupError)      that life of the name is over: look it up again
     |    +-- ActorNotPublic           (PermissionError)  its worker allows no unproved port
     |    +-- UntrustedWrapper         (PermissionError)  its client wrapper is untrusted code
     |    +-- WrapperNotFound          (LookupError)      its client wrapper is not registered here
     |    +-- ConnectErrors            (ConnectionError)  some of several failed
     |    +-- UnknownDefinition        (LookupError)      its definition was not sent there, or is forgotten
     +-- PlacementError                no worker can take it
     |    +-- NoWorkers                                   none is registered
     |    +-- NoCompatibleWorker                          none runs this Python
     +-- UnreachableError              (ConnectionError)  nobody answers at an address
     |    +-- RegistryUnavailable
     |    +-- WorkerUnavailable
     +-- AuthError                     (PermissionError)  the proof of the cluster key failed
     |    +-- ForbiddenRole                               proved, but the role may not do this
     +-- LinkError                     (ConnectionError)  a connection broke
     |    +-- LinkClosed                                  the link under a stream or call ended
     |    +-- StreamReset              (ConnectionResetError)  the other side gave the stream up
     |    |    +-- ActorEnded                             because the actor has ended in order
     |    +-- SlowConsumer                                the other side did not take what was sent
     |    +-- ProtocolError                               the other side broke the wire format
     |    +-- VersionMismatch                             it speaks another version of it
     +-- CallError                     about one remote call
     |    +-- CallTimeout              (TimeoutError)     no answer in time
     |    +-- UnknownMethod            (AttributeError)   the other side has no such method
     |    +-- CallbackGone             (ConnectionError)  the process that passed the function is gone
     |    +-- RemoteError                                 the method raised; carries the remote traceback
     +-- PortUnavailable               (OSError)          a port to listen on is taken
     +-- ConfigError                   (ValueError)       a setting is wrong

An error that crosses the wire travels as its class's name (``code``), its text and its ``details`` (msgpack
values); :func:`from_wire` makes it anew on the other side. A code that is not in this tree arrives as
:class:`RemoteError`: no class is ever looked up outside this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "ActorEnded",
    "ActorError",
    "ActorExists",
    "ActorExited",
    "ActorLost",
    "ActorNotFound",
    "ActorNotPublic",
    "ActorNotShippable",
    "ActorStartFailed",
    "AuthError",
    "CallError",
    "CallTimeout",
    "CallbackGone",
    "ConfigError",
    "ConnectErrors",
    "ForbiddenRole",
    "InvalidName",
    "LinkClosed",
    "LinkError",
    "NoCompatibleWorker",
    "NoWorkers",
    "PlacementError",
    "PortUnavailable",
    "ProtocolError",
    "RegistryUnavailable",
    "RemoteError",
    "SlowConsumer",
    "StaleLocation",
    "StractoryError",
    "StreamReset",
    "UnknownDefinition",
    "UnknownMethod",
    "UnreachableError",
    "UntrustedWrapper",
    "VersionMismatch",
    "WorkerUnavailable",
    "WrapperNotFound",
]


class StractoryError(Exception):
    """Root of everything stractory raises of its own accord."""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        self.details = details

    @property
    def code(self) -> str:
        """The name under which this error crosses the wire."""
        return type(self).__name__


class ActorError(StractoryError):
    """Something about one actor."""


class InvalidName(ActorError, ValueError):
    """A name is a non-empty str of at most 512 bytes of UTF-8."""


class ActorNotFound(ActorError, LookupError):
    """No actor has this name."""


class ActorExists(ActorError):
    """The name is taken; ``details["epoch"]`` tells by which life of it (None while it is being created)."""


class ActorNotShippable(ActorError, TypeError):
    """The actor's code or options refer to something that cannot travel; the text names the variable."""


class ActorStartFailed(ActorError):
    """The actor's code did not load or its init raised on the worker."""

    def __init__(self, message: str = "", remote_traceback: str = "", **details: Any) -> None:
        super().__init__(message, remote_traceback=remote_traceback, **details)
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.remote_traceback}".rstrip()


class ActorLost(ActorError, ConnectionError):
    """The worker that ran the actor went away, or the link to it did."""


class ActorExited(ActorError):
    """The child process of a spawn actor has ended; ``status`` as of a subprocess: negative for a signal."""

    def __init__(self, message: str = "", status: int = 1, **details: Any) -> None:
        super().__init__(message, status=status, **details)
        self.status = status


class StaleLocation(ActorError, LookupError):
    """The stream was opened for a life of the name that is over; look the name up again."""


class ActorNotPublic(ActorError, PermissionError):
    """The worker's settings do not allow a port without proof."""


class UntrustedWrapper(ActorError, PermissionError):
    """The actor's client wrapper is code, and this client was not told to trust it."""


class WrapperNotFound(ActorError, LookupError):
    """The actor names a client wrapper that this process has not registered."""


class UnknownDefinition(ActorError, LookupError):
    """A definition was spoken of by its digest that is not known there: it is sent, then, and all goes on."""


class ConnectErrors(ActorError, ConnectionError):
    """Some of several actors could not be connected.

    ``clients``: name -> client of those that were; ``errors``: name -> exception of the others.
    """

    def __init__(self, message: str, clients: Mapping[str, Any], errors: Mapping[str, Exception]) -> None:
        super().__init__(message)
        self.clients = dict(clients)
        self.errors = dict(errors)


class PlacementError(StractoryError):
    """No worker can take the actor."""


class NoWorkers(PlacementError):
    """No worker is registered."""


class NoCompatibleWorker(PlacementError):
    """No registered worker runs the Python that the actor's code was made with."""


class UnreachableError(StractoryError, ConnectionError):
    """Nobody answers at an address."""


class RegistryUnavailable(UnreachableError):
    """The registry does not answer; the text names its address."""


class WorkerUnavailable(UnreachableError):
    """A worker does not answer; the text names its address."""


class AuthError(StractoryError, PermissionError):
    """The proof of the cluster key failed, or the key file cannot be used."""


class ForbiddenRole(AuthError):
    """The key's role may not do this; the text names the role that may."""


class LinkError(StractoryError, ConnectionError):
    """A connection broke."""


class LinkClosed(LinkError):
    """The link under a stream or a call has ended."""


class StreamReset(LinkError, ConnectionResetError):
    """The other side gave the stream up."""


class ActorEnded(StreamReset):
    """The actor has ended in order: it was destroyed or replaced, or its worker was shut down."""


class SlowConsumer(LinkError):
    """The other side took nothing of what was sent for too long; the stream was given up."""


class ProtocolError(LinkError):
    """The other side sent bytes that break the wire format."""


class VersionMismatch(LinkError):
    """The other side speaks another version of the wire format or runs another Python."""


class CallError(StractoryError):
    """Something about one remote call."""


class CallTimeout(CallError, TimeoutError):
    """A call had no answer within its time. It may or may not have run."""


class UnknownMethod(CallError, AttributeError):
    """The other side has no method of this name; the text lists those it has."""


class CallbackGone(CallError, ConnectionError):
    """The process that passed the function is gone, or the link to it, or the function was released."""


class RemoteError(CallError):
    """The method raised on the other side.

    ``type`` is the name of the remote exception's class, ``remote_traceback`` its traceback as text.
    """

    def __init__(self, message: str = "", type: str = "Exception", remote_traceback: str = "") -> None:
        super().__init__(message, type=type, remote_traceback=remote_traceback)
        self.type = type
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        text = f"{self.type}: {super().__str__()}"
        return f"{text}\n\n{self.remote_traceback}".rstrip()


class PortUnavailable(StractoryError, OSError):
    """A port to listen on is taken or may not be bound; the text names the address."""


class ConfigError(StractoryError, ValueError):
    """A setting is wrong; the text names the file and line, the variable or the option."""


def _tree(root: type[StractoryError]) -> Iterator[type[StractoryError]]:
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)


_BY_CODE: dict[str, type[StractoryError]] = {
    error.__name__: error
    for error in _tree(StractoryError)
    if error is not ConnectErrors  # made by the client, never sent
}


TEXT_LIMIT = 64 * 1024
"""Most characters of a text that an error takes over the wire."""


def to_wire(error: BaseException, remote_traceback: str) -> tuple[str, str, dict[str, Any]]:
    """What of an error crosses the wire: (code, message, details).

    An exception from outside the tree goes as a :class:`RemoteError` with its traceback.
    """
    if isinstance(error, StractoryError) and error.code in _BY_CODE:
        text = error.args[0] if error.args else ""
        return error.code, _sendable(text), {key: _sendable(value) for key, value in error.details.items()}
    details = {"type": type(error).__name__, "remote_traceback": remote_traceback}
    return "RemoteError", _sendable(error), {key: _sendable(value) for key, value in details.items()}


def _sendable(value: Any) -> Any:
    """Numbers as they are; anything else as text that has a UTF-8 form and is not too long."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    try:
        text = str(value)
    except Exception:  # an error's own __str__ may fail
        text = f"({type(value).__name__} without a text)"
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


def from_wire(code: str, message: str, details: Mapping[str, Any]) -> StractoryError:
    """The error a peer reported. Details the class does not take are kept in ``details``."""
    kind = _BY_CODE.get(code)
    if kind is None:
        return RemoteError(message, type=code, remote_traceback=str(details.get("remote_traceback", "")))
    try:
        return kind(message, **details)
    except TypeError:  # another version's details
        error = kind(message)
        error.details = dict(details)
        return error
