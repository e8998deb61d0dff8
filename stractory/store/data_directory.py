"""The directory of one registry: where it is by default, and that nobody else uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from stractory.errors import StoreError
from stractory.proof.keys import own_home

DATABASE = "registry.db"
"""The file of the names there, unless they are in etcd."""


def default_directory(port: int | str) -> Path:
    """That of the registry of this port, or of "PORT", below $XDG_STATE_HOME or ~/.local/state.

    Raises StoreError where there is no home.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        home = own_home()
        if home is None:
            raise StoreError("this user has no home: say where the registry is to keep its data")
        state = home / ".local/state"
    return state / f"stractory/registry-{port}"


class DataDirectory:
    """One that is locked until close(), or until the process ends. Made, for its owner alone, if missing."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError."""
        self.path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._lock = os.open(self.path / "lock", flags, 0o600)
        except OSError as error:
            raise StoreError(f"cannot use the data directory {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise StoreError(
                f"the data directory {self.path} is in use by the registry with pid {owner}: "
                "stop that, or give this one another directory"
            ) from None
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        except OSError:  # the disk is full: the lock holds without a number
            pass

    def close(self) -> None:
        """Let others have it."""
        os.close(self._lock)
