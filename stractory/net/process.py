"""Which process is at the other end, and whether it is gone for certain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process for good: its pid alone would be used again.

    ``machine`` tells the running kernel and the pid namespace; ``started`` is in clock ticks since boot.
    """

    machine: str
    pid: int
    started: int


def own() -> Process:
    """This process."""
    state = _state(os.getpid())
    return Process(_machine(), os.getpid(), state[1] if state else 0)


def is_gone(process: Process) -> bool:
    """Whether it is dead beyond doubt. False also when it runs elsewhere, where nobody here can tell."""
    if process.machine != _machine():
        return False
    state = _state(process.pid)
    return state is None or state[0] in "ZX" or state[1] != process.started


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _state(pid: int) -> tuple[str, int] | None:
    """Fields 3 and 22 of /proc/PID/stat (see proc(5)): the state's letter and the start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the command's name, in brackets, may hold anything
    return fields[0], int(fields[19])
