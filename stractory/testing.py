"""A cluster for the tests of those who use stractory::

    import stractory.testing

    with stractory.testing.cluster(workers=2) as cluster:
        strac = cluster.client()

Real daemons, each a process, with a key, ports and a folder of their own: nobody else's are in their way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from stractory.clients.client import Client
from stractory.clients.making import client
from stractory.commands import registry, workers
from stractory.commands.values import suggestion
from stractory.errors import ConfigError, DaemonFailed
from stractory.net.process import environment, in_words

__all__ = ["Cluster", "Daemon", "cluster"]

PATIENCE = 20.0
"""Seconds that a daemon has to become ready, or to end."""

STEP = 0.01
"""Seconds between looks at what it says."""

REGISTRY, POOL = "stractory", "stractory-workers"
REGISTRY_READY = "stractory registry ready at "
POOL_READY = "stractory pool ready"

OUR_OWN = ("listen", "registry", "workers")
"""Settings that a cluster chooses itself."""


def cluster(
    workers: int = 2, *, settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
) -> Cluster:
    """A registry and a pool of so many workers, as a context: there from its beginning to its end.

    ``settings``: of both programs, such as ``{"heartbeat-timeout": 2, "tls": "auto"}``; each gets those that
    it has. ``env``: variables that they get, beside those of this process. Raises ConfigError for a setting
    that neither has, and DaemonFailed, with their logs, when they do not start.
    """
    return Cluster(workers, arguments=_arguments(settings or {}), env=env)


def _arguments(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The command lines that give them to the programs."""
    names = {REGISTRY: registry.make_parser().names, POOL: workers.make_parser().names}
    found: dict[str, list[str]] = {program: [] for program in names}
    for given, value in settings.items():
        name = given.replace("_", "-")
        if name in OUR_OWN:
            raise ConfigError(f"{name} is what a cluster for tests chooses itself")
        if not any(name in known for known in names.values()):
            near = suggestion(name, {*names[REGISTRY], *names[POOL]} - {*OUR_OWN})
            raise ConfigError(f"{given!r} is no setting of a registry or pool{near}")
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        for program, known in names.items():
            found[program] += [f"--{name}={text}"] * (name in known)
    return found


def _program(name: str) -> tuple[Path, Path | None]:
    """Where a program of ours is, and the source tree that it needs on its path if it is there."""
    tree = Path(__file__).parents[1]
    if (program := tree / "bin" / name).exists():
        return program, tree
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (program := folder / name).exists():
            return program, None
    raise ConfigError(f"there is no {name} in {Path(sys.executable).parent}: install stractory there")


class Daemon:
    """A process of one of the programs. Its log goes to the file ``errors``, in ``folder``.

    ``inside``: a command that runs it somewhere else. What it prints goes to a file too: a pipe may fill up.
    """

    def __init__(
        self, program: str, *arguments: str, env: Mapping[str, str], folder: Path, inside: Sequence[str] = ()
    ) -> None:
        self.program = program
        self.errors = folder / f"{program}.err"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        self._position = 0
        self._unread = b""
        path, tree = _program(program)
        if tree is not None:
            env = {**env, "PYTHONPATH": os.pathsep.join([str(tree), *filter(None, [env.get("PYTHONPATH")])])}
        with self.errors.open("ab") as errors:
            # A session of its own: Ctrl-C is for the tests, which end it in order.
            self.process = subprocess.Popen(  # noqa: S603  # a program of ours
                [*inside, sys.executable, str(path), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=errors,
                env=env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_line(self, beginning: str) -> str:
        """The next line that it prints and that begins so. Raises DaemonFailed when none comes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.process.poll()  # before the last look at what it has said
            while (line := self._next_line()) is not None:
                if line.startswith(beginning):
                    return line
            if status is not None or time.monotonic() > deadline:
                how = f"did not say so within {PATIENCE:g} s" if status is None else in_words(status)
                log = self.errors.read_text(errors="replace")
                raise DaemonFailed(f"{self.program} was to say {beginning!r} and {how}:\n{log}")
            time.sleep(STEP)

    def _next_line(self) -> str | None:
        data = os.pread(self._output.fileno(), 65536, self._position)
        self._position += len(data)
        line, end, rest = (self._unread + data).partition(b"\n")
        self._unread = rest if end else line
        return line.decode(errors="replace") if end else None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.join()

    def end(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.join()

    def join(self) -> int:
        """Wait for its end; its exit status. Raises DaemonFailed, and kills it, when that takes too long."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            log = self.errors.read_text(errors="replace")
            raise DaemonFailed(f"{self.program} did not end within {PATIENCE:g} s:\n{log}") from None
        finally:
            self._output.close()


class Cluster:
    """``address``: of the registry. ``key_file``: the key, in ``folder``, which is removed at the end.

    ``arguments``: more of the command lines, by program. ``workers`` of 0 is a registry only.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        arguments: Mapping[str, Sequence[str]] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._workers = workers
        self._arguments = arguments or {}
        self._clients: list[weakref.ref[Client]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="stractory-test-"))
        self.key_file = self.folder / "cluster.key"
        self.env = {
            **environment(),
            "STRACTORY_KEY_FILE": str(self.key_file),
            "STRACTORY_DATA_DIR": str(self.folder / "registry"),
            **(env or {}),
        }
        self.address = ""
        self.registry: Daemon | None = None
        self.pool: Daemon | None = None

    def start(self) -> None:
        """Returns when all workers are ready. Raises DaemonFailed."""
        try:
            self._start_registry("127.0.0.1:0")
            if self._workers:
                where = f"--workers={self._workers}", f"--registry={self.address}"
                self.pool = self.daemon(POOL, *where, *self._arguments.get(POOL, ()))
                self.pool.wait_line(POOL_READY)
        except BaseException:
            self._abandon()
            raise

    def _start_registry(self, listen: str) -> None:
        self.registry = self.daemon(REGISTRY, f"--listen={listen}", *self._arguments.get(REGISTRY, ()))
        self.address = self.registry.wait_line(REGISTRY_READY).removeprefix(REGISTRY_READY)

    def daemon(self, program: str, *arguments: str, inside: Sequence[str] = ()) -> Daemon:
        """Start a program with the cluster's key; whoever does so ends it."""
        return Daemon(program, *arguments, env=self.env, folder=self.folder, inside=inside)

    def client(self, **options: Any) -> Client:
        """As stractory.client(), for this cluster, which closes it at its end."""
        made = client(self.address, **{"key_file": self.key_file, **options})
        self._clients.append(weakref.ref(made))
        return made

    def errors(self) -> str:
        """What the daemons have logged so far."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.err")))

    def close(self) -> None:
        """End clients, pool and registry, in this order. Raises DaemonFailed."""
        try:
            self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> dict[str, int]:
        """The exit statuses, by program."""
        daemons = self._daemons()
        with contextlib.ExitStack() as ending:  # whatever goes wrong, all are ended
            for daemon in daemons:
                ending.callback(daemon.end)
            self._close_clients()
        return {daemon.program: daemon.process.returncode for daemon in daemons}

    def _close_clients(self) -> None:
        for made in filter(None, [known() for known in self._clients]):
            with contextlib.suppress(RuntimeError):  # it is another thread's
                made.close()

    def _abandon(self) -> None:
        for daemon in self._daemons():
            daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _daemons(self) -> list[Daemon]:
        """Those there are, and no more from now on."""
        daemons = [daemon for daemon in (self.registry, self.pool) if daemon is not None]
        self.registry = self.pool = None
        return daemons

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
