"""The exit statuses of ``stractoryctl``, and which of them an error stands for. Pure."""

from __future__ import annotations

from stractory.errors import (
    ActorLost,
    ActorNotFound,
    CallTimeout,
    ConfigError,
    InvalidName,
    LinkClosed,
    StractoryError,
    UnknownMethod,
    UnreachableError,
    WorkerNotFound,
)

WELL, FAILED, USAGE, NOT_FOUND, UNREACHABLE, NOT_ALLOWED = range(6)
TIMED_OUT = 124
"""As timeout(1) has it."""
INTERRUPTED, PIPE_CLOSED = 130, 141
"""As a shell tells of a program that SIGINT or SIGPIPE ended."""

_OF_ERRORS: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((ConfigError, InvalidName), USAGE),
    ((ActorNotFound, WorkerNotFound, UnknownMethod), NOT_FOUND),
    ((CallTimeout,), TIMED_OUT),
    ((UnreachableError, ActorLost, LinkClosed), UNREACHABLE),
    ((PermissionError,), NOT_ALLOWED),
)


def status_of(error: StractoryError) -> int:
    """The exit status of a command that ends with this error."""
    return next((status for errors, status in _OF_ERRORS if isinstance(error, errors)), FAILED)
