"""What actors do that would end their worker, or make a second one of it."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import gevent

log = logging.getLogger(__name__)


def one_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call what is an actor's: of a process that it forks, only the worker itself comes back."""
    worker = os.getpid()
    try:
        value = function(*args)
    except BaseException as error:
        _end_if_forked(worker, error)
        raise
    _end_if_forked(worker, None)
    return value


def outlive_exits() -> None:
    """Log what green threads of actors raise. gevent lets sys.exit() in any of them end the whole process.

    The signals that are meant to end it have handlers, which raise nothing.
    """
    worker = os.getpid()

    def log_failure(context: Any, kind: Any, error: Any, trace: TracebackType | None) -> None:
        _end_if_forked(worker, error)
        log.error("a green thread failed", exc_info=(kind, error, trace))

    hub = gevent.get_hub()
    hub.SYSTEM_ERROR = ()
    hub.NOT_ERROR = (gevent.GreenletExit,)
    hub.print_exception = log_failure  # type: ignore[assignment, method-assign]


def _end_if_forked(worker: int, error: BaseException | None) -> None:
    """End this process, without any of the worker's tidying up, if it is not the worker."""
    if os.getpid() == worker:
        return
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        status = 1
        traceback.print_exception(type(error), error, error.__traceback__)
    os._exit(status)
