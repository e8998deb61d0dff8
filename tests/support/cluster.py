"""A whole cluster for tests: a registry and a pool of workers, real processes with a key of their own."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import stractory
from tests.support.programs import start_program

BIN = Path(__file__).resolve().parents[2] / "bin"
PATIENCE = 20.0
"""Seconds that a daemon has to become ready or to end."""
ALL_IN_TLS = bool(os.environ.get("TESTS_IN_TLS"))
"""Whether clusters use TLS of which it is not said: for a run of all tests over it."""
REGISTRY_READY = "stractory registry ready at "
POOL_READY = "stractory pool ready"


def until(predicate: Callable[[], Any], timeout: float = PATIENCE, step: float = 0.02) -> Any:
    """The first true value of ``predicate``; AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < deadline, f"not so within {timeout:g} s: {predicate}"
        time.sleep(step)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop_for(pid: int, seconds: float, meanwhile: Callable[[], Any]) -> None:
    """SIGSTOP, and SIGCONT so much later; then, but before it goes on, do ``meanwhile``."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    meanwhile()
    os.kill(pid, signal.SIGCONT)


class Daemon:
    """One process of bin/. Its stderr goes to ``errors``; its stdout is read for its readiness line.

    ``inside``: a command that runs it somewhere else.
    """

    def __init__(
        self, program: str, *arguments: str, env: dict[str, str], errors: Path, inside: Sequence[str] = ()
    ) -> None:
        self.program = program
        self.errors = errors
        self._buffer = b""
        with errors.open("ab") as stderr:
            self.process: subprocess.Popen[bytes] = start_program(
                [*inside, sys.executable, str(BIN / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=env,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_line(self, beginning: str) -> str:
        """The next line of its output that begins so."""
        out = self._stdout
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while True:
                while b"\n" in self._buffer:
                    line, _, self._buffer = self._buffer.partition(b"\n")
                    if line.decode().startswith(beginning):
                        return line.decode()
                left = deadline - time.monotonic()
                data = os.read(out.fileno(), 65536) if left > 0 and selector.select(left) else b""
                assert data, f"{self.program} did not say {beginning!r}:\n{self.errors.read_text()}"
                self._buffer += data

    @property
    def _stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._stdout.close()

    def end(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.join()

    def join(self) -> int:
        """Wait for its end; its exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._stdout.close()


class Cluster:
    """``workers`` of 0 is a registry only, with ``tls`` all is encrypted.

    Entering starts it; leaving ends it and checks the statuses.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        respawn_delay: float = 0.2,
        tls: bool = ALL_IN_TLS,
        registry_arguments: Sequence[str] = (),
        pool_arguments: Sequence[str] = (),
    ) -> None:
        self._workers = workers
        self._respawn_delay = respawn_delay
        both = ["--tls=auto"] if tls else []
        self._registry_arguments = (*both, *registry_arguments)
        self._pool_arguments = (*both, *pool_arguments)
        self.folder = Path(tempfile.mkdtemp(prefix="stractory-test-"))
        self.key_file = self.folder / "cluster.key"
        self.env = {name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")}
        self.env["STRACTORY_KEY_FILE"] = str(self.key_file)
        self.env["STRACTORY_DATA_DIR"] = str(self.folder / "registry")
        self.address = ""
        self.registry: Daemon | None = None
        self.pool: Daemon | None = None

    def start(self) -> None:
        try:
            self._start_registry("127.0.0.1:0")
            if self._workers:
                self.pool = self.daemon(
                    "stractory-workers",
                    f"--workers={self._workers}",
                    f"--registry={self.address}",
                    f"--respawn-delay={self._respawn_delay}",
                    f"--working-dir={self.folder}",
                    *self._pool_arguments,
                )
                self.pool.wait_line(POOL_READY)
        except BaseException:
            self._abandon()
            raise

    def daemon(self, program: str, *arguments: str, inside: Sequence[str] = ()) -> Daemon:
        """Start a program of bin/ with the cluster's key; whoever does so ends it."""
        errors = self.folder / f"{program}.err"
        return Daemon(program, *arguments, env=self.env, errors=errors, inside=inside)

    def _start_registry(self, listen: str) -> None:
        self.registry = self.daemon("stractory", f"--listen={listen}", *self._registry_arguments)
        self.address = self.registry.wait_line(REGISTRY_READY).removeprefix(REGISTRY_READY)

    def kill_registry(self) -> None:
        assert self.registry is not None
        self.registry.kill()
        self.registry = None

    def restart_registry(self) -> None:
        """kill -9, then a new one on the same port."""
        if self.registry is not None:
            self.kill_registry()
        self._start_registry(self.address)

    def client(self, **options: Any) -> stractory.Client:
        return stractory.client(self.address, **{"key_file": self.key_file, **options})

    def errors(self) -> str:
        """What the daemons wrote to stderr."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.err")))

    def _daemons(self) -> list[Daemon]:
        daemons = [daemon for daemon in (self.pool, self.registry) if daemon is not None]
        self.pool = self.registry = None
        return daemons

    def _abandon(self) -> None:
        for daemon in self._daemons():
            daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """SIGTERM to the pool, then the registry; AssertionError unless both exit with 0."""
        try:
            statuses = {daemon.program: daemon.end() for daemon in self._daemons()}
            assert not any(statuses.values()), f"{statuses}\n{self.errors()}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
