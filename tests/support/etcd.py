"""etcd on loopback, in a temporary folder: a cluster of one or three whose members can be killed and stopped.

::

    with Etcd(3) as etcd:
        etcd.endpoints                     # ["http://127.0.0.1:40001", ...]
        etcd.members[0].kill()
        etcd.mend()                        # all are there again

``scripts/etcd-cluster`` runs one for trying out.
"""

from __future__ import annotations

import argparse
import ctypes  # noqa: F401  # so that die_with_parent() need not load it after a fork
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from stractory.net.process import die_with_parent
from stractory.store.etcd import operations
from stractory.store.etcd.client import Client
from tests.support.cluster import PATIENCE, until
from tests.support.programs import start_program

PROGRAM = "etcd"
HINT = "etcd is not installed: apt-get install etcd-server etcd-client"


CHOSEN = range(12_000, 32_000)
"""Ports that no connection is given of its own accord: one of the higher could be taken before it is used."""


def free_ports(count: int) -> list[int]:
    """So many ports of loopback that nobody listens at."""
    found: list[int] = []
    with ExitStack() as open_sockets:
        while len(found) < count:
            port = secrets.choice(CHOSEN)
            with suppress(OSError):
                open_sockets.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found


@cache
def _lasting_thread() -> ThreadPoolExecutor:
    """What is to die with its parent dies with the thread that has started it."""
    return ThreadPoolExecutor(1)


