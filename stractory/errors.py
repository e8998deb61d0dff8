"""Every exception of stractory, in one tree.

::

    StractoryError
     +-- ActorError                    about one name
     |    +-- InvalidName              (ValueError)       not a non-empty str of at most 512 bytes
     |    +-- ActorNotFound            (LookupError)      no actor has this name
     |    +-- ActorExists                                 the name is taken
     |    +-- ActorNotShippable        (TypeError)        its code or options cannot travel, or may not
     |    +-- ActorStartFailed                            its init raised, on the worker
     |    +-- ActorLost                (ConnectionError)  its worker went away
     |    +-- ActorHung                                   it held up its worker, and was stopped
     |    +-- ActorExited                                 its child process ended with another status than 0
     |    +-- StaleLocation            (LookupError)      that life of the name is over: look it up again
     |    |    +-- StaleTicket                            and so is what the registry gave to reach it
     |    +-- ActorNotPublic           (PermissionError)  its worker allows no unproved port
     |    +-- UntrustedWrapper         (PermissionError)  its client wrapper is untrusted code
     |    +-- WrapperNotFound          (LookupError)      its client wrapper is not registered here
     |    +-- ConnectErrors            (ConnectionError)  some of several failed
     |    +-- UnknownDefinition        (LookupError)      its definition was not sent there, or is forgotten
     +-- PlacementError                no worker can take it
     |    +-- NoWorkers                                   none is registered
     |    +-- NoCompatibleWorker                          none runs this Python, or takes its code
     |    +-- ActorQuarantined                            its code ended too many workers
     |    +-- WorkerFull                                  none has room for another actor, or link
     +-- WorkerNotFound                (LookupError)      no worker has this address
     +-- PageNotShown                  (LookupError)      the registry shows none
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
     |    +-- SnapshotFailed                              it ran, but what it changed may be lost
     |    +-- RemoteError                                 the method raised; carries the remote traceback
     +-- PortUnavailable               (OSError)          a port to listen on is taken
     +-- ConfigError                   (ValueError)       a setting is wrong
     +-- StoreError                                       what survives a registry cannot be read or written
     |    +-- StoreUnreachable         (ConnectionError)  no endpoint of it answers
     |    |    +-- StoreWithoutQuorum                     some do, but too few for a decision
     |    +-- StoreFull                                   it has reached its quota
     |    +-- StoreMismatch                               it was made by another version, or with another key
     +-- DaemonFailed                                     of a cluster for tests: one did not start or end

How they cross the wire is told by :mod:`stractory.wire.failures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ActorEnded", "ActorError", "ActorExists", "ActorExited", "ActorHung", "ActorLost"]
__all__ += ["ActorNotFound", "ActorNotPublic", "ActorNotShippable", "ActorQuarantined", "ActorStartFailed"]
__all__ += ["AuthError", "CallError", "CallTimeout", "CallbackGone", "ConfigError", "ConnectErrors"]
__all__ += ["DaemonFailed", "ForbiddenRole", "InvalidName", "LinkClosed", "LinkError", "NoCompatibleWorker"]
__all__ += ["NoWorkers", "PageNotShown", "PlacementError", "PortUnavailable", "ProtocolError", "Recovering"]
__all__ += ["RegistryUnavailable", "RemoteError", "SlowConsumer", "SnapshotFailed", "StaleLocation"]
__all__ += ["StaleTicket", "StoreError", "StoreFull", "StoreMismatch", "StoreUnreachable"]
__all__ += ["StoreWithoutQuorum", "StractoryError", "StreamReset", "UnknownDefinition", "UnknownMethod"]
__all__ += ["UnreachableError", "UntrustedWrapper", "VersionMismatch", "WorkerFull", "WorkerNotFound"]
__all__ += ["WorkerUnavailable", "WrapperNotFound"]


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
    """The actor's code or options refer to something that cannot travel, and the text names the variable; or
    its worker takes no code that travels."""


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


class ActorHung(ActorError):
    """What was called held up its worker with all its actors, and was stopped; the text says where."""


class StaleLocation(ActorError, LookupError):
    """The stream was opened for a life of the name that is over; look the name up again."""


class StaleTicket(StaleLocation):
    """A ticket to an actor has expired, or is for another life or place: look the actor up again."""


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
    """No registered worker takes code that travels and runs the Python that this was made with."""


class ActorQuarantined(PlacementError):
    """Actors of this definition ended too many workers; the text tells for how long it is not started."""


class WorkerFull(PlacementError):
    """No worker has room for another actor, or one has not for another link; the text tells what to do."""


class WorkerNotFound(StractoryError, LookupError):
    """No worker has this address."""


class PageNotShown(StractoryError, LookupError):
    """The registry shows no page."""


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


class Recovering(CallTimeout):
    """The registry was started anew and the worker that has the name is not back yet. Nothing was done."""


class UnknownMethod(CallError, AttributeError):
    """The other side has no method of this name; the text lists those it has."""


class CallbackGone(CallError, ConnectionError):
    """The process that passed the function is gone, or the link to it, or the function was released."""


class SnapshotFailed(CallError):
    """The call has run, but the state of its actor could not be kept: a worker that dies may undo it."""


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


class Interruption(BaseException):
    """What stops it, past any ``except Exception``. Made with the ActorHung that whoever called gets."""


class PortUnavailable(StractoryError, OSError):
    """A port to listen on is taken or may not be bound; the text names the address."""


class ConfigError(StractoryError, ValueError):
    """A setting is wrong; the text names the file and line, the variable or the option."""


class DaemonFailed(StractoryError):
    """A process of a cluster for tests did not start or end; the text has its log."""


class StoreError(StractoryError):
    """What is to survive a registry cannot be read or written; the text names its directory or file."""


class StoreUnreachable(StoreError, ConnectionError):
    """No endpoint of etcd answers; the text names them, and what was the matter with the last."""


class StoreWithoutQuorum(StoreUnreachable):
    """Members of etcd answer, but they have no leader: too few of them reach each other."""


class StoreFull(StoreError):
    """etcd has reached its quota, and takes nothing until an operator has made room."""


class StoreMismatch(StoreError):
    """What is there was made by another version of stractory, or with another cluster key."""
