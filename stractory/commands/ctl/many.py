"""What is done to many actors, several at a time, and told of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gevent.pool import Pool

from stractory.commands.ctl.exits import WELL, status_of
from stractory.commands.ctl.output import complain
from stractory.commands.ctl.session import Session, plain_mistakes
from stractory.commands.ctl.text import explanation
from stractory.errors import ConfigError, StractoryError

AT_ONCE = 32
"""Actors at a time."""


Change = Callable[[str], object]
"""Of the actor of that name."""


def each(session: Session, doing: str, done: str, names: Sequence[str], change: Change) -> int:
    """``change`` each of these and say so, with a bar meanwhile; what is ``done`` is a line for each.

    The status is that of the first that failed. Raises ConfigError.
    """
    failed: dict[str, StractoryError] = {}

    def attempt(name: str) -> None:
        try:
            with plain_mistakes():
                change(name)
        except StractoryError as error:
            failed[name] = error

    with session.output.progress(doing, len(names)) as tell:
        for count, _ in enumerate(Pool(AT_ONCE).imap_unordered(attempt, names), 1):
            if tell:
                tell(count)
    for error in failed.values():
        if isinstance(error, ConfigError):  # a mistake in what was asked for, which is the same for all
            raise error
    if session.output.json:
        session.output.value(
            [{"name": name, "error": str(failed[name]) if name in failed else None} for name in names]
        )
    for name in names:
        if name in failed:
            complain(explanation(failed[name], verbose="verbose" in session.arguments))
        elif not session.output.json:
            session.output.line(f"{done} {name}")
    return next((status_of(failed[name]) for name in names if name in failed), WELL)
