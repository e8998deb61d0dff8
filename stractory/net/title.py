"""What ``ps`` shows of this process, if setproctitle is installed; else that is the command line."""

from __future__ import annotations

import os

NAME_LIMIT = 40
"""Most characters of an actor's name in it."""


def shown(name: str) -> str:
    """The name of an actor, cut and quoted: others choose it."""
    return repr(name if len(name) <= NAME_LIMIT else f"{name[:NAME_LIMIT]}...")


def show(text: str) -> None:
    """Show ``stractory: text``, which others can read: it is no place for secrets."""
    before = os.environ.get("SPT_NOENV")
    os.environ["SPT_NOENV"] = "1"  # else what /proc tells of the environment is overwritten
    try:
        from setproctitle import setproctitle

        setproctitle(f"stractory: {text}")
    except ImportError:
        pass
    finally:
        if before is None:
            del os.environ["SPT_NOENV"]
