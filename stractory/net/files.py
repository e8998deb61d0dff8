"""How a file is opened that must not be another, which somebody has put in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def open_itself(path: str | Path, flags: int) -> int:
    """As os.open(); what is made is for its owner alone. Raises OSError, also for a symbolic link."""
    try:
        # Without O_NONBLOCK the opening of a fifo waits for who is at its other end.
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise OSError(errno.ELOOP, "it is a symbolic link; name the file itself") from None
        raise
