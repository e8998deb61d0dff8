"""Ends a worker whose event loop stands still for too long.

A program of its own, started as ``python -I -S watchman.py WORKER SECONDS SIGNAL STACKS WORD...``, because C
code may hold a worker's interpreter, so that nothing else runs there. Its standard input is a pipe into which
the worker's loop writes as it turns; when the worker is gone, it ends. It counts ticks of its own, but none
in which the worker was stopped (SIGSTOP, a debugger). Where a machine or cgroup stands still, so does it.

At SIGNAL the worker writes its stacks into a file, which both have open as STACKS, and dies. The watchman
copies them to standard error. If they name a definition, it goes on as the command WORD..., with its mark.

It uses nothing but the standard library, and little of it, because each worker has one.
"""

import os
import select
import signal
import sys

TICKS = 20
"""In the time after which the worker is ended."""

MARK = b" definition "
"""In a stack, before the beginning of a definition's digest."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR2)
"""What is for the worker, and ends it too."""

GRACE = 1.0
"""Seconds that it has to write down its stacks."""


def main() -> None:
    for ignored in SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    worker, limit, number, stacks = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    os.set_inheritable(stacks, False)
    os.set_blocking(0, False)
    gone = select.poll()
    gone.register(0, 0)  # asks for nothing but the end of the pipe
    silent = 0.0
    while not gone.poll(1000 * limit / TICKS) and os.getppid() == worker:  # a forked child may hold the pipe
        if turned():
            silent = 0.0
        elif not stopped(worker):
            silent += limit / TICKS
        if silent >= limit:
            os.kill(worker, number)
            if not gone.poll(1000 * GRACE) and os.getppid() == worker:
                os.kill(worker, signal.SIGKILL)
            told = os.pread(stacks, 1 << 20, 0)
            ended = f"the worker stood still for {limit:g} s and was ended (pid {worker})\n"
            os.write(2, told + ended.encode())
            accuse(told, sys.argv[5:])
            return


def accuse(stacks: bytes, command: list[str]) -> None:
    """Of several definitions the one that ran: the innermost of the main thread, whose stack is the last."""
    _, _, main_thread = stacks.rpartition(b"hread 0x")
    _, found, rest = main_thread.partition(MARK)
    if found and command:
        words = [*command, rest.split(b"\n", 1)[0].decode()]
        os.execv(words[0], words)  # noqa: S606  # a shell would only be in the way


def turned() -> bool:
    try:
        return bool(os.read(0, 65536))
    except BlockingIOError:
        return False


def stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()[0] in b"Tt"


if __name__ == "__main__":
    try:  # noqa: SIM105  # this program imports no more than it must
        main()
    except OSError:
        pass  # the worker is gone, or nobody is there to hear of it
