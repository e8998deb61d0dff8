"""repl: a Python prompt with a client."""

from __future__ import annotations

import code
import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stractory.commands.ctl.session import Session
from stractory.version import VERSION


def repl(session: Session) -> None:
    """``strac`` serves what arrives while the prompt waits; Ctrl-D ends it."""
    client = session.make_client(background=True)
    names = {"strac": client, "stractory": sys.modules["stractory"], "__name__": "__console__"}
    banner = f"stractory {VERSION}, {client!r}: strac.list(), strac.get(name), help(strac); Ctrl-D ends"
    try:
        with _editing(names):
            code.interact(banner, local=names, exitmsg="")
    finally:
        client.close()


@contextmanager
def _editing(names: dict[str, object]) -> Iterator[None]:
    """Completion by TAB, and lines of earlier prompts, where Python was built with readline."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        yield
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    history = _state_folder() / "history"
    with contextlib.suppress(OSError):
        history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        history.touch(mode=0o600)
        readline.read_history_file(history)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(history)


def _state_folder() -> Path:
    """By the XDG base directories."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "stractory"
