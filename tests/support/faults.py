"""Faults that tests make: a process that stands still, a wire that misbehaves; and what a process uses."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import SHUT_WR
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from stractory.errors import StractoryError
from stractory.net.address import address
from stractory.net.sockets import SocketStream
from stractory.proof import keys
from stractory.proof.handshake import holders, prove_to_client, prove_to_server
from tests.support.cluster import PATIENCE, until


def let_pass(seconds: float) -> None:
    """Time goes by in which something must not happen; green threads go on."""
    gevent.sleep(seconds)


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT in the end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def descriptors(pid: int) -> int:
    """How many the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int) -> int:
    """Bytes of memory that it occupies."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


ROOT = Path(__file__).resolve().parents[2]


def look_inside(gauges: Path, clock: Path | None = None) -> dict[str, str]:
    """The environment of a daemon whose green threads can be counted, and whose clock is moved by a file.

    See tests/support/inside/sitecustomize.py.
    """
    env = {"PYTHONPATH": f"{ROOT / 'tests/support/inside'}:{ROOT}", "FAULTS_GAUGES": str(gauges)}
    return env if clock is None else {**env, "FAULTS_CLOCK": str(clock)}


def green_threads(gauges: Path, pid: int) -> int:
    """How many there are in a daemon that can be looked into."""
    answer = gauges / f"{pid}.green"
    answer.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    return int(until(lambda: answer.exists() and answer.read_text()))


class Wire:
    """What processes dial instead of a registry: it passes on what they say, as long as it is not cut.

    It runs in a thread of its own, so that it goes on while its test blocks. The proof of the key is bound to
    the address that was dialled; so the wire, which has the key, proves at both of its ends.

    ``delay``: seconds that every piece takes.
    """

    def __init__(self, server: str, key_file: Path) -> None:
        self.delay = 0.0
        self.address = ""
        self._server = address(server)
        self._keys = keys.load(key_file)
        self._there, self._back, self._closed = Event(), Event(), Event()
        self._ends: set[SocketStream] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(PATIENCE)

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Nothing passes any more, in one direction or both, and nobody is told."""
        self._do(self._set, not there, not back)

    def mend(self) -> None:
        """What was held up passes after all."""
        self._do(self._set, True, True)

    def reset(self) -> None:
        """Break all connections; new ones may be made."""
        self._do(self._abort_all)

    def close(self) -> None:
        self._do(self._closed.set)
        self._thread.join(PATIENCE)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- in its thread ---------------------------------------------------------------------------------

    def _do(self, function: Callable[..., Any], *args: Any) -> None:
        done = threading.Event()

        def run() -> None:
            function(*args)
            done.set()

        self._loop.run_callback_threadsafe(run)
        assert done.wait(PATIENCE)

    def _run(self, ready: threading.Event) -> None:
        self._loop = gevent.get_hub().loop
        self._set(True, True)
        listening = StreamServer(("127.0.0.1", 0), self._serve)
        listening.start()
        self.address = f"127.0.0.1:{listening.server_port}"
        ready.set()
        self._closed.wait()
        listening.stop()
        self._abort_all()
        gevent.get_hub().destroy()

    def _set(self, there: bool, back: bool) -> None:
        for way, passes in ((self._there, there), (self._back, back)):
            way.set() if passes else way.clear()

    def _abort_all(self) -> None:
        for end in list(self._ends):
            end.abort()

    def _serve(self, sock: Any, peer: Any) -> None:
        ends = {near := SocketStream.over(sock)}
        try:
            ends.add(far := SocketStream.over(socket.create_connection(self._server)))
            self._ends |= ends
            self._there.wait()
            self._back.wait()
            who = prove_to_client(near, "registry", holders(self._keys, keys.ROLES))
            prove_to_server(far, "registry", self._keys.credential(who.role))
            gevent.joinall(
                [
                    gevent.spawn(self._pass_on, near, far, self._there),
                    gevent.spawn(self._pass_on, far, near, self._back),
                ]
            )
        except (StractoryError, OSError):
            pass  # either side may leave, or be refused, at any time
        finally:
            self._ends -= ends
            for end in ends:
                end.abort()

    def _pass_on(self, source: SocketStream, target: SocketStream, way: Event) -> None:
        try:
            for data in source:
                way.wait()
                gevent.sleep(self.delay)
                target.sendall(data)
            way.wait()
            target.shutdown(SHUT_WR)
        except OSError:
            way.wait()
            source.abort()
            target.abort()
