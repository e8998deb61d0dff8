"""Runs a command for a spawn actor and sees to it that none of its process group outlives the worker.

A program of its own, started as ``python -I -S keeper.py CONTROL COMMAND ARGUMENT...``. CONTROL is a socket
to the worker, on which it says in lines what happens: ``forked PID``, then ``started`` or ``failed TEXT``,
then ``exit STATUS``. The command has a process group of its own, with its pid for a number. When the worker
ends the connection, by design or by dying, or when the command ends, the whole group ends.

Its own exit status is 0 when nothing of the group is left. With any other, that is for the worker to end: so
the command does not begin before the worker was told its pid.

It uses nothing but the standard library, and little of it, because each spawn actor has one.
"""

import os
import select
import signal
import sys

GRACE = 2.0
"""Seconds between asking the group to end and making it."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR2)
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
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tell_worker(control, f"exit {status}")


def start(control: int, command: list[str]) -> int:
    """The pid of the command, once it runs. Ends this process when it cannot."""
    told, tell = os.pipe()
    gate, opening = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(opening)
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            if os.read(gate, 1):  # nothing comes from a keeper that has died
                os.execvp(command[0], command)  # noqa: S606  # it is the user's to ask for a shell
        except BaseException as error:
            os.write(tell, f"{command[0]}: {getattr(error, 'strerror', None) or error}".encode())
        os._exit(127)
    os.close(tell)
    os.close(gate)
    os.setpgid(child, child)
    tell_worker(control, f"forked {child}")
    os.write(opening, b".")
    os.close(opening)
    if failure := os.read(told, 1000):
        os.waitpid(child, 0)
        tell_worker(control, f"failed {failure.decode()}")
        os._exit(0)
    os.close(told)
    tell_worker(control, "started")
    return child


def tell_worker(control: int, line: str) -> None:
    try:  # noqa: SIM105  # this program imports no more than it must
        os.write(control, f"{line}\n".encode())
    except OSError:
        pass  # it is gone, or does not ask any more


def signal_group(child: int, number: int) -> None:
    try:  # noqa: SIM105
        os.killpg(child, number)
    except ProcessLookupError:
        pass  # all are gone


if __name__ == "__main__":
    main()
