"""``stractoryctl``: look at a factory, use it and steer it, from a shell."""

from __future__ import annotations

import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Callable

from stractory.commands.ctl.arguments import make_parser
from stractory.commands.ctl.exits import FAILED, INTERRUPTED, PIPE_CLOSED, WELL, status_of
from stractory.commands.ctl.output import complain
from stractory.commands.ctl.session import Session
from stractory.commands.ctl.text import explanation
from stractory.errors import StractoryError

Command = Callable[[Session], int | None]


def main() -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # no name is to fail here
    try:
        status = run(make_parser().parse_args())
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # of standard output; what the client has to say is a StractoryError
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the very end
        if isinstance(error, BrokenPipeError):
            return PIPE_CLOSED
        complain(f"cannot write: {error.strerror}")
        return FAILED
    return status


def run(arguments: Namespace) -> int:
    """Run the command; returns the exit status. An error of ours is one line on standard error."""
    module, _, name = arguments.run.partition(":")
    session = Session(arguments)
    try:
        command: Command = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        return command(session) or WELL
    except StractoryError as error:
        complain(explanation(error, verbose="verbose" in arguments))
        return status_of(error)
    finally:
        session.close()
