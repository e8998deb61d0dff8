"""Runs a command for a spawn actor and sees to it that nothing of it outlives the worker.

A program of its own, started as ``python -I -S keeper.py CONTROL COMMAND ARGUMENT...``. CONTROL is a socket
to the worker, on which it says in lines what happens: ``started PID``, ``failed TEXT``, ``exit STATUS``.
The command has a process group of its own, with its pid for a number. When the worker ends the connection,
by design or by dying, or when the command ends, the whole group ends.

It uses nothing but the standard library, and little of it, because each spawn actor has one.
"""

import os
import select
import signal
import sys

GRACE = 2.0
"""Seconds between asking the group to end and making it."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
"""What is not for the keeper; the command gets them as it would anywhere."""


def main() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    control, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(control, False)
    child = start(control, command)
    for inherited in (0, 1, 2):  # the command's alone, so that they end with it
        os.close(inherited)
    exited = os.pidfd_open(child)
    ready, _, _ = select.select([control, exited], [], [])
    if exited not in ready:
        signal_group(child, signal.SIGTERM)
        select.select([exited], [], [], GRACE)
    signal_group(child, signal.SIGKILL)
    report_exit(control, child)


def start(control: int, command: list[str]) -> int:
    """The pid of the command, once it runs. Ends this process when it cannot."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.execvp(command[0], command)
        except BaseException as error:
            os.write(tell, f"{command[0]}: {getattr(error, 'strerror', None) or error}".encode())
        os._exit(127)
    os.close(tell)
    if failure := os.read(told, 1000):
        os.write(control, b"failed " + failure + b"\n")
        os._exit(1)
    os.close(told)
    os.write(control, f"started {child}\n".encode())
    return child


def signal_group(child: int, number: int) -> None:
    try:  # noqa: SIM105  # this program imports no more than it must
        os.killpg(child, number)
    except ProcessLookupError:
        pass  # all are gone


def report_exit(control: int, child: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:  # noqa: SIM105
        os.write(control, f"exit {status}\n".encode())
    except OSError:
        pass  # the worker is gone, or does not ask any more


if __name__ == "__main__":
    main()