class Member:
    """One of a cluster: a process that can be started as often as the test likes, with the same data.

    ``plain``: where it answers in plain text, for the test's own questions.
    """

    def __init__(self, name: str, endpoint: str, plain: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.endpoint = endpoint
        self._plain = plain
        self._command = command
        self._log = log
        self._process: Any = None

    @property
    def pid(self) -> int:
        pid: int = self._process.pid
        return pid

    def start(self) -> None:
        """It may take a while until it answers."""
        self._process = _lasting_thread().submit(self._start).result()

    def _start(self) -> Any:
        with self._log.open("ab") as log:
            return start_program(
                self._command, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGSTOP: it has its connections, and does nothing. Returns when none of its threads does."""
        self._process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        until(lambda: all(_state(task) == "T" for task in tasks.iterdir()))

    def go_on(self) -> None:
        """SIGCONT; and where it was killed, start it."""
        if self._process is None:
            self.start()
        else:
            self._process.send_signal(signal.SIGCONT)

    @property
    def status(self) -> dict[str, Any]:
        """What it says of itself; nothing where it does not."""
        with suppress(OSError, ValueError):
            return self.ask("/v3/maintenance/status", {})
        return {}

    def ask(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What it answers. Raises OSError."""
        request = urllib.request.Request(f"{self._plain}{path}", json.dumps(asked).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310  # a member of ours
            told: dict[str, Any] = json.load(answer)
            return told

    @property
    def leads(self) -> bool:
        """Whether it is the leader."""
        told = self.status
        return bool(told) and told["header"]["member_id"] == told.get("leader")

    def check(self) -> None:
        """Raises AssertionError, with its log, where it has ended."""
        ended = self._process is not None and self._process.poll() is not None
        assert not ended, self._log.read_text(errors="replace")[-2000:]


def _state(task: Path) -> str:
    """That of a thread, as the kernel has it: "T" for one that is stopped."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


class Etcd:
    """``members``: so many; ``ports``: where clients find them. ``options``: more of the command line."""

    def __init__(self, size: int = 1, ports: Sequence[int] = (), options: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stractory-etcd-"))
        clients = [*ports, *free_ports(size - len(ports))]
        peers = [f"http://127.0.0.1:{port}" for port in free_ports(size)]
        names = [f"member-{number}" for number in range(1, size + 1)]
        everybody = ",".join(f"{name}={peer}" for name, peer in zip(names, peers, strict=True))
        self._prefixes = itertools.count(1)
        secured = any(option.startswith("--cert-file") for option in options)
        plain_ports = free_ports(size) if secured else clients
        self.members: list[Member] = []
        for name, port, plain_port, peer in zip(names, clients, plain_ports, peers, strict=True):
            plain = f"http://127.0.0.1:{plain_port}"
            client = f"https://127.0.0.1:{port}" if secured else plain
            command = [
                *(PROGRAM, f"--name={name}", f"--data-dir={self.folder / name}", "--log-level=warn"),
                *(f"--listen-client-urls={','.join({client, plain})}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                *(f"--initial-cluster={everybody}", f"--initial-cluster-token={self.folder.name}"),
                *options,
            ]
            self.members.append(Member(name, client, plain, command, self.folder / f"{name}.log"))

    @property
    def endpoints(self) -> list[str]:
        """The URLs of all members."""
        return [member.endpoint for member in self.members]

    def new_prefix(self) -> str:
        """One that nobody has had."""
        return f"/test-{next(self._prefixes)}"

    def empty(self) -> None:
        """Nothing is there any more, of any prefix."""
        self.members[0].ask("/v3/kv/deleterange", {"key": "AA==", "range_end": "AA=="})

    @cached_property
    def client(self) -> Client:
        """For what tests do beside the registries. Of one loop: it is not for threads."""
        return Client(self.endpoints)

    def compact(self) -> None:
        """What happened until now is not known any more."""
        revision = self.client.range(operations.range_of(b"-")).revision
        self.client._once("/v3/kv/compaction", b'{"revision": "%d"}' % revision, lambda endpoint, body: body)

    def make_room(self) -> None:
        """What an operator does where the only member is full: compact, defragment, disarm the alarm."""
        (member,) = self.members
        header = member.status["header"]
        member.ask("/v3/kv/compaction", {"revision": header["revision"], "physical": True})
        member.ask("/v3/maintenance/defragment", {})
        alarm = {"action": "DEACTIVATE", "memberID": header["member_id"], "alarm": "NOSPACE"}
        member.ask("/v3/maintenance/alarm", alarm)

    @property
    def leader(self) -> Member:
        """The one that leads now; waits for one."""
        found: Member = until(lambda: next((member for member in self.members if member.leads), None))
        return found

    def start(self) -> None:
        """Returns when all members answer, and one leads."""
        for member in self.members:
            member.start()
        self.wait()

    def mend(self) -> None:
        """All that were killed or stopped are there again."""
        for member in self.members:
            member.go_on()
        self.wait()

    def wait(self) -> None:
        """Until all members know of one leader."""
        until(self._agree, timeout=2 * PATIENCE)

    def _agree(self) -> bool:
        for member in self.members:
            member.check()
        leaders = {member.status.get("leader") for member in self.members}
        return len(leaders) == 1 and leaders != {None}

    def close(self) -> None:
        if "client" in self.__dict__:  # somebody has used it
            self.client.close()
        for member in self.members:
            member.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Etcd:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def needed() -> None:
    """Skip the test where there is no etcd."""
    if shutil.which(PROGRAM) is None:
        import pytest  # not there where one is only tried out

        pytest.skip(HINT)


def running(size: int, *options: str) -> Iterator[Etcd]:
    """For a fixture."""
    needed()
    with Etcd(size, options=options) as started:
        yield started


# ---- scripts/etcd-cluster --------------------------------------------------------------------------------


def main() -> int:
    """Run one until a signal, or the end of whoever started this."""
    parser = argparse.ArgumentParser(
        prog="scripts/etcd-cluster", description="An etcd on loopback for trying out. Nothing of it remains."
    )
    parser.add_argument("size", type=int, choices=[1, 3], help="how many members")
    parser.add_argument("--ports", type=int, nargs="+", default=[], help="where clients find them")
    arguments = parser.parse_args()
    if arguments.ports and len(arguments.ports) != arguments.size:
        parser.error(f"{arguments.size} members need as many ports")
    if shutil.which(PROGRAM) is None:
        print(HINT, file=sys.stderr)
        return 1
    for port in arguments.ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            parser.error(f"port {port}: {error.strerror}")
    parent, told = os.getppid(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *ignored: told.set())
    with Etcd(arguments.size, arguments.ports) as etcd:
        print(f"etcd ready at {','.join(etcd.endpoints)}", flush=True)
        for member in etcd.members:
            print(f"{member.name} at {member.endpoint} has pid {member.pid}", flush=True)
        while os.getppid() == parent and not told.wait(0.5):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
