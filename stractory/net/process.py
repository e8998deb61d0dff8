"""Which process is at the other end, whether it is gone for certain, how one ended; what ours are given."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

from stractory.errors import ProtocolError
from stractory.net.descriptors import descriptors

MACHINE_LIMIT = 256
"""Most characters of what tells a machine."""


class Process(NamedTuple):
    """A process for good: its pid alone would be used again.

    ``machine`` tells the running kernel and the pid namespace; ``started`` is in clock ticks since boot.
    """

    machine: str
    pid: int
    started: int

    @classmethod
    def from_wire(cls, fields: Any) -> Process:
        """Raises ProtocolError."""
        match fields:
            case [str() as machine, int() as pid, int()] if pid >= 0 and len(machine) <= MACHINE_LIMIT:
                return cls(*fields)
        raise ProtocolError("malformed process of a worker")


def own() -> Process:
    """This process."""
    return of(os.getpid())


def of(pid: int) -> Process:
    """The process that has this pid now."""
    state = _state(pid)
    return Process(_machine(), pid, state[1] if state else 0)


def environment() -> dict[str, str]:
    """What those that this process starts get of its environment: all but our own settings.

    Whoever of them needs some gets them on its command line, and no variable of ours can change its mind.
    """
    return {name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")}


def die_with_parent() -> None:
    """Have the system kill this process when the one that started it dies, whatever this is doing then."""
    import ctypes  # it takes a while, and few need it

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL), 0, 0, 0)


@descriptors.lent()
def pass_on(pid: int, number: int) -> None:
    """Give the signal to a child of ours, if it handles it by now: one that just starts would die of it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "SigCgt" and int(value, 16) >> (number - 1) & 1:
                os.kill(pid, number)


def in_words(status: int) -> str:
    """How a process ended, by the status that subprocess gives."""
    if status >= 0:
        return f"ended with status {status}"
    number = -status
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return f"was ended by SIGRTMIN+{number - signal.SIGRTMIN}"
    try:
        return f"was ended by {signal.Signals(number).name}"
    except ValueError:
        return f"was ended by signal {number}"


@descriptors.lent()
def is_gone(process: Process) -> bool:
    """Whether it is dead beyond doubt. False also when it runs elsewhere, where nobody here can tell."""
    try:
        if process.machine != _machine():
            return False
        state = _state(process.pid)
    except OSError:  # there are no descriptors to look with
        return False
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
